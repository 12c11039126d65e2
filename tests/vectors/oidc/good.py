"""Tokens that have to be taken."""

import itertools

from tokens import (
    AUDIENCE,
    GONE,
    MAKERS,
    NOW,
    SKEW_SECONDS,
    access,
    assemble,
    b64,
    compact,
    head,
    identity,
    token,
    unb64,
    vector,
)

# The order of P-256's group (FIPS 186-5, SP 800-186).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def kinds():
    """Each `typ`, and the kind of token that it stands for."""
    yield "at+jwt", "access-token"
    yield "application/at+jwt", "access-token"
    yield "AT+JWT", "access-token"
    yield "JWT", "jwt"
    yield "application/jwt", "jwt"
    yield GONE, "jwt"


def vectors(keys):
    makers = itertools.cycle(MAKERS)
    for key in keys:
        for maker in MAKERS:
            claims = access(jti=f"{key.kid}-{maker}")
            text = token(maker, key, head(key), claims)
            yield vector(f"{key.kid} by {maker}", text, identity(claims), made_by=maker)
    for key in (keys[0], keys[3], keys[4]):
        for typ, kind in kinds():
            maker, claims = next(makers), access()
            name = f"{key.alg}, typ {'absent' if typ is GONE else typ}"
            text = token(maker, key, head(key, typ=typ), claims)
            yield vector(name, text, identity(claims), kind, maker)
    yield from claims_of_every_shape(keys, makers)
    yield from shapes(keys)
    yield from signatures(keys)


def claims_of_every_shape(keys, makers):
    """What an issuer may write in more than one way."""
    cases = {
        "aud an array of one": {"aud": [AUDIENCE]},
        "aud an array, ours the last": {"aud": ["other", "https://api.example.test", AUDIENCE]},
        "aud an array, ours twice": {"aud": [AUDIENCE, AUDIENCE]},
        "exp and iat with fractions": {"exp": NOW + 600.75, "iat": NOW - 0.25},
        "exp past, within the skew": {"exp": NOW - SKEW_SECONDS + 1},
        "nbf and iat ahead, within the skew": {"nbf": NOW + SKEW_SECONDS, "iat": NOW + SKEW_SECONDS},
        "exp at the end of the year 9999": {"exp": 253402300799},
        "iat and nbf zero": {"iat": 0, "nbf": 0},
        "nbf null": {"nbf": None},
        "groups null": {"groups": None},
        "groups absent": {"groups": GONE},
        "groups empty": {"groups": []},
        "a group twice": {"groups": ["ops", "ops"]},
        "sid beside jti": {"sid": "session-7"},
        "no jti": {"jti": GONE},
        "jti a number": {"jti": 7},
        "sid a number": {"sid": 7},
        "unicode": {"sub": "Анна Å‘ 🦀 例え", "groups": ["Ingénierie", "開発", "🦀"]},
        "sub decomposed, which isn't the composed one": {"sub": "Ame\u0301lie"},
        "sub of 255 bytes": {"sub": "s" * 255},
        "sub of an auth method": {"sub": "auth0|5f7c8ec7c33c6c004bbafe82"},
        "sub of a mail address": {"sub": "ann@example.test"},
        "extra claims": {
            "scope": "openid email",
            "nested": {"iss": "https://evil.example.test", "sub": ["root"], "exp": 1},
            "numbers": [0, -1, 1.5, 1e300, 18446744073709551615],
            "null": None,
            "": "",
            "Sub": "root",
            "deep": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],
        },
    }
    for (name, changes), key in zip(cases.items(), itertools.cycle(keys[3:])):
        claims, maker = access(**changes), next(makers)
        yield vector(name, token(maker, key, head(key), claims), identity(claims), made_by=maker)
    for name, changes in {"iat absent": {"iat": GONE}, "iat null": {"iat": None}}.items():
        claims, maker = access(**changes), next(makers)
        text = token(maker, keys[3], head(keys[3], typ="JWT"), claims)
        yield vector(name, text, identity(claims), "jwt", maker)


