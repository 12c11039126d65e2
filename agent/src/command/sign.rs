//! `countersign sign`

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use countersign_contract::assertion::{AssertionSigner, Claims, MintError, SignerFault, VERSION};
use countersign_contract::binding::RequestBinding;
use countersign_contract::decision_id::DecisionId;
use countersign_contract::name::{Audience, Environment, GroupName, ServiceName, Subject};
use thiserror::Error;

use super::Failure;
use super::url::{RequestError, Url, method};
use crate::serve::now;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  curl -H \"$(countersign sign --key assertion.private.jwk.json --audience eu-1 \
    --environment production --service edge-www --url http://www.example.test/api/ --subject alice --groups engineering)\" \
    -H 'Host: www.example.test' http://127.0.0.1:8000/api/"
)]
pub(super) struct Sign {
    /// The private key (JWK)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The data centre it is for
    #[arg(long)]
    audience: Audience,
    /// The environment it is for
    #[arg(long)]
    environment: Environment,
    /// The edge service it is from: one of the agent's `assertion.services` that the key may sign for
    #[arg(long)]
    service: ServiceName,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's URL, with the host that the request will name
    #[arg(long)]
    url: Url,
    /// Who asks; nobody if left out
    #[arg(long)]
    subject: Option<Subject>,
    /// Their groups, comma-separated
    #[arg(long, value_delimiter = ',')]
    groups: Vec<GroupName>,
    /// The client's address
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    /// How long it lives, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    lifetime: u64,
}

/// Why an assertion can't be printed.
#[derive(Debug, Error)]
enum SignError {
    #[error("{file}: {source}")]
    Read { file: PathBuf, source: io::Error },
    #[error("{file}: {fault}")]
    Key { file: PathBuf, fault: SignerFault },
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Mint(#[from] MintError),
}

impl Sign {
    pub(super) fn run(self) -> Result<(), Failure> {
        Ok(writeln!(io::stdout(), "Countersign-Assertion: {}", self.sign()?)?)
    }

    fn sign(self) -> Result<String, SignError> {
        let json =
            std::fs::read(&self.key).map_err(|source| SignError::Read { file: self.key.clone(), source })?;
        let signer = AssertionSigner::from_jwk(&json)
            .map_err(|fault| SignError::Key { file: self.key.clone(), fault })?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(SignError::Random)?;
        let iat = now().seconds();
        let claims = Claims {
            v: VERSION,
            iss: self.service,
            aud: self.audience,
            iat,
            exp: iat.plus(self.lifetime),
            txn: DecisionId::from_random(id),
            req: RequestBinding::of(method(&self.method)?, &self.url.authority()?, &self.url.target()?),
            ip: self.ip.to_canonical(),
            sub: self.subject,
            groups: self.groups,
            env: self.environment,
            sv: None,
            pol: None,
            sid: None,
            bot: None,
            arm: None,
            known: false,
            ends: None,
            rep: None,
        };
        Ok(signer.mint(&claims)?)
    }
}
