//! What we vouch for, said in claims: one set for each attempt to send a request.

use std::net::IpAddr;

use countersign_contract::assertion::{Claims, VERSION};
use countersign_contract::binding::RequestBinding;
use countersign_contract::name::{ArmName, SessionId};
use countersign_contract::policy::PolicyDigest;
use countersign_contract::route::{Mode, Route};
use countersign_contract::time::UnixSeconds;

use crate::identify::{Identity, Proof};
use crate::record::Journal;
use crate::refusal::Refusal;
use crate::scrub::Canonical;
use crate::settings::{Origin, Settings};
use crate::signing::SigningKeys;

/// What all that is said of one request has in common.
pub struct Vouching<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The request.
    pub request: &'a Canonical<'a>,
    /// The keys, one of which signs. It is made ready for each attempt, as a request that is refused needs none.
    pub keys: &'a SigningKeys,
    /// The digest of the policy.
    pub policy: &'a PolicyDigest,
    /// The generation of the list that was looked at.
    pub list_generation: Option<u64>,
    /// The client's address.
    pub client: IpAddr,
    /// The arm of the route's experiment.
    pub arm: Option<ArmName>,
    /// The version of this program.
    pub service_version: Option<u64>,
    /// Now.
    pub now: UnixSeconds,
}

/// Of whom something is said.
#[derive(Clone, Debug)]
pub enum Whom {
    /// Of nobody.
    Nobody,
    /// Of somebody signed in whom the route doesn't learn of.
    Known,
    /// Of somebody.
    Somebody(Identity),
    /// Of a log-in that is over.
    Ended(SessionId),
}

impl Vouching<'_> {
    /// Signs what is vouched for to an origin, under the journal's decision id. Where nothing is enforced,
    /// somebody who doesn't fit into an assertion becomes nobody: never a part of their groups.
    ///
    /// # Errors
    /// [`Refusal`] where they don't fit and the route is enforced.
    pub fn vouch(
        &self,
        whom: &Whom,
        origin: &Origin,
        route: &Route,
        journal: &mut Journal,
    ) -> Result<String, Refusal> {
        let sign = |whom: &Whom, journal: &mut Journal| {
            let claims = self.claims(whom, origin, journal);
            journal.vouched(route, &claims);
            self.mint(&claims, journal)
        };
        let Whom::Somebody(who) = whom else { return sign(whom, journal) };
        match (sign(whom, journal), route.mode) {
            (Err(refusal), Mode::Observe) => journal.would(refusal),
            (Err(refusal), Mode::Off) => journal.detail(format!("nobody is vouched for: {refusal}")),
            (signed, _) => {
                journal.identity(&who.subject, who.session.as_ref(), &who.groups);
                return signed;
            }
        }
        sign(&Whom::Nobody, journal)
    }

    /// Signs it as it is.
    ///
    /// # Errors
    /// [`Refusal`] where it doesn't fit into an assertion.
    pub fn sign(&self, whom: &Whom, origin: &Origin, journal: &mut Journal) -> Result<String, Refusal> {
        self.mint(&self.claims(whom, origin, journal), journal)
    }

    fn mint(&self, claims: &Claims, journal: &mut Journal) -> Result<String, Refusal> {
        let signer = self.keys.signer(self.settings.assertion_key.as_ref())?;
        let assertion = signer.mint(claims)?;
        journal.key(signer.id());
        Ok(assertion)
    }

    fn claims(&self, whom: &Whom, origin: &Origin, journal: &Journal) -> Claims {
        let Self { settings, request, now, .. } = *self;
        let nobody = Claims {
            v: VERSION,
            iss: settings.service.clone(),
            aud: origin.audience.clone(),
            iat: now,
            exp: now.plus(settings.assertion_lifetime_seconds),
            txn: journal.id(),
            req: RequestBinding::of(request.method, &request.authority, &request.target),
            ip: self.client,
            sub: None,
            sid: None,
            groups: Vec::new(),
            bot: None,
            arm: self.arm.clone(),
            known: false,
            ends: None,
            env: settings.environment.clone(),
            sv: self.service_version,
            pol: Some(self.policy.clone()),
            rep: self.list_generation,
        };
        match whom {
            Whom::Nobody => nobody,
            Whom::Known => Claims { known: true, ..nobody },
            Whom::Somebody(who) => Claims {
                sub: Some(who.subject.clone()),
                sid: who.session.clone(),
                groups: who.groups.clone(),
                bot: match &who.by {
                    Proof::Bot { name, .. } => Some(name.clone()),
                    Proof::Bearer(_) | Proof::Session { .. } => None,
                },
                ..nobody
            },
            Whom::Ended(session) => Claims { ends: Some(session.clone()), ..nobody },
        }
    }
}
