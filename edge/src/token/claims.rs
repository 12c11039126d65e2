//! The claims of a token, each checked by itself.

use countersign_contract::name::{SessionId, Subject};
use countersign_contract::time::UnixSeconds;
use serde_json::{Map, Value};

use super::fault::{TokenFault, shorten};
use super::presented::unique_members;
use crate::certificate::{ClientCertificate, Standing, Thumbprint};
use crate::settings::Issuer;

/// A date beyond this (year 9999) is nonsense, and sums with it must not overflow.
const LATEST_DATE: f64 = 253_402_300_799.0;

/// The claims as said.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn parse(json: &[u8]) -> Result<Self, TokenFault> {
        unique_members(json).map(Self).map_err(|e| TokenFault::MalformedClaims(e.to_string()))
    }

    /// The issuer of the settings that the token names. Its name picks the keys, so it is compared
    /// byte for byte.
    pub(super) fn issuer<'i>(&self, issuers: &'i [Issuer]) -> Result<&'i Issuer, TokenFault> {
        let said = self.text("iss")?.ok_or(TokenFault::IssuerMissing)?;
        issuers
            .iter()
            .find(|issuer| issuer.issuer.as_str() == said)
            .ok_or_else(|| TokenFault::WrongIssuer(shorten(said)))
    }

    pub(super) fn check_times(&self, now: UnixSeconds, skew: u64) -> Result<(), TokenFault> {
        let expires = self.date("exp")?.ok_or(TokenFault::ExpiryMissing)?;
        if expires.plus(skew) <= now {
            return Err(TokenFault::Expired(now.since(expires)));
        }
        if let Some(begins) = self.date("nbf")?.filter(|begins| *begins > now.plus(skew)) {
            return Err(TokenFault::NotYetValid(begins.since(now)));
        }
        if let Some(issued) = self.date("iat")?.filter(|issued| *issued > now.plus(skew)) {
            return Err(TokenFault::IssuedInTheFuture(issued.since(now)));
        }
        Ok(())
    }

    pub(super) fn check_audience(&self, expected: &str) -> Result<(), TokenFault> {
        let said = match self.0.get("aud") {
            None | Some(Value::Null) => return Err(TokenFault::AudienceMissing),
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => {
                let texts: Option<Vec<&str>> = several.iter().map(Value::as_str).collect();
                texts.ok_or_else(|| not_a("aud", "a string or an array of strings"))?
            }
            Some(_) => return Err(not_a("aud", "a string or an array of strings")),
        };
        if said.contains(&expected) {
            return Ok(());
        }
        Err(TokenFault::WrongAudience { said: shorten(&said.join(" ")), expected: expected.to_owned() })
    }

    /// `iat`, which has to be there in ID and log-out tokens.
    pub(super) fn check_issued(&self) -> Result<(), TokenFault> {
        self.date("iat")?.map(drop).ok_or(TokenFault::IssuedMissing)
    }

    /// That it was issued a moment ago: what a log-out token says is acted on again each time it comes.
    pub(super) fn check_recent(&self, now: UnixSeconds, most: u64) -> Result<(), TokenFault> {
        let issued = self.date("iat")?.ok_or(TokenFault::IssuedMissing)?;
        if issued.plus(most) < now { Err(TokenFault::TooOld(now.since(issued))) } else { Ok(()) }
    }

    /// OpenID Connect Core section 3.1.3.7, steps 4 and 5: of several audiences one has to be the party
    /// that the token was made for.
    pub(super) fn check_party(&self, client: &str) -> Result<(), TokenFault> {
        let several = self.0.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        match self.text("azp")? {
            Some(said) if said == client => Ok(()),
            None if !several => Ok(()),
            said => Err(TokenFault::WrongParty {
                said: shorten(said.unwrap_or("missing")),
                expected: client.to_owned(),
            }),
        }
    }

    pub(super) fn check_nonce(&self, expected: &str) -> Result<(), TokenFault> {
        match self.text("nonce")? {
            None => Err(TokenFault::NonceMissing),
            Some(said) if said == expected => Ok(()),
            Some(_) => Err(TokenFault::NonceMismatch),
        }
    }

    /// That it is an access token, of an issuer whose tokens don't say what they are: these claims only
    /// ID tokens (OpenID Connect Core sections 2 and 3.3.2.11) and log-out tokens have.
    pub(super) fn refuse_other_kinds(&self) -> Result<(), TokenFault> {
        let of_others = ["nonce", "at_hash", "c_hash", "events"];
        let found = of_others.into_iter().find(|name| self.0.contains_key(*name));
        found.map_or(Ok(()), |name| Err(TokenFault::IdToken(name)))
    }

    /// That whoever sends the token is the one whom it is bound to (`cnf`, RFC 7800 section 3.1), by the client
    /// certificate of the connection (RFC 8705 section 3.1). What is bound in another way is refused: to take it
    /// for a bearer token would drop what its issuer promised.
    pub(super) fn check_confirmation(
        &self,
        certificate: impl FnOnce() -> Option<ClientCertificate>,
    ) -> Result<(), TokenFault> {
        const CERTIFICATE: &str = "x5t#S256";
        let Some(said) = self.0.get("cnf") else { return Ok(()) };
        let members = said.as_object().ok_or_else(|| not_a("cnf", "an object"))?;
        if let Some(other) = members.keys().find(|name| *name != CERTIFICATE) {
            return Err(TokenFault::ConfirmationUnsupported(shorten(other)));
        }
        let bound = members.get(CERTIFICATE).and_then(|said| Thumbprint::parse(said.as_str()?));
        let bound = bound.ok_or_else(|| not_a("cnf", "`x5t#S256` with 32 bytes in base64url"))?;
        match certificate() {
            None => Err(TokenFault::WrongCertificate("the connection has none")),
            Some(shown) if shown.thumbprint() != bound => {
                Err(TokenFault::WrongCertificate("that of the connection is another"))
            }
            // Nobody has to know its authority (RFC 8705 section 6.2).
            Some(shown) => match shown.standing() {
                Standing::Trusted | Standing::UnknownAuthority => Ok(()),
                Standing::Refused => Err(TokenFault::WrongCertificate("the platform refuses that one")),
            },
        }
    }

    /// OpenID Connect Back-Channel Logout 1.0 section 2.4: what makes a log-out token one, and what keeps it
    /// from being anything else.
    pub(super) fn check_logout(&self) -> Result<(), TokenFault> {
        const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
        if self.0.contains_key("nonce") {
            return Err(TokenFault::NoncePresent);
        }
        let event = self.0.get("events").and_then(|events| events.as_object()?.get(EVENT));
        if event.is_some_and(Value::is_object) { Ok(()) } else { Err(TokenFault::EventsMissing) }
    }

    pub(super) fn subject(&self, issuer: &Issuer, issuers: &[Issuer]) -> Result<Subject, TokenFault> {
        let said = self.text("sub")?.ok_or(TokenFault::SubjectMissing)?;
        issuer.qualify(issuers, said).map_err(|e| TokenFault::SubjectRefused(e.to_string()))
    }

    /// The log-in that the token is of: `sid` (OpenID Connect Back-Channel Logout section 2.1), which all
    /// tokens of a log-in share, else `jti`, which is this token's alone. No issuer has to say either, so one
    /// that can't be used is none.
    pub(super) fn session(&self, issuer: &Issuer, issuers: &[Issuer]) -> Option<SessionId> {
        self.log_in(issuer, issuers).or_else(|| self.name(issuer, issuers, "jti"))
    }

    /// The log-in that an ID token is of, where it says: a session lives longer than this token, and the next
    /// one has another `jti`.
    pub(super) fn log_in(&self, issuer: &Issuer, issuers: &[Issuer]) -> Option<SessionId> {
        self.name(issuer, issuers, "sid")
    }

    fn name(&self, issuer: &Issuer, issuers: &[Issuer], claim: &str) -> Option<SessionId> {
        issuer.qualify(issuers, self.0.get(claim)?.as_str()?).ok()
    }

    /// The log-in that a log-out token is about.
    pub(super) fn ended(&self, issuer: &Issuer, issuers: &[Issuer]) -> Result<SessionId, TokenFault> {
        let said = self.text("sid")?.ok_or(TokenFault::SessionMissing)?;
        issuer.qualify(issuers, said).map_err(|e| TokenFault::MalformedClaims(format!("`sid`: {e}")))
    }

    /// The groups that the issuer names and may speak of.
    pub(super) fn groups(&self, issuer: &Issuer) -> Result<Vec<String>, TokenFault> {
        let claim = issuer.groups_claim.as_str();
        let malformed = || TokenFault::GroupsMalformed(claim.to_owned());
        match self.0.get(claim) {
            None | Some(Value::Null) => {
                self.check_overage(claim)?;
                Ok(Vec::new())
            }
            Some(Value::Array(groups)) => {
                groups.iter().map(|group| group.as_str().map(str::to_owned).ok_or_else(malformed)).collect()
            }
            Some(_) => Err(malformed()),
        }
    }

    /// Groups that were left out for their number (OpenID Connect Core section 5.6.2, and Entra ID's
    /// `hasgroups`): nobody may be taken for a member of none.
    fn check_overage(&self, claim: &str) -> Result<(), TokenFault> {
        let elsewhere = self.0.get("_claim_names").and_then(Value::as_object);
        if elsewhere.is_some_and(|names| names.contains_key(claim)) {
            return Err(TokenFault::GroupsOverage("_claim_names"));
        }
        match self.0.get("hasgroups") {
            Some(Value::Bool(true)) => Err(TokenFault::GroupsOverage("hasgroups")),
            Some(Value::String(word)) if word == "true" => Err(TokenFault::GroupsOverage("hasgroups")),
            _ => Ok(()),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, TokenFault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(not_a(name, "a string")),
        }
    }

    /// A `NumericDate` (RFC 7519 section 2), which may have a fraction.
    fn date(&self, name: &str) -> Result<Option<UnixSeconds>, TokenFault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match number.as_f64() {
                // Whole seconds below 2^53 are exact, and the range keeps the conversion in it.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
                Some(seconds) if (0.0..=LATEST_DATE).contains(&seconds) => {
                    Ok(Some(UnixSeconds(seconds as u64)))
                }
                _ => Err(not_a(name, "a number of seconds since 1970")),
            },
            Some(_) => Err(not_a(name, "a number of seconds since 1970")),
        }
    }
}

fn not_a(name: &str, expected: &str) -> TokenFault {
    TokenFault::MalformedClaims(format!("`{name}` is not {expected}"))
}
