//! What HAProxy can check by itself: a JWT by `jwt_verify`, and an HMAC in Lua. Neither looks at more than
//! the signature; the agent's verdict does.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_contract::assertion::AssertionSigner;
use countersign_tests::trouble::Trouble;

use crate::edge::{Edge, EdgeError};
use crate::stage::Stage;

/// Rules of HAProxy that refuse what isn't signed, and a token that is.
pub(crate) struct Rival {
    /// The name of its line.
    pub(crate) name: &'static str,
    /// Lines of the section `global`.
    pub(crate) global: String,
    /// Rules of the frontend.
    pub(crate) rules: String,
    /// What is accepted.
    pub(crate) token: String,
}

/// Why a rival can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RivalError {
    /// A file or program is missing.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// No claims or no assertion.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// No randomness.
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The signature of openssl can't be read.
    #[error("expected a signature in DER from openssl: {0}")]
    Signature(#[from] p256::ecdsa::Error),
    /// The claims can't be written.
    #[error("the claims can't be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// An algorithm of `jwt_verify`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Jwt {
    Es256,
    Rs256,
}

/// All of them.
pub(crate) fn rivals(stage: &Stage, edge: &Edge) -> Result<Vec<Rival>, RivalError> {
    Ok(vec![jwt(stage, edge, Jwt::Es256)?, jwt(stage, edge, Jwt::Rs256)?, lua_hmac(stage, edge)?])
}

fn jwt(stage: &Stage, edge: &Edge, algorithm: Jwt) -> Result<Rival, RivalError> {
    let (name, alg, key) = match algorithm {
        Jwt::Es256 => ("jwt_verify ES256 in HAProxy", "ES256", ["EC", "ec_paramgen_curve:P-256"]),
        Jwt::Rs256 => ("jwt_verify RS256 in HAProxy, 2048 bits", "RS256", ["RSA", "rsa_keygen_bits:2048"]),
    };
    let folder = stage.folder();
    let (private, public) = (format!("{alg}.pem"), format!("{alg}.public.pem"));
    openssl(folder, &["genpkey", "-algorithm", key[0], "-pkeyopt", key[1], "-out", &private])?;
    openssl(folder, &["pkey", "-in", &private, "-pubout", "-out", &public])?;
    let header = format!(r#"{{"alg":"{alg}","kid":"bench","typ":"countersign+jwt"}}"#);
    let claims = serde_json::to_vec(&edge.fresh_claims()?)?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    stage.write("signed", &signed)?;
    let signature = openssl(folder, &["dgst", "-sha256", "-sign", &private, "signed"])?;
    let signature = match algorithm {
        // RFC 7518 section 3.4: r and s behind each other, which openssl wraps in DER.
        Jwt::Es256 => p256::ecdsa::Signature::from_der(&signature)?.to_bytes().to_vec(),
        Jwt::Rs256 => signature,
    };
    let path = folder.join(public);
    Ok(Rival {
        name,
        global: String::new(),
        rules: format!(
            "    http-request set-var(txn.token) req.fhdr(countersign-assertion)\n    \
             http-request deny unless {{ var(txn.token),jwt_verify({alg},\"{}\") -m int 1 }}",
            path.display()
        ),
        token: format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)),
    })
}

fn lua_hmac(stage: &Stage, edge: &Edge) -> Result<Rival, RivalError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(RivalError::Randomness)?;
    let signer = AssertionSigner::from_jwk(shared_secret("bench", &secret).as_bytes());
    let token = signer.map_err(EdgeError::from)?.mint(&edge.fresh_claims()?).map_err(EdgeError::from)?;
    let script = format!(
        r#"core.register_action("check_hmac", {{ "http-req" }}, function(txn)
  local token = txn.f:req_fhdr("countersign-assertion") or ""
  local signed, signature = token:match("^([%w_-]+%.[%w_-]+)%.([%w_-]+)$")
  local mac = signed and txn.c:hmac(signed, "sha256", "{key}")
  txn:set_var("txn.holds", mac ~= nil and txn.c:ub64enc(mac) == signature)
end)
"#,
        key = STANDARD.encode(secret)
    );
    let script = stage.write("hmac.lua", &script)?;
    Ok(Rival {
        name: "HMAC-SHA256 in HAProxy's Lua",
        global: format!("    lua-load-per-thread {}", script.display()),
        rules: "    http-request lua.check_hmac\n    http-request deny unless { var(txn.holds) -m bool }"
            .to_owned(),
        token,
    })
}

/// A JWK of a shared secret.
pub(crate) fn shared_secret(kid: &str, secret: &[u8; 32]) -> String {
    format!(r#"{{"kty":"oct","kid":"{kid}","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(secret))
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, Trouble> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(Trouble::io("start `openssl`"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Trouble::Command {
        command: format!("openssl {}", arguments.join(" ")),
        status: output.status.to_string(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
