//! What can be wrong with the parts, the header, the key and the signature.

use countersign_contract::assertion::TYPE;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use crate::judging::{
    ED_KID, HS_KID, RFC7515_K, RFC8037_X, claims_with, decode, ed_key, encode, header, signed, signed_with,
};
use crate::{Row, good_claims, good_header};

pub(crate) fn shapes() -> Vec<Row> {
    let good = signed(good_header(), good_claims());
    let parts: Vec<&str> = good.split('.').collect();
    vec![
        ("4097 bytes", "A".repeat(4097), "assertion-too-large", "4097 bytes long"),
        (
            "a good token, too long",
            format!("{good}{}", "A".repeat(4097 - good.len())),
            "assertion-too-large",
            "4097",
        ),
        ("nothing in it", String::new(), "malformed-parts", "no `.`"),
        ("no dot", "A".repeat(4096), "malformed-parts", "no `.`"),
        ("one dot", format!("{}.{}", parts[0], parts[1]), "malformed-parts", "only one `.`"),
        ("four parts", format!("{good}.AAAA"), "malformed-parts", "more than two `.`"),
        ("five parts, as an encrypted one", "A.B.C.D.E".to_owned(), "malformed-parts", "more than two `.`"),
        ("a space", good.replacen('.', ". ", 1), "malformed-parts", "not base64url"),
        ("a line break", format!("{good}\r\n"), "malformed-parts", "not base64url"),
        ("padding", format!("{good}=="), "malformed-parts", "not base64url"),
        (
            "the standard alphabet",
            format!("{}.{}.ab+/", parts[0], parts[1]),
            "malformed-parts",
            "not base64url",
        ),
        ("a letter of Unicode", format!("{good}\u{e9}"), "malformed-parts", "not base64url"),
    ]
}

