//! What HAProxy asks about: one request, as it received it.

use countersign_contract::list::Action;
use countersign_contract::route::Upgrade;
use haproxy_wire::spop::{Notify, Value};
use thiserror::Error;

use crate::reputation::table::action_of;

/// The SPOE message that a question comes in.
const MESSAGE: &[u8] = b"request";

/// One request in HAProxy's words, nothing of it checked yet. Bytes, since clients send any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// HAProxy's own id of the request: a UUID.
    pub id: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// How many `Host` fields there were.
    pub hosts: usize,
    /// The host as received; empty if there was none.
    pub host: &'a [u8],
    /// Path and query as received; empty if there was no path.
    pub target: &'a [u8],
    /// How many `Countersign-Assertion` fields there were.
    pub assertions: usize,
    /// The last of them.
    pub assertion: Option<&'a [u8]>,
    /// What the request asks to become.
    pub upgrade: Upgrade,
    /// What HAProxy's own table says of the client, where it left that to the agent.
    pub listed: Option<Action>,
}

/// Why a question can't be answered.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QuestionFault {
    /// The message isn't there.
    #[error("HAProxy sent no SPOE message `request`")]
    NoMessage,
    /// An argument isn't there.
    #[error("the SPOE message `request` has no argument `{0}`")]
    Missing(&'static str),
    /// An argument is of another type.
    #[error("the argument `{0}` of the SPOE message `request` is of another type than HAProxy's sample has")]
    Mistyped(&'static str),
    /// An argument came twice.
    #[error("the SPOE message `request` has the argument `{0}` twice")]
    Repeated(&'static str),
}

impl<'a> Request<'a> {
    /// Reads the question out of a NOTIFY. Other messages and arguments are passed over, so that
    /// a site may send more for its own agents.
    ///
    /// # Errors
    /// [`QuestionFault`] names what is missing, of another type or there twice.
    pub fn from_notify(notify: &Notify<'a>) -> Result<Self, QuestionFault> {
        let message =
            notify.messages().find(|message| message.name() == MESSAGE).ok_or(QuestionFault::NoMessage)?;
        let mut given = Given::default();
        for (name, value) in message.args() {
            match name {
                b"id" => given.id.take("id", value)?,
                b"method" => given.method.take("method", value)?,
                b"hosts" => given.hosts.take("hosts", value)?,
                b"host" => given.host.take("host", value)?,
                b"target" => given.target.take("target", value)?,
                b"assertions" => given.assertions.take("assertions", value)?,
                b"assertion" => given.assertion.take("assertion", value)?,
                b"listed" => given.listed.take("listed", value)?,
                b"upgrade" => given.upgrade.take("upgrade", value)?,
                _ => {}
            }
        }
        Ok(Self {
            id: given.id.text("id")?.unwrap_or_default(),
            method: given.method.text("method")?.unwrap_or_default(),
            hosts: given.hosts.count("hosts")?,
            host: given.host.text("host")?.unwrap_or_default(),
            target: given.target.text("target")?.unwrap_or_default(),
            assertions: given.assertions.count("assertions")?,
            assertion: given.assertion.text("assertion")?,
            upgrade: given.upgrade.upgrade("upgrade")?,
            listed: given.listed.action("listed")?,
        })
    }
}

#[derive(Default)]
struct Given<'a> {
    id: Argument<'a>,
    method: Argument<'a>,
    hosts: Argument<'a>,
    host: Argument<'a>,
    target: Argument<'a>,
    assertions: Argument<'a>,
    assertion: Argument<'a>,
    listed: Argument<'a>,
    upgrade: Argument<'a>,
}

#[derive(Default)]
struct Argument<'a>(Option<Value<'a>>);

impl<'a> Argument<'a> {
    const fn take(&mut self, name: &'static str, value: Value<'a>) -> Result<(), QuestionFault> {
        match self.0.replace(value) {
            None => Ok(()),
            Some(_) => Err(QuestionFault::Repeated(name)),
        }
    }

    /// A sample that HAProxy could not take comes as NULL.
    const fn text(&self, name: &'static str) -> Result<Option<&'a [u8]>, QuestionFault> {
        match self.0 {
            None => Err(QuestionFault::Missing(name)),
            Some(Value::Null) => Ok(None),
            Some(Value::Str(text) | Value::Binary(text)) => Ok(Some(text)),
            Some(_) => Err(QuestionFault::Mistyped(name)),
        }
    }

    /// The word for an upgrade; absent where there is none. HAProxy knows only one.
    const fn upgrade(&self, name: &'static str) -> Result<Upgrade, QuestionFault> {
        match self.0 {
            None | Some(Value::Null) => Ok(Upgrade::None),
            Some(Value::Str(_) | Value::Binary(_)) => Ok(Upgrade::Websocket),
            Some(_) => Err(QuestionFault::Mistyped(name)),
        }
    }

    /// A number of an action; absent where HAProxy keeps no such table.
    fn action(&self, name: &'static str) -> Result<Option<Action>, QuestionFault> {
        match self.0 {
            None | Some(Value::Null) => Ok(None),
            Some(_) => Ok(u32::try_from(self.count(name)?).ok().and_then(action_of)),
        }
    }

    fn count(&self, name: &'static str) -> Result<usize, QuestionFault> {
        let count = match self.0 {
            None => return Err(QuestionFault::Missing(name)),
            Some(Value::Int32(n)) => usize::try_from(n).ok(),
            Some(Value::Uint32(n)) => usize::try_from(n).ok(),
            Some(Value::Int64(n)) => usize::try_from(n).ok(),
            Some(Value::Uint64(n)) => usize::try_from(n).ok(),
            Some(_) => None,
        };
        count.ok_or(QuestionFault::Mistyped(name))
    }
}
