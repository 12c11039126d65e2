//! Who asks the identity provider for tokens: the edge of a site, or a program in its own name.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::identity_provider::{TokenAlgorithm, random};
use crate::trouble::Trouble;

/// How a client proves to the token endpoint which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    /// Not at all: a public client, with PKCE alone.
    None,
    /// By this secret in `Authorization: Basic` (`client_secret_basic`).
    Basic(String),
    /// By this secret in the form (`client_secret_post`).
    Post(String),
}

/// One client, as it is registered at the provider.
#[derive(Debug, Clone)]
pub struct OidcClient {
    /// Its `client_id`.
    pub id: String,
    /// How it proves that.
    pub proof: ClientProof,
    /// What signs its ID tokens, logout tokens and access tokens.
    pub algorithm: TokenAlgorithm,
    /// Where a log-in may come back to; none for a program.
    pub redirect_uris: Vec<String>,
    /// Where a log-out may come back to.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where logout tokens are posted to.
    pub backchannel_logout_uri: Option<String>,
    /// The groups of tokens in its own name.
    pub groups: Vec<String>,
}

impl OidcClient {
    /// The edge of `https://HOST`, with the paths that it has for log-in, and a fresh secret.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn site(id: &str, host: &str, algorithm: TokenAlgorithm) -> Result<Self, Trouble> {
        Ok(Self {
            id: id.into(),
            proof: ClientProof::Basic(secret()?),
            algorithm,
            redirect_uris: vec![format!("https://{host}/.countersign/callback")],
            post_logout_redirect_uris: vec![format!("https://{host}/")],
            backchannel_logout_uri: Some(format!("https://{host}/.countersign/backchannel-logout")),
            groups: Vec::new(),
        })
    }

    /// A program that gets tokens in its own name, with a fresh secret.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] without randomness.
    pub fn program(id: &str, algorithm: TokenAlgorithm, groups: &[&str]) -> Result<Self, Trouble> {
        Ok(Self {
            id: id.into(),
            proof: ClientProof::Basic(secret()?),
            algorithm,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        })
    }

    /// The value of `Authorization` with this secret (RFC 6749 section 2.3.1).
    #[must_use]
    pub fn basic_authorization(&self, secret: &str) -> String {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(&self.id), encoded(secret))))
    }

    /// Its registration, by the names of OpenID Connect Dynamic Client Registration 1.0.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let (method, secret) = match &self.proof {
            ClientProof::None => ("none", None),
            ClientProof::Basic(secret) => ("client_secret_basic", Some(secret)),
            ClientProof::Post(secret) => ("client_secret_post", Some(secret)),
        };
        let is_program = self.redirect_uris.is_empty();
        let mut metadata = json!({
            "client_id": self.id,
            "token_endpoint_auth_method": method,
            "id_token_signed_response_alg": self.algorithm.name(),
            "redirect_uris": self.redirect_uris,
            "post_logout_redirect_uris": self.post_logout_redirect_uris,
            "grant_types": [if is_program { "client_credentials" } else { "authorization_code" }],
            "response_types": if is_program { json!([]) } else { json!(["code"]) },
            "groups": self.groups,
        });
        if let (Some(secret), Some(fields)) = (secret, metadata.as_object_mut()) {
            fields.insert("client_secret".into(), secret.as_str().into());
        }
        if let (Some(uri), Some(fields)) = (&self.backchannel_logout_uri, metadata.as_object_mut()) {
            fields.insert("backchannel_logout_uri".into(), uri.as_str().into());
            fields.insert("backchannel_logout_session_required".into(), true.into());
        }
        metadata
    }
}

fn secret() -> Result<String, Trouble> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}