pub(crate) fn headers() -> Vec<Row> {
    let with = |header: &str| signed(header, good_claims());
    let without = |part: &str| with(&good_header().replacen(part, "", 1));
    let also = |member: &str| with(&good_header().replacen('{', &format!("{{{member},"), 1));
    let alg = |alg: &str| with(&header(alg, ED_KID));
    let kid = |kid: &str| with(&header("EdDSA", kid));
    let typ = |typ: &str| with(&good_header().replace(TYPE, typ));
    vec![
        ("an empty header", format!(".{}.AAAA", encode(good_claims())), "malformed-header", "EOF"),
        (
            "a header of one character",
            format!("A.{}.AAAA", encode(good_claims())),
            "malformed-header",
            "base64url",
        ),
        ("a header that is no JSON", with("alg=EdDSA"), "malformed-header", "expected value"),
        (
            "a header that is an array",
            with(&format!(r#"["EdDSA","{ED_KID}","{TYPE}"]"#)),
            "malformed-header",
            "an object",
        ),
        ("a header that is a string", with("\"EdDSA\""), "malformed-header", "an object"),
        (
            "a header with something behind it",
            with(&format!("{}x", good_header())),
            "malformed-header",
            "trailing",
        ),
        (
            "a header in UTF-16",
            signed(
                good_header().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
                good_claims(),
            ),
            "malformed-header",
            "",
        ),
        (
            "a header with a byte order mark",
            with(&format!("\u{feff}{}", good_header())),
            "malformed-header",
            "expected value",
        ),
        (
            "`kid` twice",
            also(&format!(r#""kid":"{HS_KID}""#)),
            "malformed-header",
            "`kid` stands there twice",
        ),
        ("`alg` twice", also(r#""alg":"none""#), "malformed-header", "`alg` stands there twice"),
        ("`typ` twice", also(&format!(r#""typ":"{TYPE}""#)), "malformed-header", "`typ` stands there twice"),
        (
            "`alg` twice, once escaped",
            also(r#""\u0061lg":"none""#),
            "malformed-header",
            "`alg` stands there twice",
        ),
        (
            "`alg` is a number",
            with(&good_header().replace("\"EdDSA\"", "1")),
            "malformed-header",
            "invalid type",
        ),
        (
            "`kid` is null",
            with(&good_header().replace(&format!("\"{ED_KID}\""), "null")),
            "malformed-header",
            "invalid type",
        ),
        (
            "nested without end",
            also(&format!(r#""x":{}"#, "[".repeat(1500))),
            "malformed-header",
            "expected value",
        ),
        ("`crit`", also(r#""crit":["exp"]"#), "header-parameter-refused", "`crit`"),
        ("`crit`, empty", also(r#""crit":[]"#), "header-parameter-refused", "`crit`"),
        ("`b64`", also(r#""b64":false"#), "header-parameter-refused", "`b64`"),
        ("`zip`", also(r#""zip":"DEF""#), "header-parameter-refused", "`zip`"),
        (
            "`jwk`, the signer's own",
            also(&format!(r#""jwk":{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}"#)),
            "header-parameter-refused",
            "`jwk`",
        ),
        ("`jku`", also(r#""jku":"https://evil.example.test/jwks""#), "header-parameter-refused", "`jku`"),
        ("`x5u`", also(r#""x5u":"https://evil.example.test/crt""#), "header-parameter-refused", "`x5u`"),
        ("`x5c`", also(r#""x5c":["AAAA"]"#), "header-parameter-refused", "`x5c`"),
        ("`x5t#S256`", also(r#""x5t#S256":"AAAA""#), "header-parameter-refused", "`x5t#S256`"),
        ("`cty`", also(r#""cty":"JWT""#), "header-parameter-refused", "`cty`"),
        ("`enc`", also(r#""enc":"A256GCM""#), "header-parameter-refused", "`enc`"),
        ("`ALG`", also(r#""ALG":"none""#), "header-parameter-refused", "`ALG`"),
        ("a parameter nobody knows", also(r#""x":null"#), "header-parameter-refused", "`x`"),
        ("no `typ`", without(&format!(r#","typ":"{TYPE}""#)), "wrong-type", "`missing`"),
        ("`typ` of any token", typ("JWT"), "wrong-type", "`JWT`"),
        ("`typ` in another case", typ("Countersign+JWT"), "wrong-type", "`Countersign+JWT`"),
        ("`typ` as a media type", typ("application/countersign+jwt"), "wrong-type", "application/"),
        ("`typ` with a space", typ("countersign+jwt "), "wrong-type", "countersign+jwt "),
        (
            "unsigned",
            format!("{}.{}.", encode(header("none", ED_KID)), encode(good_claims())),
            "algorithm-none",
            "`none`",
        ),
        ("unsigned, None", alg("None"), "algorithm-none", "`None`"),
        ("unsigned, nOnE", alg("nOnE"), "algorithm-none", "`nOnE`"),
        ("unsigned, NONE", alg("NONE"), "algorithm-none", "`NONE`"),
        ("no `alg`", without(r#""alg":"EdDSA","#), "algorithm-refused", "`missing`"),
        ("an empty `alg`", alg(""), "algorithm-refused", "``"),
        ("RS256", alg("RS256"), "algorithm-refused", "`RS256`"),
        ("ES256", alg("ES256"), "algorithm-refused", "`ES256`"),
        ("HS512", alg("HS512"), "algorithm-refused", "`HS512`"),
        ("Ed25519, the newer name", alg("Ed25519"), "algorithm-refused", "`Ed25519`"),
        ("eddsa", alg("eddsa"), "algorithm-refused", "`eddsa`"),
        ("none with a space", alg("none "), "algorithm-refused", "`none `"),
        ("no `kid`", without(&format!(r#""kid":"{ED_KID}","#)), "key-id-missing", "missing"),
        ("an empty `kid`", kid(""), "key-id-missing", "not a key id"),
        ("`kid` with a space", kid("edge 1"), "key-id-missing", "not a key id"),
        ("`kid` with a NUL", kid("edge-1\\u0000"), "key-id-missing", "not a key id"),
        ("`kid` of SQL", kid("x' UNION SELECT 'k'--"), "key-id-missing", "not a key id"),
        ("`kid` of 1000 characters", kid(&"k".repeat(1000)), "key-id-missing", "not a key id"),
        ("`kid` that climbs", kid("../../../dev/null"), "unknown-key", "`../../../dev/null`"),
        ("`kid` of nobody", kid("edge-2"), "unknown-key", "`edge-2`"),
        ("`kid` in another case", kid("EDGE-1"), "unknown-key", "`EDGE-1`"),
    ]
}

/// The public key in the two texts that people would take for an HMAC secret.
fn public_pem() -> String {
    let der = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &decode(RFC8037_X)].concat();
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

pub(crate) fn confused_keys() -> Vec<Row> {
    let hmac = |kid: &str, secret: &[u8]| {
        signed_with(header("HS256", kid), good_claims(), Algorithm::HS256, &EncodingKey::from_secret(secret))
    };
    let public_jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{ED_KID}","x":"{RFC8037_X}"}}"#);
    let hs = decode(RFC7515_K);
    vec![
        (
            "HS256 by the public key's bytes",
            hmac(ED_KID, &decode(RFC8037_X)),
            "algorithm-mismatch",
            "`HS256`",
        ),
        (
            "HS256 by the public key's text",
            hmac(ED_KID, RFC8037_X.as_bytes()),
            "algorithm-mismatch",
            "`edge-1`",
        ),
        ("HS256 by the public JWK", hmac(ED_KID, public_jwk.as_bytes()), "algorithm-mismatch", "`EdDSA`"),
        ("HS256 by the public PEM", hmac(ED_KID, public_pem().as_bytes()), "algorithm-mismatch", "`EdDSA`"),
        ("HS256 by nothing", hmac(ED_KID, b""), "algorithm-mismatch", "`EdDSA`"),
        ("HS256 by the shared key under the other `kid`", hmac(ED_KID, &hs), "algorithm-mismatch", "`EdDSA`"),
        (
            "EdDSA under the shared key's `kid`",
            signed(header("EdDSA", HS_KID), good_claims()),
            "algorithm-mismatch",
            "`HS256`",
        ),
        ("HS256 by nothing, shared `kid`", hmac(HS_KID, b""), "signature-invalid", "`shared-1`"),
        (
            "HS256 by the text of the secret",
            hmac(HS_KID, RFC7515_K.as_bytes()),
            "signature-invalid",
            "`shared-1`",
        ),
        (
            "HS256 by the public key, shared `kid`",
            hmac(HS_KID, &decode(RFC8037_X)),
            "signature-invalid",
            "`shared-1`",
        ),
    ]
}

pub(crate) fn signatures() -> Vec<Row> {
    let good = signed(good_header(), good_claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = decode(signature);
    let ending = |signature: &str| format!("{message}.{signature}");
    let of_another = signed(good_header(), claims_with(&[("sub", json!("bob"))]));
    // RFC 8032 section 7.1, TEST 2: another key pair.
    let other_key = ed_key(&encode([
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b,
        0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb,
    ]));
    let escaped = header("EdDSA", ED_KID).replace("EdDSA", "Ed\\u0044SA");
    let respelled = format!("{}.{}.{signature}", encode(escaped), encode(good_claims()));
    vec![
        ("no signature", ending(""), "malformed-signature", "length"),
        ("a signature that is no base64url", ending("AAAAA"), "malformed-signature", "base64url"),
        ("a signature with spare bits", ending(&spare_bits(signature)), "malformed-signature", "base64url"),
        ("a signature of 63 bytes", ending(&encode(&bytes[..63])), "malformed-signature", "length"),
        (
            "a signature of 65 bytes",
            ending(&encode([&bytes[..], b"A"].concat())),
            "malformed-signature",
            "length",
        ),
        ("a signature of 32 bytes", ending(&encode(&bytes[..32])), "malformed-signature", "length"),
        (
            "a signature of 96 bytes",
            ending(&encode([&bytes[..], &bytes[..32]].concat())),
            "malformed-signature",
            "longer",
        ),
        ("a signature of 2000 bytes", ending(&encode([0; 2000])), "malformed-signature", "longer"),
        ("zeros for a signature", ending(&encode([0; 64])), "signature-invalid", "`edge-1`"),
        (
            "the signature of another message",
            ending(of_another.rsplit_once('.').unwrap().1),
            "signature-invalid",
            "`edge-1`",
        ),
        (
            "the signature of another key",
            signed_with(good_header(), good_claims(), Algorithm::EdDSA, &other_key),
            "signature-invalid",
            "`edge-1`",
        ),
        ("the same header in another spelling", respelled, "signature-invalid", "`edge-1`"),
    ]
}

/// The same bytes with one of the unused bits of the last character set.
fn spare_bits(signature: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (kept, last) = signature.split_at(signature.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    format!("{kept}{}", &ALPHABET[value + 1..value + 2])
}