def shapes(keys):
    """What JSON and JOSE leave open."""
    ec, ed = keys[3], keys[4]
    who = identity(access())
    for key in (ec, ed):
        for maker in MAKERS:
            text = token(maker, key, head(key, kid=GONE), access())
            yield vector(f"no kid, one {key.alg} key, by {maker}", text, who, made_by=maker)
    more = head(ec, x5t="dGh1bWJwcmludA", **{"x5t#S256": "dGh1bWJwcmludA", "cty": "json", "org": 1})
    yield vector("harmless header parameters", token("joserfc", ec, more, access()), who, made_by="joserfc")
    spaced = compact(access()).replace(",", " ,\r\n\t").replace(":", " : ", 1)
    yield vector(
        "white space in the claims", token("jwcrypto", ed, head(ed), spaced), who, made_by="jwcrypto"
    )
    header = compact(head(ed)).replace(",", " ,\r\n\t").replace("{", "\n{ ")
    yield vector("white space in the header", assemble(header, compact(access()), ed, "EdDSA"), who)
    escaped = compact(access()).replace('"sub":"ann"', r'"\u0073\u0075b":"\u0061n\u006e"')
    yield vector("escapes in a claim's name", token("openssl", ec, head(ec), escaped), who, made_by="openssl")
    header = compact(head(ec)).replace('"alg":"ES256"', r'"\u0061lg":"\u0045S256"')
    yield vector("escapes in the header", assemble(header, compact(access()), ec, "ES256"), who)
    pair = compact(access(sub="SUB")).replace("SUB", r"\ud83e\udd80")
    crab = identity(access(sub="🦀"))
    yield vector("an escaped surrogate pair", token("jwcrypto", ec, head(ec), pair), crab, made_by="jwcrypto")
    for name, number in {"with an exponent": "1.7950006e9", "with .0": "1795000600.0"}.items():
        claims = compact(access(exp="EXP")).replace('"EXP"', number)
        yield vector(f"exp {name}", token("jwcrypto", ed, head(ed), claims), who, made_by="jwcrypto")
    yield vector("8192 bytes", of_length(ed, 8192), who)


def of_length(key, length):
    """A token of exactly so many bytes, signed by Ed25519."""
    for more in range(3):
        header = compact(head(key, org="x" * more))
        room = length - 86 - 2 - len(b64(header))
        # No bytes have a base64url of 4n + 1 characters.
        if room % 4 != 1:
            filler = "x" * (room * 3 // 4 - len(compact(access(filler=""))))
            return assemble(header, compact(access(filler=filler)), key, key.alg)
    raise AssertionError(f"no token of {length} bytes")


def until(wanted, key, maker):
    """Tries tokens until the signature of one is as wanted."""
    for number in range(100_000):
        claims = access(jti=f"try-{number}")
        text = token(maker, key, head(key), claims)
        if wanted(unb64(text.rsplit(".", 1)[1])):
            return text, claims
    raise AssertionError("no such signature")


def signatures(keys):
    """Signatures whose numbers have an edge."""
    rs, ec = keys[0], keys[3]
    low = P256_ORDER // 2
    edges = {
        "RS256, a signature that begins with a zero byte": (rs, lambda s: s[0] == 0),
        "ES256, r begins with a zero byte": (ec, lambda s: s[0] == 0),
        "ES256, s begins with a zero byte": (ec, lambda s: s[32] == 0),
        "ES256, s in the lower half": (ec, lambda s: int.from_bytes(s[32:], "big") <= low),
        "ES256, s in the upper half": (ec, lambda s: int.from_bytes(s[32:], "big") > low),
    }
    for name, (key, wanted) in edges.items():
        text, claims = until(wanted, key, "cryptography")
        yield vector(name, text, identity(claims))
    text, claims = until(lambda _: True, ec, "openssl")
    yield vector(
        "ES256, s negated: the second valid form", negated(text), identity(claims), made_by="openssl"
    )


def negated(text):
    """The same ES256 token with `n - s` for `s`."""
    signed, encoded = text.rsplit(".", 1)
    raw = unb64(encoded)
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{signed}.{b64(raw[:32] + s.to_bytes(32, 'big'))}"
