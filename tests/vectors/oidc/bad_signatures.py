"""Signatures that are not the key's, or not written as they must be."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from good import P256_ORDER, until
from tokens import access, assemble, b64, bad, compact, ec_key, ed_key, head, rsa_key, token, unb64

# The order of Ed25519's group (RFC 8032 section 5.1).
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
# DigestInfo of SHA-256 and SHA-512 (RFC 8017 section 9.2, note 1), and SHA-256's without its NULL.
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA512_INFO = bytes.fromhex("3051300d060960864801650304020305000440")
SHA256_INFO_NO_NULL = bytes.fromhex("302f300b0609608648016503040201" + "0420")


def vectors(keys):
    rs, rs3072, ec, ed = keys[0], keys[1], keys[3], keys[4]
    for key in (rs, ec, ed):
        signed, encoded = token("openssl", key, head(key), access()).rsplit(".", 1)
        raw = unb64(encoded)
        another, _ = token("openssl", key, head(key), access(sub="root")).rsplit(".", 1)
        lengths = {
            "empty": b"",
            "one byte": b"\0",
            "a byte short": raw[:-1],
            "the first byte missing": raw[1:],
            "half": raw[: len(raw) // 2],
            "a byte long": raw + b"\0",
            "a byte before": b"\0" + raw,
            "twice": raw + raw,
        }
        for name, changed in lengths.items():
            text = f"{signed}.{b64(changed)}"
            yield bad(f"{key.alg} signature: {name}", text, "malformed-signature", made_by="openssl")
        contents = {
            "a bit flipped at the start": bytes([raw[0] ^ 1]) + raw[1:],
            "a bit flipped at the end": raw[:-1] + bytes([raw[-1] ^ 1]),
            "backwards": raw[::-1],
            "zeros": bytes(len(raw)),
            "ones": b"\xff" * len(raw),
        }
        for name, changed in contents.items():
            text = f"{signed}.{b64(changed)}"
            yield bad(f"{key.alg} signature: {name}", text, "signature-invalid", made_by="openssl")
        yield bad(
            f"{key.alg} signature of other claims",
            f"{another}.{encoded}",
            "signature-invalid",
            made_by="openssl",
        )
    for stranger in (rsa_key(rs.kid, 2048), ec_key(ec.kid), ed_key(ed.kid)):
        text = token("joserfc", stranger, head(stranger), access())
        yield bad(
            f"{stranger.alg} by a key that isn't published", text, "signature-invalid", made_by="joserfc"
        )
    text = token("joserfc", rs3072, head(rs3072, kid=rs.kid), access())
    yield bad("RS256 by the longer key", text, "malformed-signature", made_by="joserfc")
    text = assemble(compact(head(rs)), compact(access()), rs, "PS256")
    yield bad("RS256 said, PSS", text, "signature-invalid")
    yield from numbers(rs, ec, ed)


def numbers(rs, ec, ed):
    """Signatures whose numbers are out of their range, or of another form."""
    signed, encoded = token("openssl", ec, head(ec), access()).rsplit(".", 1)
    raw = unb64(encoded)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    pairs = {
        "r zero": (0, s),
        "s zero": (r, 0),
        "r and s one": (1, 1),
        "r and s the order": (P256_ORDER, P256_ORDER),
        "r the order": (P256_ORDER, s),
        "s the order": (r, P256_ORDER),
        "r negated": (P256_ORDER - r, s),
        "r and s exchanged": (s, r),
    }
    for name, (r_, s_) in pairs.items():
        text = f"{signed}.{b64(r_.to_bytes(32, 'big') + s_.to_bytes(32, 'big'))}"
        yield bad(f"ES256 signature: {name}", text, "signature-invalid", made_by="openssl")
    der = encode_dss_signature(r, s)
    yield bad("ES256 signature in DER", f"{signed}.{b64(der)}", "malformed-signature", made_by="openssl")
    yield bad(
        "ES256 signature in DER, cut", f"{signed}.{b64(der[:64])}", "signature-invalid", made_by="openssl"
    )

    signed, encoded = token("openssl", ed, head(ed), access()).rsplit(".", 1)
    raw = unb64(encoded)
    more = int.from_bytes(raw[32:], "little") + ED25519_ORDER
    text = f"{signed}.{b64(raw[:32] + more.to_bytes(32, 'little'))}"
    yield bad("EdDSA signature: S plus the order", text, "signature-invalid", made_by="openssl")
    yield bad(
        "EdDSA signature: R and S exchanged",
        f"{signed}.{b64(raw[32:] + raw[:32])}",
        "signature-invalid",
        made_by="openssl",
    )

    n = rs.private.public_key().public_numbers().n
    text, _ = until(lambda s: int.from_bytes(s, "big") + n < 2**2048, rs, "cryptography")
    signed, encoded = text.rsplit(".", 1)
    value = int.from_bytes(unb64(encoded), "big")
    for name, number in {
        "plus the modulus": value + n,
        "subtracted": n - value,
        "one": 1,
        "the modulus less one": n - 1,
    }.items():
        text = f"{signed}.{b64(number.to_bytes(256, 'big'))}"
        yield bad(f"RS256 signature: {name}", text, "signature-invalid")
    yield from paddings(rs, signed)


def paddings(rs, signed):
    """What the private key signed in another form than RFC 8017 section 9.2 writes."""
    sha256, sha512 = (hashlib.new(h, signed.encode()).digest() for h in ("sha256", "sha512"))
    private = rs.private.private_numbers()

    def encoded(info, start=b"\0\1", fill=b"\xff", end=b""):
        body = b"\0" + info + end
        return start + fill * (256 - len(start) - len(body)) + body

    forms = {
        "a DigestInfo without NULL": encoded(SHA256_INFO_NO_NULL + sha256),
        "SHA-512": encoded(SHA512_INFO + sha512),
        "no DigestInfo": encoded(sha256),
        "padding of type 2": encoded(SHA256_INFO + sha256, start=b"\0\2"),
        "padding of zeros": encoded(SHA256_INFO + sha256, fill=b"\0"),
        "bytes behind the digest": encoded(SHA256_INFO + sha256, end=b"\0" * 32),
    }
    for name, block in forms.items():
        value = pow(int.from_bytes(block, "big"), private.d, private.public_numbers.n)
        text = f"{signed}.{b64(value.to_bytes(256, 'big'))}"
        yield bad(f"RS256 signature: {name}", text, "signature-invalid")
