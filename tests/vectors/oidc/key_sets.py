"""Key sets as issuers publish them and as attackers would like them, each with a token."""

import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec as curves
from cryptography.hazmat.primitives.asymmetric import x448, x25519

from bad_signatures import ED25519_ORDER, SHA256_INFO
from tokens import (
    AUDIENCE,
    GONE,
    ISSUER,
    access,
    assemble,
    b64,
    compact,
    ec_key,
    ed448_key,
    ed_key,
    head,
    identity,
    rsa_key,
    token,
    unb64,
)

OTHER = "https://other.example.test"
KEY_SET_FAULTS = ("not-a-key-set", "no-usable-key")
P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1


def issuers():
    """The two issuers of the settings; their keys stand in each vector."""
    first = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["RS256", "ES256", "EdDSA"]}
    return [first, {**first, "issuer": OTHER, "algorithms": ["ES256", "EdDSA"]}]


def vector(name, key_sets, text, expect, made_by="joserfc"):
    """`key_sets`: what each issuer publishes, as JSON, or as text where it isn't any."""
    if expect in KEY_SET_FAULTS:
        expect = {"key_set": expect}
    elif isinstance(expect, str):
        expect = {"fault": f"token-{expect}"}
    sets = [{"issuer": name, "document": document} for name, document in key_sets.items()]
    return {
        "name": name,
        "kind": "access-token",
        "made_by": made_by,
        "key_sets": sets,
        "token": text,
        "expect": expect,
    }


def published(*jwks):
    return {ISSUER: {"keys": list(jwks)}}


def by(key, **changes):
    return token("joserfc", key, head(key, **changes), access())


ANN = identity(access())


def vectors():
    yield from fit()
    yield from unfit()
    yield from mixed()
    yield from ids()
    yield from points()
    yield from exponents()
    yield from two_issuers()
    yield from no_sets()


def fit():
    """Keys that are written in one of the ways that are allowed."""
    rs, ec, ed = rsa_key("k", 2048), ec_key("k"), ed_key("k")
    for key in (rs, ec, ed):
        ways = {
            "bare": {},
            "use sig": {"use": "sig"},
            "key_ops verify": {"key_ops": ["verify"]},
            "key_ops sign and verify": {"key_ops": ["sign", "verify"]},
            "its alg": {"alg": key.alg},
            "members that mean nothing": {"ext": True, "org": {"d": 1}, "exp": 1, "x5t": "AA", "K": 7},
            "null for what is absent": {"alg": None, "use": None, "key_ops": None},
        }
        for name, changes in ways.items():
            yield vector(f"{key.alg}: {name}", published(key.jwk(**changes)), by(key), ANN)
        yield vector(f"{key.alg}: no kid at either", published(key.jwk(kid=GONE)), by(key, kid=GONE), ANN)
        yield vector(f"{key.alg}: no kid at the key", published(key.jwk(kid=GONE)), by(key), "unknown-key")
        yield vector(
            f"{key.alg}: a kid of any characters",
            published(key.jwk(kid="a/b+c== é,\u0000")),
            by(key, kid="a/b+c== é,\u0000"),
            ANN,
        )
    yield vector("EdDSA: alg Ed25519 (RFC 9864)", published(ed.jwk(alg="Ed25519")), by(ed), ANN)
    signed = b64(b"\0" + unb64(rs.jwk()["n"]))
    yield vector("RS256: a zero byte before the modulus", published(rs.jwk(n=signed)), by(rs), ANN)
    odd = rsa_key("k", 2050)
    yield vector("RS256: 2050 bits", published(odd.jwk()), by(odd), ANN)
    for coordinate in "xy":
        while unb64(ec.jwk()[coordinate])[0] != 0:
            ec = ec_key("k")
        yield vector(f"ES256: {coordinate} begins with a zero byte", published(ec.jwk()), by(ec), ANN)


def private_jwk(key, *left_out):
    return {name: value for name, value in key.private_jwk().items() if name not in left_out}


