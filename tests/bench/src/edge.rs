//! The edge's part: a key pair, and assertions for the request that the benches ask about.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::policy::Policy;
use countersign_contract::assertion::{AssertionSigner, Claims, MintError, SignerFault, VERSION};
use countersign_contract::binding::RequestBinding;
use countersign_contract::canonical::{Authority, Method, NotAMethod, NotAnAuthority, NotCanonical, Target};
use countersign_contract::decision_id::DecisionId;
use countersign_contract::name::NotAName;
use countersign_tests::world::{AUDIENCE, ENVIRONMENT, HOST, SERVICE};
use ed25519_dalek::{SigningKey, VerifyingKey};

/// Path and query of every request.
pub(crate) const TARGET: &str = "/api/v1/orders/12345?expand=items&page=2";
/// A target on a route whose assertions count once.
pub(crate) const ONCE_TARGET: &str = "/orders/12345";
/// The client that the edge vouches for, from the block for documentation.
const CLIENT: &str = "198.51.100.7";
/// The id of the edge's key.
pub(crate) const KEY_ID: &str = "bench";
/// The id of the shared secret, where there is one.
pub(crate) const SECRET_ID: &str = "bench-secret";
/// The longest life that the agent's default settings accept.
const LIFETIME_SECONDS: u64 = 60;

/// Why no assertion can be minted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    /// The system gives no randomness.
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The key is refused.
    #[error(transparent)]
    Key(#[from] SignerFault),
    /// A name in the claims is none.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// The method is none.
    #[error(transparent)]
    Method(#[from] NotAMethod),
    /// The host is none.
    #[error(transparent)]
    Host(#[from] NotAnAuthority),
    /// The target isn't canonical.
    #[error(transparent)]
    Target(#[from] NotCanonical),
    /// The client's address is none.
    #[error(transparent)]
    Client(#[from] std::net::AddrParseError),
    /// The assertion can't be written.
    #[error(transparent)]
    Mint(#[from] MintError),
}

/// An edge with a fresh key.
pub(crate) struct Edge {
    signer: AssertionSigner,
    public: VerifyingKey,
    private: String,
    jwks: String,
    claims: Claims,
}

impl Edge {
    /// Makes a key and the claims of somebody in `engineering` who asks for [`TARGET`].
    pub(crate) fn new(policy: &Policy) -> Result<Self, EdgeError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(EdgeError::Randomness)?;
        let public = SigningKey::from_bytes(&seed).verifying_key();
        let (d, x) = (URL_SAFE_NO_PAD.encode(seed), URL_SAFE_NO_PAD.encode(public.as_bytes()));
        let private = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{KEY_ID}","d":"{d}","x":"{x}"}}"#);
        let signer = AssertionSigner::from_jwk(private.as_bytes())?;
        let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{KEY_ID}","x":"{x}"}}]}}"#);
        let now = countersign::serve::now().seconds();
        let claims = Claims {
            v: VERSION,
            iss: SERVICE.parse()?,
            aud: AUDIENCE.parse()?,
            iat: now,
            exp: now,
            txn: DecisionId::from_random([0; 16]),
            req: binding("GET", TARGET)?,
            ip: CLIENT.parse()?,
            sub: Some("alice@example.test".parse()?),
            groups: vec!["engineering".parse()?, "everyone".parse()?],
            env: ENVIRONMENT.parse()?,
            sv: Some(17),
            pol: Some(policy.digest().clone()),
            sid: None,
            bot: None,
            arm: None,
            known: false,
            ends: None,
            rep: Some(4242),
        };
        Ok(Self { signer, public, private, jwks, claims })
    }

    /// The public key, parsed.
    pub(crate) const fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The public key in base64url.
    pub(crate) fn public_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.public.as_bytes())
    }

    /// The private key as the edge's secret store holds it.
    pub(crate) fn private(&self) -> &str {
        &self.private
    }

    /// The public key as the agent's file of keys holds it.
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A new assertion for a GET of [`TARGET`], good for a minute.
    pub(crate) fn mint(&self) -> Result<String, EdgeError> {
        Ok(self.signer.mint(&self.fresh_claims()?)?)
    }

    /// What a new assertion for a GET of [`TARGET`] says.
    pub(crate) fn fresh_claims(&self) -> Result<Claims, EdgeError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(EdgeError::Randomness)?;
        let iat = countersign::serve::now().seconds();
        let exp = iat.plus(LIFETIME_SECONDS);
        Ok(Claims { iat, exp, txn: DecisionId::from_random(id), ..self.claims.clone() })
    }
}

/// What ties an assertion to a request to [`HOST`].
pub(crate) fn binding(method: &str, target: &str) -> Result<RequestBinding, EdgeError> {
    Ok(RequestBinding::of(
        Method::parse(method.as_bytes())?,
        &Authority::parse(HOST.as_bytes())?,
        &Target::parse(target.as_bytes())?,
    ))
}
