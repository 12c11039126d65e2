//! `countersign revoke`

use clap::Args;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::name::{SessionId, Subject};

use super::Failure;
use super::admin::Socket;
use super::bans::{now, time};
use crate::admin::Request;
use crate::reputation::signal::LONGEST_BAN;

#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    socket: Socket,
    #[command(flatten)]
    whom: Whom,
    /// For how long, at most 24 days: at least as long as a session lives
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=LONGEST_BAN))]
    seconds: u64,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// Everything that this subject is signed in with, at the edge and at the origin
    #[arg(long, value_name = "SUBJECT")]
    sub: Option<Subject>,
    /// One log-in (`sid` of its token, else `jti`), at the edge, and in agents where assertions name it
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
}

impl Revoke {
    pub(super) fn run(self) -> Result<(), Failure> {
        let of_session = self.whom.session.map(ClientKey::Session);
        let clients = self.whom.sub.map(ClientKey::Subject).into_iter().chain(of_session);
        let until = now().plus(self.seconds);
        let mut admin = self.socket.connect()?;
        for client in clients {
            let name = client.to_string();
            let reason = "revoked".to_owned();
            admin.ask(&Request::BansAdd { client, action: Action::Block, until, reason }, |_| Ok(()))?;
            println!("{name}: revoked until {}", time(until));
        }
        Ok(())
    }
}