def unfit_jwks():
    """Keys that no token may be verified with: name, JWK, and the key that signs."""
    rs, ec, ed = rsa_key("unfit", 2048), ec_key("unfit"), ed_key("unfit")
    for key in (rs, ec, ed):
        for name, changes in {
            "use enc": {"use": "enc"},
            "use of another kind": {"use": "tls"},
            "key_ops sign": {"key_ops": ["sign"]},
            "key_ops encrypt and wrapKey": {"key_ops": ["encrypt", "wrapKey"]},
            "key_ops empty": {"key_ops": []},
            "key_ops a string": {"key_ops": "verify"},
            "alg none": {"alg": "none"},
            "alg HS256": {"alg": "HS256"},
            "alg a number": {"alg": 256},
            "kid a number": {"kid": 7},
            "kty missing": {"kty": GONE},
            "kty a number": {"kty": 7},
            "kty unknown": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
            "kty in lower case": {"kty": key.jwk()["kty"].lower()},
            "kty oct": {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"},
        }.items():
            yield f"{key.alg}: {name}", key.jwk(**changes), key
        yield f"{key.alg}: private", key.private_jwk(), key
    yield "RS256: private without d", private_jwk(rs, "d"), rs
    yield "RS256: a prime without d", private_jwk(rs, "d", "q", "dp", "dq", "qi"), rs
    n, e = rs.jwk()["n"], rs.jwk()["e"]
    for name, changes in {
        "alg PS256": {"alg": "PS256"},
        "alg RS512": {"alg": "RS512"},
        "alg RSA-OAEP": {"alg": "RSA-OAEP"},
        "n missing": {"n": GONE},
        "n empty": {"n": ""},
        "n a number": {"n": 7},
        "n with padding": {"n": n + "=="},
        "n in the standard alphabet": {"n": n[:-4] + "+/+/"},
        "n in hexadecimal with a colon": {"n": "00:" + unb64(n).hex()},
        "e missing": {"e": GONE},
        "e a number": {"e": 65537},
        "e empty": {"e": ""},
        "e zero": {"e": "AA"},
        "e of five bytes": {"e": "AQAAAAE"},
        "n and e exchanged": {"n": e, "e": n},
    }.items():
        yield f"RS256: {name}", rs.jwk(**changes), rs
    for bits in (1024, 2047, 4104, 8192):
        key = rsa_key("unfit", bits)
        yield f"RS256: {bits} bits", key.jwk(), key
    x, y = ec.jwk()["x"], ec.jwk()["y"]
    for name, changes in {
        "alg ES384": {"alg": "ES384"},
        "alg ECDH-ES": {"alg": "ECDH-ES"},
        "y missing": {"y": GONE},
        "x missing": {"x": GONE},
        "x of 31 bytes": {"x": b64(unb64(x)[:31])},
        "x of 33 bytes": {"x": b64(b"\0" + unb64(x))},
        "y of 33 bytes": {"y": b64(b"\0" + unb64(y))},
        "x with padding": {"x": x + "="},
        "crv missing": {"crv": GONE},
        "crv p-256": {"crv": "p-256"},
        "crv P-384": {"crv": "P-384"},
        "crv Ed25519": {"crv": "Ed25519"},
    }.items():
        yield f"ES256: {name}", ec.jwk(**changes), ec
    x = ed.jwk()["x"]
    for name, changes in {
        "alg ES256": {"alg": "ES256"},
        "alg Ed448": {"alg": "Ed448"},
        "crv X25519": {"crv": "X25519"},
        "crv missing": {"crv": GONE},
        "x of 31 bytes": {"x": b64(unb64(x)[:31])},
        "x of 33 bytes": {"x": b64(unb64(x) + b"\0")},
        "x empty": {"x": ""},
        "x with padding": {"x": x + "="},
    }.items():
        yield f"EdDSA: {name}", ed.jwk(**changes), ed
    for curve, alg in (
        (curves.SECP384R1, "ES384"),
        (curves.SECP521R1, "ES512"),
        (curves.SECP256K1, "ES256K"),
    ):
        yield f"a key for {alg}", ec_key("unfit", curve, alg).jwk(), ec
    yield "a key of Ed448", ed448_key("unfit").jwk(), ed
    for name, kind in (("X25519", x25519.X25519PrivateKey), ("X448", x448.X448PrivateKey)):
        yield f"a key of {name}", agreement_jwk(name, kind.generate()), ed
    yield "oct", {"kty": "oct", "kid": "unfit", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}, ec
    yield "null", None, ec
    yield "a string", "unfit", ec
    yield "an array", [ec.jwk()], ec
    in_order = ["EC", "unfit", None, None, None, "P-256", None, None, ec.jwk()["x"], ec.jwk()["y"], None]
    yield "an array of a JWK's values", in_order, ec
    yield "an empty object", {}, ec


def agreement_jwk(curve, private):
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": curve, "kid": "unfit", "x": b64(public)}


def unfit():
    """Each alone, and beside a good key, with a token that names the unfit one."""
    good = ed_key("good")
    for name, jwk, key in unfit_jwks():
        text = assemble(compact(head(key)), compact(access()), key, key.alg)
        yield vector(f"{name}: alone", published(jwk), text, "no-usable-key", "cryptography")
        yield vector(
            f"{name}: beside a good one", published(jwk, good.jwk()), text, "unknown-key", "cryptography"
        )


def mixed():
    everything = [jwk for _, jwk, _ in unfit_jwks()]
    key, middle = ed_key("good"), len(everything) // 2
    jwks = [*everything[:middle], key.jwk(), *everything[middle:]]
    yield vector("one good key among all unfit ones", published(*jwks), by(key), ANN)
    yield vector("all unfit ones", published(*everything), by(ec_key("unfit")), "no-usable-key")
    encryption, ec = rsa_key("k", 2048), ec_key("k")
    jwks = published(encryption.jwk(use="enc", alg="RSA-OAEP"), ec.jwk(use="sig"))
    yield vector("an encryption key of the same kid", jwks, by(ec), ANN)
    yield vector("a token by the encryption key", jwks, by(encryption), "algorithm-mismatch")
    weaker = rsa_key("k", 1024)
    good = rsa_key("k", 2048)
    jwks = published(weaker.jwk(), good.jwk())
    yield vector("a short key of the same kid", jwks, by(good), ANN)
    text = assemble(compact(head(weaker)), compact(access()), weaker, "RS256")
    yield vector("a token by the short key", jwks, text, "malformed-signature", "cryptography")


def ids():
    """Which key a `kid` means."""
    rs, ec, ed = rsa_key("k", 2048), ec_key("k"), ed_key("k")
    shared = published(rs.jwk(), ec.jwk(), ed.jwk())
    for key in (rs, ec, ed):
        yield vector(f"one kid for three algorithms, {key.alg}", shared, by(key), ANN)
    for make in (lambda kid: rsa_key(kid, 2048), ec_key, ed_key):
        one, two, third = make("k"), make("k"), make("third")
        twice = published(one.jwk(), two.jwk())
        yield vector(f"{one.alg}: two keys of one kid alone", twice, by(one), "no-usable-key")
        beside = published(one.jwk(), third.jwk(), two.jwk())
        for which, key in (("first", one), ("second", two)):
            yield vector(f"{one.alg}: two keys of one kid, by the {which}", beside, by(key), "unknown-key")
        yield vector(f"{one.alg}: beside two keys of one kid", beside, by(third), ANN)
        same = published(one.jwk(), one.jwk(), third.jwk())
        yield vector(f"{one.alg}: one key twice", same, by(one), "unknown-key")
        two_named = published(one.jwk(), third.jwk())
        yield vector(f"{one.alg}: no kid, two keys", two_named, by(one, kid=GONE), "key-id-missing")
        nameless = published(one.jwk(kid=GONE), third.jwk())
        yield vector(f"{one.alg}: a kid, one key with it and one without", nameless, by(third), ANN)
        yield vector(
            f"{one.alg}: no kid, one key with and one without", nameless, by(one, kid=GONE), "key-id-missing"
        )
        swapped = published(one.jwk(kid="third"), third.jwk(kid="k"))
        yield vector(f"{one.alg}: the kids exchanged", swapped, by(one), "signature-invalid")
    composed, decomposed = "cl\u00e9", "cle\u0301"
    jwks = published(ec.jwk(kid=composed))
    yield vector("a kid composed, the token's decomposed", jwks, by(ec, kid=decomposed), "unknown-key")


def points():
    """Points that are on no curve, or on it but good for nothing."""
    ec = ec_key("k")
    x, y = (int.from_bytes(unb64(ec.jwk()[c]), "big") for c in "xy")
    for name, point in {
        "x one more": (x + 1, y),
        "y for x": (y, x),
        "zero": (0, 0),
        "x of the prime": (P256_PRIME, y),
        "ones": (2**256 - 1, 2**256 - 1),
    }.items():
        coordinates = {c: b64(v.to_bytes(32, "big")) for c, v in zip("xy", point, strict=True)}
        jwks = published(ec.jwk(**coordinates))
        yield vector(f"ES256 beside the curve: {name}", jwks, by(ec), "signature-invalid")
    negative = ec.jwk(y=b64((P256_PRIME - y).to_bytes(32, "big")))
    yield vector("ES256: the point negated", published(negative), by(ec), "signature-invalid")
    koblitz = ec_key("k", curves.SECP256K1, "ES256K")
    text = assemble(compact(head(koblitz, alg="ES256")), compact(access()), koblitz, "ES256")
    jwks = published(koblitz.jwk(crv="P-256", alg=GONE))
    yield vector("ES256: a point of secp256k1", jwks, text, "signature-invalid", "cryptography")
    good = ec_key("good")
    for name, order, encoded in SMALL_ORDER:
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": b64(encoded)}
        text = forged(encoded, order)
        yield vector(f"Ed25519 of small order: {name}", published(jwk), text, "no-usable-key", "by hand")
        yield vector(
            f"Ed25519 of small order: {name}, beside a good key",
            published(jwk, good.jwk()),
            text,
            "unknown-key",
            "by hand",
        )
    beside = {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": b64(b"\2" + bytes(31))}
    yield vector("Ed25519 beside the curve", published(beside), by(ed_key("k")), "no-usable-key")


# The points whose order divides 8, and their encodings that aren't canonical, with their order.
SMALL_ORDER = [
    (name, order, bytes.fromhex(text))
    for name, order, text in (
        ("neutral", 1, "01" + "00" * 31),
        ("neutral, x negative", 1, "01" + "00" * 30 + "80"),
        ("neutral, y beyond the prime", 1, "ee" + "ff" * 30 + "7f"),
        ("order 2", 2, "ec" + "ff" * 30 + "7f"),
        ("order 2, x negative", 2, "ec" + "ff" * 31),
        ("order 4", 4, "00" * 32),
        ("order 4, x negative", 4, "00" * 31 + "80"),
        ("order 4, y the prime", 4, "ed" + "ff" * 30 + "7f"),
        ("order 4, y the prime, x negative", 4, "ed" + "ff" * 31),
        ("order 8, a", 8, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        ("order 8, b", 8, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
        ("order 8, c", 8, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        ("order 8, d", 8, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    )
]


def forged(public, order):
    """A token that anybody can make for such a key: R neutral, S zero, and a hash that its order divides."""
    neutral = b"\1" + bytes(31)
    for number in range(1000):
        header = compact({"typ": "at+jwt", "alg": "EdDSA", "kid": "k"})
        signed = f"{b64(header)}.{b64(compact(access(jti=f'try-{number}')))}"
        digest = hashlib.sha512(neutral + public + signed.encode()).digest()
        if int.from_bytes(digest, "little") % ED25519_ORDER % order == 0:
            return f"{signed}.{b64(neutral + bytes(32))}"
    raise AssertionError("no such hash")


def exponents():
    """Public exponents that don't keep a secret."""
    small = rsa_key("k", 2048, exponent=3)
    yield vector("RS256: e is 3", published(small.jwk()), by(small), ANN)
    for bits in (2048, 3072):
        key = rsa_key("k", bits, exponent=3)
        yield vector(
            f"RS256: e is 3, {bits} bits, forged by a cube root",
            published(key.jwk()),
            cube_root_forgery(bits),
            "signature-invalid",
            "by hand",
        )
    rs = rsa_key("k", 2048)
    one = published(rs.jwk(e=b64(b"\1")))
    yield vector(
        "RS256: e is 1, a digest that signs itself", one, self_signed(256), "no-usable-key", "by hand"
    )
    for exponent in (2, 65536):
        jwks = published(rs.jwk(e=b64(exponent.to_bytes(3, "big"))))
        yield vector(f"RS256: e is {exponent}", jwks, by(rs), "no-usable-key")
    other = rs.jwk(e=b64(b"\3"))
    yield vector("RS256: another e", published(other), by(rs), "signature-invalid")
    n = int.from_bytes(unb64(rs.jwk()["n"]), "big")
    even = rs.jwk(n=b64((n - 1).to_bytes(256, "big")))
    yield vector("RS256: an even modulus", published(even), by(rs), "signature-invalid")


def to_be_forged():
    """What is signed, and the end of its padded digest (RFC 8017 section 9.2)."""
    header = compact({"typ": "at+jwt", "alg": "RS256", "kid": "k"})
    signed = f"{b64(header)}.{b64(compact(access()))}"
    return signed, b"\0" + SHA256_INFO + hashlib.sha256(signed.encode()).digest()


def self_signed(length):
    """With e = 1 the padded digest is its own signature."""
    signed, end = to_be_forged()
    return f"{signed}.{b64(bytes([0, 1]).ljust(length - len(end), bytes([255])) + end)}"


def cube_root_forgery(bits):
    """Bleichenbacher's of 2006: short padding, the digest, and behind it whatever makes a cube."""
    signed, end = to_be_forged()
    front = b"\0\1" + b"\xff" * 8 + end
    length = bits // 8
    root = cube_root(int.from_bytes(front + b"\xff" * (length - len(front)), "big"))
    assert (root**3).to_bytes(length, "big").startswith(front)
    return f"{signed}.{b64(root.to_bytes(length, 'big'))}"


def cube_root(number):
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


def two_issuers():
    """A key counts for its own issuer alone."""
    for make in (ec_key, ed_key):
        ours, theirs, only_theirs = make("k"), make("k"), make("theirs")
        sets = {ISSUER: {"keys": [ours.jwk()]}, OTHER: {"keys": [theirs.jwk(), only_theirs.jwk()]}}
        alg = ours.alg

        def made(key, iss, **changes):
            return token("joserfc", key, head(key, **changes), access(iss=iss))

        yield vector(f"{alg}: the first issuer's", sets, made(ours, ISSUER), ANN)
        yield vector(f"{alg}: the second issuer's", sets, made(theirs, OTHER), ANN)
        yield vector(
            f"{alg}: the first's by the second's key, one kid",
            sets,
            made(theirs, ISSUER),
            "signature-invalid",
        )
        yield vector(
            f"{alg}: the second's by the first's key, one kid", sets, made(ours, OTHER), "signature-invalid"
        )
        yield vector(
            f"{alg}: the first's by a key that only the second has",
            sets,
            made(only_theirs, ISSUER),
            "unknown-key",
        )
        yield vector(
            f"{alg}: the first's by the second's key, no kid",
            sets,
            made(theirs, ISSUER, kid=GONE),
            "signature-invalid",
        )
        broken = {**sets, ISSUER: {"keys": []}}
        yield vector(
            f"{alg}: the first has no keys, the second's are good",
            broken,
            made(theirs, ISSUER),
            "no-usable-key",
        )
        yield vector(
            f"{alg}: the first has no keys, and the second's is taken", broken, made(theirs, OTHER), ANN
        )
    rs = rsa_key("k", 2048)
    sets = {ISSUER: {"keys": [rs.jwk()]}, OTHER: {"keys": [rs.jwk()]}}
    text = token("joserfc", rs, head(rs), access(iss=OTHER))
    yield vector("an algorithm that only the first issuer may use", sets, text, "algorithm-refused")


def no_sets():
    ec = ec_key("k")
    text, jwk = by(ec), ec.jwk()
    good = compact({"keys": [jwk]})
    for name, document in {
        "nothing": "",
        "white space": " \n",
        "a page": "<!doctype html><title>Sign in</title>",
        "a null": "null",
        "an array": compact([jwk]),
        "an array of an array": compact([[jwk]]),
        "a key alone": compact(jwk),
        "a string": compact(good),
        "an empty object": "{}",
        "keys null": '{"keys":null}',
        "keys an object": compact({"keys": {"k": jwk}}),
        "keys a string": '{"keys":"none"}',
        "keys a number": '{"keys":1}',
        "Keys": compact({"Keys": [jwk]}),
        "keys twice": good.replace("{", '{"keys":[],', 1),
        "cut": good[:-2],
        "two of them": good + good,
        "a byte order mark": "\ufeff" + good,
        "deep": '{"keys":' + "[" * 3000 + "]" * 3000 + "}",
        "a JWT": text,
    }.items():
        yield vector(f"no set: {name}", {ISSUER: document}, text, "not-a-key-set")
    yield vector("an empty set", published(), text, "no-usable-key")
    more = {ISSUER: {"keys": [jwk], "issuer": "x", "d": 1, "expires": 1}}
    yield vector("a set with other members", more, text, ANN)
    yield vector("a set as text", {ISSUER: good.replace(",", " ,\n") + "\n"}, text, ANN)
