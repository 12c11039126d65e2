"""Keys, and tokens signed with them by four makers: none is the library that the edge verifies with."""

import base64
import json
import subprocess
import tempfile

import joserfc.jws
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

NOW = 1795000000
SKEW_SECONDS = 30
ISSUER = "https://idp.example.test"
AUDIENCE = "countersign"

# A member that is set to this is left out.
GONE = object()
MAKERS = ["jwcrypto", "joserfc", "openssl", "cryptography"]
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def changed(members, changes):
    """`members` with `changes`, without those that are GONE."""
    return {name: value for name, value in {**members, **changes}.items() if value is not GONE}


class Key:
    """A private key of one run, and its public half as a JWK."""

    def __init__(self, kid, alg, private):
        self.kid, self.alg, self.private = kid, alg, private

    def jwk(self, **changes):
        public = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        members = json.loads(JWK.from_pem(public).export_public())
        return changed({**members, "kid": self.kid}, changes)

    def private_jwk(self):
        return {**json.loads(JWK.from_pem(self.pem()).export_private()), "kid": self.kid}

    def pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def rsa_key(kid, bits, exponent=65537):
    return Key(kid, "RS256", rsa.generate_private_key(exponent, bits))


def ec_key(kid, curve=ec.SECP256R1, alg="ES256"):
    return Key(kid, alg, ec.generate_private_key(curve()))


def ed_key(kid):
    return Key(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())


def ed448_key(kid):
    return Key(kid, "EdDSA", ed448.Ed448PrivateKey.generate())


def raw_ecdsa(der, size):
    """`r` and `s` side by side, as JWS wants them (RFC 7518 section 3.4)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def signature(key, alg, message):
    """By `cryptography`: any algorithm that the key can do."""
    private = key if not isinstance(key, Key) else key.private
    if isinstance(private, bytes):
        mac = hmac.HMAC(private, HASHES[alg[2:]]())
        mac.update(message)
        return mac.finalize()
    if isinstance(private, rsa.RSAPrivateKey):
        digest = HASHES[alg[2:]]()
        if alg.startswith("PS"):
            pad = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        else:
            pad = padding.PKCS1v15()
        return private.sign(message, pad, digest)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        digest = HASHES[alg[2:5]]()
        return raw_ecdsa(private.sign(message, ec.ECDSA(digest)), (private.key_size + 7) // 8)
    return private.sign(message)


def by_openssl(key, message):
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem, tempfile.NamedTemporaryFile() as text:
        pem.write(key.pem())
        pem.flush()
        text.write(message)
        text.flush()
        if key.alg == "EdDSA":
            command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", pem.name, "-in", text.name]
        else:
            command = ["openssl", "dgst", "-sha256", "-sign", pem.name, text.name]
        signed = subprocess.run(command, check=True, capture_output=True).stdout
    return raw_ecdsa(signed, 32) if key.alg == "ES256" else signed


def assemble(header, claims, key, alg):
    """A token of any bytes for header and claims, signed by `cryptography`."""
    signed = f"{b64(header)}.{b64(claims)}"
    return f"{signed}.{b64(signature(key, alg, signed.encode()))}"


def token(maker, key, header, claims):
    """A token of that header (members) and claims (members or text) by one of MAKERS."""
    payload = claims if isinstance(claims, str) else compact(claims)
    if maker == "jwcrypto":
        jws = JWS(payload.encode())
        jws.allowed_algs = [header["alg"]]
        jws.add_signature(JWK.from_pem(key.pem()), header["alg"], protected=compact(header))
        return jws.serialize(compact=True)
    if maker == "joserfc":
        kind = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}[key.alg]
        registry = joserfc.jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
        return joserfc.jws.serialize_compact(header, payload, kind.import_key(key.pem()), registry=registry)
    if maker == "openssl":
        signed = f"{b64(compact(header))}.{b64(payload)}"
        return f"{signed}.{b64(by_openssl(key, signed.encode()))}"
    assert maker == "cryptography", maker
    return assemble(compact(header), payload, key, header["alg"])


def head(key, **changes):
    """The header of an access token (RFC 9068)."""
    return changed({"typ": "at+jwt", "alg": key.alg, "kid": key.kid}, changes)


def access(**changes):
    """The claims of ann's access token (RFC 9068 section 2.2)."""
    return changed(
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ann",
            "client_id": "shell",
            "groups": ["engineering", "book-club"],
            "iat": NOW - 60,
            "exp": NOW + 600,
            "jti": "token-1",
        },
        changes,
    )


def identity(claims):
    """Who a token with these claims speaks of."""
    session = next((claims[n] for n in ("sid", "jti") if isinstance(claims.get(n), str)), None)
    return {"subject": claims["sub"], "session": session, "groups": claims.get("groups") or []}


def vector(name, text, expect, kind="access-token", made_by="cryptography", **more):
    return {"name": name, "kind": kind, "made_by": made_by, **more, "token": text, "expect": expect}


def issuer(keys, **more):
    """The issuer that verifies with `keys`."""
    return {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "jwks": {"keys": [key.jwk() for key in keys]},
        **more,
    }


def bad(name, text, fault, **more):
    """A token that is refused with the code `token-` and `fault`."""
    return vector(name, text, {"fault": f"token-{fault}"}, **more)
