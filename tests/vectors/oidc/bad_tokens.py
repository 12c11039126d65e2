"""Tokens that have to be refused, each with the code of its fault."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec as curves
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

import bad_signatures
from good import of_length, until
from tokens import (
    AUDIENCE,
    GONE,
    ISSUER,
    NOW,
    SKEW_SECONDS,
    access,
    assemble,
    b64,
    bad,
    compact,
    ec_key,
    ed448_key,
    head,
    signature,
    token,
    unb64,
)


def vectors(keys):
    yield from unsigned(keys)
    yield from confused(keys)
    yield from other_algorithms(keys)
    yield from kinds(keys)
    yield from headers(keys)
    yield from claims(keys)
    yield from encodings(keys)
    yield from key_ids(keys)
    yield from bad_signatures.vectors(keys)


def unsigned(keys):
    ec = keys[3]
    for alg in ("none", "None", "NONE", "nOnE"):
        for signed, tail in (("unsigned", ""), ("signed", "." + b64(b"\x00" * 64))):
            text = f"{b64(compact(head(ec, alg=alg)))}.{b64(compact(access()))}"
            yield bad(f"alg {alg}, {signed}", text + (tail or "."), "algorithm-none")


def confused(keys):
    """A public key taken for a shared secret."""
    rs, ed = keys[0], keys[4]
    public = rs.private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    numbers = public.public_numbers()
    secrets = {
        "PEM": pem,
        "PEM without its last line feed": pem.rstrip(b"\n"),
        "PEM of PKCS #1": public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
        "DER": public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "JWK": compact(rs.jwk()).encode(),
        "modulus": numbers.n.to_bytes(256, "big"),
        "modulus in base64url": rs.jwk()["n"].encode(),
        "nothing": b"",
    }
    for name, secret in secrets.items():
        text = assemble(compact(head(rs, alg="HS256")), compact(access()), secret, "HS256")
        yield bad(f"HS256 with the RSA key's {name}", text, "algorithm-refused")
        if name in ("PEM", "modulus"):
            for alg in ("HS384", "HS512"):
                text = assemble(compact(head(rs, alg=alg)), compact(access()), secret, alg)
                yield bad(f"{alg} with the RSA key's {name}", text, "algorithm-refused")
            text = assemble(compact(head(rs)), compact(access()), secret, "HS256")
            yield bad(f"RS256 said, HS256 with the RSA key's {name}", text, "malformed-signature")
    x = unb64(ed.jwk()["x"])
    text = assemble(compact(head(ed, alg="HS256")), compact(access()), x, "HS256")
    yield bad("HS256 with the Ed25519 key", text, "algorithm-refused")
    text = assemble(compact(head(ed)), compact(access()), x, "HS512")
    yield bad("EdDSA said, HS512 with the Ed25519 key", text, "signature-invalid")


def other_algorithms(keys):
    rs, ec, ed = keys[0], keys[3], keys[4]
    p384 = ec_key(ec.kid, curves.SECP384R1, "ES384")
    p521 = ec_key(ec.kid, curves.SECP521R1, "ES512")
    koblitz = ec_key(ec.kid, curves.SECP256K1, "ES256K")
    for alg in ("RS384", "RS512", "PS256", "PS384", "PS512"):
        text = token("jwcrypto", rs, head(rs, alg=alg), access())
        yield bad(f"{alg} by the right key", text, "algorithm-refused", made_by="jwcrypto")
    for key in (p384, p521, koblitz):
        text = token("jwcrypto", key, head(key), access())
        yield bad(key.alg, text, "algorithm-refused", made_by="jwcrypto")
    head_lies = compact(head(ec))
    yield bad(
        "ES256 said, secp256k1", assemble(head_lies, compact(access()), koblitz, "ES256"), "signature-invalid"
    )
    yield bad(
        "ES256 said, P-384", assemble(head_lies, compact(access()), p384, "ES384"), "malformed-signature"
    )
    text = assemble(compact(head(ed)), compact(access()), ed448_key(ed.kid), "EdDSA")
    yield bad("EdDSA with Ed448", text, "malformed-signature")
    for alg in ("Ed448", "Ed25519", "eddsa", "es256", "ES256 ", "RS1", "dir", "ECDH-ES", "ML-DSA-44", ""):
        text = assemble(compact(head(ed, alg=alg)), compact(access()), ed, "EdDSA")
        yield bad(f"alg `{alg}`", text, "algorithm-refused")
    text = assemble(compact(head(ed, alg=GONE)), compact(access()), ed, "EdDSA")
    yield bad("alg missing", text, "algorithm-refused")
    for alg in (None, 256, ["EdDSA"], {"EdDSA": 1}, True):
        text = assemble(compact(head(ed, alg=alg)), compact(access()), ed, "EdDSA")
        yield bad(f"alg {compact(alg)}", text, "malformed-header")


def kinds(keys):
    ec = keys[3]
    for typ in (
        "logout+jwt",
        "application/logout+jwt",
        "LOGOUT+JWT",
        "dpop+jwt",
        "countersign+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "kb+jwt",
        "JOSE",
        "JWE",
        "jwt ",
        " at+jwt",
        "at+jwt; v=1",
        "at jwt",
        "text/jwt",
        "application/application/jwt",
        "application/",
        "",
    ):
        text = token("jwcrypto", ec, head(ec, typ=typ), access())
        yield bad(f"typ `{typ}`", text, "wrong-type", made_by="jwcrypto")
    for typ in (7, None, ["at+jwt"], {"typ": "JWT"}, False):
        text = assemble(compact(head(ec, typ=typ)), compact(access()), ec, "ES256")
        yield bad(f"typ {compact(typ)}", text, "malformed-header")


def headers(keys):
    ec = keys[3]
    payload = compact(access())
    stranger = ec_key("stranger")
    parameters = {
        "crit of exp": {"crit": ["exp"], "exp": NOW + 600},
        "crit empty": {"crit": []},
        "crit null": {"crit": None},
        "b64 false": {"b64": False, "crit": ["b64"]},
        "b64 true": {"b64": True},
        "zip": {"zip": "DEF"},
        "jku": {"jku": "https://evil.example.test/jwks"},
        "jku of the issuer": {"jku": f"{ISSUER}/jwks"},
        "jwk": {"jwk": stranger.jwk()},
        "x5u": {"x5u": "https://evil.example.test/x5u"},
        "x5c": {"x5c": ["MIIB"]},
    }
    for name, changes in parameters.items():
        signer = stranger if name == "jwk" else ec
        text = assemble(compact(head(ec, **changes)), payload, signer, "ES256")
        yield bad(f"header with {name}", text, "header-parameter")
    escaped = compact(head(ec, jku="https://evil.example.test/jwks")).replace('"jku"', r'"\u006aku"')
    yield bad("header with jku, escaped", assemble(escaped, payload, ec, "ES256"), "header-parameter")
    good = compact(head(ec))
    texts = {
        "empty": "",
        "no object: null": "null",
        "no object: a string": '"ES256"',
        "no object: a number": "1",
        "no object: an array": compact(["ES256", ec.kid, "at+jwt"]),
        "an array around it": f"[{good}]",
        "cut": good[:-1],
        "more behind it": good + "{}",
        "a NUL behind it": good + "\0",
        "a byte order mark": "\ufeff" + good,
        "UTF-16": good.encode("utf-16-le"),
        "not UTF-8": good.encode().replace(b"ec-1", b"ec-\xff"),
        "overlong UTF-8": good.encode().replace(b"ES256", b"ES25\xc0\xb6"),
        "single quotes": good.replace('"', "'"),
        "a comma too many": good.replace("}", ",}"),
        "a comment": good.replace("{", "{/**/"),
        "alg twice": good.replace("{", '{"alg":"none",'),
        "alg twice, the same": good.replace("{", '{"alg":"ES256",'),
        "alg twice, once escaped": good.replace("{", r'{"\u0061lg":"none",'),
        "kid twice": good.replace("{", '{"kid":"rsa-2048",'),
        "typ twice": good.replace("{", '{"typ":"logout+jwt",'),
    }
    for name, text in texts.items():
        yield bad(f"header: {name}", assemble(text, payload, ec, "ES256"), "malformed-header")
    for kid in (None, 1, ["ec-1"], {}, True):
        text = assemble(compact(head(ec, kid=kid)), payload, ec, "ES256")
        yield bad(f"kid {compact(kid)}", text, "malformed-header")


def claims(keys):
    ec = keys[3]

    def case(name, changes, fault):
        text = token("jwcrypto", ec, head(ec), access(**changes))
        return bad(name, text, fault, made_by="jwcrypto")

    for name, fault in {
        "iss": "issuer-missing",
        "aud": "audience-missing",
        "sub": "subject-missing",
        "exp": "expiry-missing",
    }.items():
        yield case(f"{name} missing", {name: GONE}, fault)
        yield case(f"{name} null", {name: None}, fault)
    for value in ([ISSUER], {"url": ISSUER}, 7, True):
        yield case(f"iss {compact(value)}", {"iss": value}, "malformed-claims")
    for value in (
        "https://evil.example.test",
        ISSUER + "/",
        ISSUER.upper(),
        ISSUER + "\0",
        " " + ISSUER,
        ISSUER.replace("https", "http"),
        ISSUER + ":443",
        ISSUER + "@evil.example.test",
        "https://idp.еxample.test",
        "",
    ):
        yield case(f"iss {compact(value)}", {"iss": value}, "wrong-issuer")
    for value in (7, True, {}, {AUDIENCE: 1}, [AUDIENCE, 7], [AUDIENCE, None], [[AUDIENCE]]):
        yield case(f"aud {compact(value)}", {"aud": value}, "malformed-claims")
    for value in (
        "other",
        "",
        "Countersign",
        "countersign ",
        "countersign other",
        "counter",
        [],
        ["a", "b"],
        [""],
    ):
        yield case(f"aud {compact(value)}", {"aud": value}, "wrong-audience")
    for value in (7, True, ["ann"], {"id": "ann"}):
        yield case(f"sub {compact(value)}", {"sub": value}, "malformed-claims")
    for value in (
        "",
        " ",
        " ann",
        "ann\n",
        "a\r\nX-Admin: 1",
        "a\0b",
        "ann\u0085",
        "ann\u00a0",
        "s" * 256,
        "é" * 128,
    ):
        yield case(f"sub {compact(value)[:40]}", {"sub": value}, "subject-refused")
    for value in ("admins", 7, True, {"admins": True}, ["ops", 7], ["ops", None], [["ops"]], ""):
        yield case(f"groups {compact(value)}", {"groups": value}, "groups-malformed")
    yield from confirmations(case)
    yield from dates(ec, case)
    yield from claims_that_are_no_object(ec)


def confirmations(case):
    """Tokens that are bound to their sender, who shows no client certificate."""
    thumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"  # RFC 8705 appendix A
    yield case("cnf x5t#S256", {"cnf": {"x5t#S256": thumbprint}}, "certificate")
    for value in (
        {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},  # RFC 9449 section 6.1
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"kid": "k1"},
        {"x5t#S256": thumbprint, "jkt": thumbprint},
    ):
        yield case(f"cnf {compact(value)}", {"cnf": value}, "confirmation")
    for value in (None, thumbprint, [], {}, {"x5t#S256": None}, {"x5t#S256": thumbprint + "="}):
        yield case(f"cnf {compact(value)}", {"cnf": value}, "malformed-claims")


def dates(ec, case):
    for name in ("exp", "nbf", "iat"):
        wrong = (
            "1795000600",
            "",
            True,
            [NOW + 600],
            {"date": NOW + 600},
            -1,
            -0.5,
            253402300800,
            1e300,
            2**64,
        )
        for value in wrong:
            yield case(f"{name} {compact(value)}", {name: value}, "malformed-claims")
        # What JSON can't say, written by hand.
        for number in (
            "1e400",
            "-1e400",
            "NaN",
            "Infinity",
            "0x6afd6400",
            "01795000600",
            "1795000600.",
            "+1795000600",
        ):
            text = compact(access(**{name: "DATE"})).replace('"DATE"', number)
            text = token("jwcrypto", ec, head(ec), text)
            yield bad(f"{name} {number}", text, "malformed-claims", made_by="jwcrypto")
    yield case("exp zero", {"exp": 0}, "expired")
    yield case("expired long ago", {"exp": NOW - 86400, "iat": NOW - 90000}, "expired")
    yield case("expired just beyond the skew", {"exp": NOW - SKEW_SECONDS}, "expired")
    yield case("expired before it was issued", {"exp": NOW - 600, "iat": NOW}, "expired")
    yield case("not yet valid", {"nbf": NOW + 300}, "not-yet-valid")
    yield case("not yet valid, just beyond the skew", {"nbf": NOW + SKEW_SECONDS + 1}, "not-yet-valid")
    yield case("issued in the future", {"iat": NOW + 300}, "issued-in-future")
    yield case("issued just beyond the skew", {"iat": NOW + SKEW_SECONDS + 1}, "issued-in-future")
    milliseconds = {"iat": (NOW - 60) * 1000, "exp": (NOW + 600) * 1000}
    yield case("dates in milliseconds", milliseconds, "malformed-claims")


def claims_that_are_no_object(ec):
    good = compact(access())
    texts = {
        "empty": "",
        "null": "null",
        "a string": '"ann"',
        "a number": "7",
        "an array": "[]",
        "an array around it": f"[{good}]",
        "cut": good[:-1],
        "more behind it": good + "{}",
        "a NUL behind it": good + "\0",
        "a byte order mark": "\ufeff" + good,
        "a lone surrogate": good.replace('"ann"', r'"\ud83e"'),
        "a comma too many": good.replace("}", ",}"),
        "sub twice": good.replace("{", '{"sub":"root",'),
        "sub twice, the same": good.replace("{", '{"sub":"ann",'),
        "sub twice, once escaped": good.replace("{", r'{"\u0073ub":"root",'),
        "iss twice": good.replace("{", '{"iss":"https://evil.example.test",'),
        "exp twice": good.replace("{", '{"exp":9999999999,'),
        "groups twice": good.replace("{", '{"groups":["admins"],'),
        "an unread claim twice": good.replace("{", '{"x":1,"x":2,'),
        "2000 brackets": good.replace("{", '{"x":' + "[" * 2000 + "]" * 2000 + ","),
    }
    for name, text in texts.items():
        text = token("jwcrypto", ec, head(ec), text)
        yield bad(f"claims: {name}", text, "malformed-claims", made_by="jwcrypto")
    for name, raw in {
        "UTF-16": good.encode("utf-16-le"),
        "not UTF-8": good.encode().replace(b"ann", b"an\xff"),
        "overlong UTF-8": good.encode().replace(b"ann", b"\xc1\xa1nn"),
        "a surrogate in UTF-8": good.encode().replace(b"ann", b"\xed\xa0\x80"),
    }.items():
        text = assemble(compact(head(ec)), raw, ec, "ES256")
        yield bad(f"claims: {name}", text, "malformed-claims")


def encodings(keys):
    rs, ec, ed = keys[0], keys[3], keys[4]
    good = token("openssl", ec, head(ec), access())
    header, payload, signed = good.split(".")
    secret = JWK.generate(kty="oct", size=256)
    encrypted = JWE(good.encode(), compact({"alg": "dir", "enc": "A256GCM", "cty": "JWT"}))
    encrypted.add_recipient(secret)
    parts = {
        "nothing": "",
        "one part": header,
        "two parts": f"{header}.{payload}",
        "two dots alone": "..",
        "four parts": f"{good}.{signed}",
        "a dot behind": f"{good}.",
        "a dot before": f".{good}",
        "five parts, encrypted (JWE)": encrypted.serialize(compact=True),
        "padding in the signature": f"{good}==",
        "padding in the claims": f"{header}.{payload}=.{signed}",
        "a space behind": f"{good} ",
        "a space before": f" {good}",
        "a line feed behind": f"{good}\n",
        "a line feed inside": f"{header}.\n{payload}.{signed}",
        "a tab inside": f"{header}.{payload[:9]}\t{payload[9:]}.{signed}",
        "a NUL behind": f"{good}\0",
        "percent-encoded": good.replace(".", "%2E"),
        "the word Bearer": f"Bearer {good}",
        "quotes": f'"{good}"',
        "two by a comma": f"{good},{good}",
        "a letter beyond ASCII": good.replace("e", "е", 1),
        "JSON serialization": compact({"protected": header, "payload": payload, "signature": signed}),
    }
    for name, text in parts.items():
        made_by = "jwcrypto" if "JWE" in name else "openssl"
        fault = "malformed-header" if name == "two dots alone" else "malformed-parts"
        yield bad(name, text, fault, made_by=made_by)
    text, _ = until(lambda s: b64(s).count("-") and b64(s).count("_"), ec, "cryptography")
    head_and_claims, signed = text.rsplit(".", 1)
    standard = signed.replace("-", "+").replace("_", "/")
    yield bad("the standard alphabet in the signature", f"{head_and_claims}.{standard}", "malformed-parts")
    yield bad("8193 bytes", of_length(ed, 8193), "too-large")
    yield bad("20000 bytes", of_length(ed, 20000), "too-large")
    yield from spare_bits(ec, rs)


def spare_bits(ec, rs):
    """The last letter of base64url may hold bits that mean nothing: other text, same bytes."""
    for name, fault in {"header": "malformed-header", "claims": "malformed-claims"}.items():
        parts = {"header": compact(head(ec)), "claims": compact(access())}
        while len(parts[name].encode()) % 3 == 0:
            parts[name] += " "
        encoded = {part: b64(text) for part, text in parts.items()}
        encoded[name] = next_letter(encoded[name])
        signed = f"{encoded['header']}.{encoded['claims']}"
        text = f"{signed}.{b64(signature(ec, 'ES256', signed.encode()))}"
        yield bad(f"spare bits in the {name}", text, fault)
    for key in (ec, rs):
        text = next_letter(token("openssl", key, head(key), access()))
        yield bad(f"spare bits in the {key.alg} signature", text, "malformed-signature", made_by="openssl")


def next_letter(text):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) + 1]


def key_ids(keys):
    rs, ec, ed = keys[0], keys[3], keys[4]
    for kid in (
        "nope",
        "",
        "EC-1",
        "ec-1 ",
        "ec-1\0",
        "ec‐1",
        "../../dev/null",
        "ec-1' OR '1'='1",
        "k" * 3000,
    ):
        text = token("jwcrypto", ec, head(ec, kid=kid), access())
        yield bad(f"kid `{kid[:20]}`", text, "unknown-key", made_by="jwcrypto")
    for key, other in ((ec, rs), (rs, ec), (ed, ec), (ec, ed), (rs, ed)):
        text = token("joserfc", key, head(key, kid=other.kid), access())
        yield bad(
            f"{key.alg} with the kid of an {other.alg} key", text, "algorithm-mismatch", made_by="joserfc"
        )
    for key in keys[:3]:
        text = token("joserfc", key, head(key, kid=GONE), access())
        yield bad(f"no kid, {key.kid} of three RSA keys", text, "key-id-missing", made_by="joserfc")
