"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 sections 2.4 to 2.6)."""

import itertools

from tokens import (
    AUDIENCE,
    GONE,
    ISSUER,
    MAKERS,
    NOW,
    SKEW_SECONDS,
    assemble,
    b64,
    changed,
    compact,
    ec_key,
    token,
    vector,
)

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def claims(**changes):
    return changed(
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": NOW - 5,
            "exp": NOW + 115,
            "jti": "logout-1",
            "events": {EVENT: {}},
            "sub": "ann",
            "sid": "session-7",
        },
        changes,
    )


def head(key, **changes):
    return changed({"typ": "logout+jwt", "alg": key.alg, "kid": key.kid}, changes)


def ended(said):
    return {"session": said["sid"]}


def vectors(keys):
    makers = itertools.cycle(MAKERS)
    good = {
        "sub and sid": {},
        "sid only": {"sub": GONE},
        "aud an array": {"aud": ["other", AUDIENCE]},
        "another event beside it": {"events": {"https://example.test/event": {"x": 1}, EVENT: {}}},
        "the event has members": {"events": {EVENT: {"reason": "admin"}}},
        "within the skew": {"iat": NOW + SKEW_SECONDS, "exp": NOW - SKEW_SECONDS + 1},
        # The edge ends the log-in that is named, however often it is told: it reads neither `sub` nor `jti`.
        "sub a number": {"sub": 7},
        "sub empty": {"sub": ""},
        "jti missing": {"jti": GONE},
        "jti a number": {"jti": 7},
    }
    for key in (keys[0], keys[3], keys[4]):
        for name, changes in good.items():
            said, maker = claims(**changes), next(makers)
            yield vector(
                f"{key.alg}: {name}", token(maker, key, head(key), said), ended(said), "logout-token", maker
            )
    ec = keys[3]
    # Section 2.4 only recommends `typ`; section 4 tells why demanding it may break issuers.
    for typ in ("application/logout+jwt", "LOGOUT+JWT", "JWT", GONE):
        maker = next(makers)
        name = "typ absent" if typ is GONE else f"typ {typ}"
        yield vector(
            name, token(maker, ec, head(ec, typ=typ), claims()), ended(claims()), "logout-token", maker
        )
    yield from defects(keys, makers)


def defects(keys, makers):
    rs, ec = keys[0], keys[3]
    cases = [
        ("events missing", {"events": GONE}, "token-events-missing"),
        ("events null", {"events": None}, "token-events-missing"),
        ("events empty", {"events": {}}, "token-events-missing"),
        (
            "events of another kind",
            {"events": {"https://schemas.openid.net/secevent/risc/event-type/account-disabled": {}}},
            "token-events-missing",
        ),
        ("the event with https", {"events": {EVENT.replace("http:", "https:"): {}}}, "token-events-missing"),
        ("the event in upper case", {"events": {EVENT.upper(): {}}}, "token-events-missing"),
        ("events an array", {"events": [EVENT]}, "token-events-missing"),
        ("events a string", {"events": EVENT}, "token-events-missing"),
        ("events a number", {"events": 1}, "token-events-missing"),
        ("the event null", {"events": {EVENT: None}}, "token-events-missing"),
        ("the event true", {"events": {EVENT: True}}, "token-events-missing"),
        ("the event an array", {"events": {EVENT: []}}, "token-events-missing"),
        ("the event a string", {"events": {EVENT: ""}}, "token-events-missing"),
        ("nonce present", {"nonce": "n-0S6_WzA2Mj"}, "token-nonce-present"),
        ("nonce empty", {"nonce": ""}, "token-nonce-present"),
        ("nonce null", {"nonce": None}, "token-nonce-present"),
        ("nonce a number", {"nonce": 0}, "token-nonce-present"),
        ("sub only: all that ann is logged in with", {"sid": GONE}, "token-session-missing"),
        ("neither sub nor sid", {"sub": GONE, "sid": GONE}, "token-session-missing"),
        ("sub and sid null", {"sub": None, "sid": None}, "token-session-missing"),
        ("sid a number", {"sid": 7}, "token-malformed-claims"),
        ("sid an array", {"sid": ["session-7"]}, "token-malformed-claims"),
        ("sid empty", {"sid": ""}, "token-malformed-claims"),
        ("sid of a header's end", {"sid": "s\r\nX-Admin: 1"}, "token-malformed-claims"),
        ("sid of 256 bytes", {"sid": "s" * 256}, "token-malformed-claims"),
        ("iat missing", {"iat": GONE}, "token-issued-missing"),
        ("iat a string", {"iat": str(NOW)}, "token-malformed-claims"),
        ("iat in the future", {"iat": NOW + 300}, "token-issued-in-future"),
        ("exp missing", {"exp": GONE}, "token-expiry-missing"),
        ("exp a string", {"exp": str(NOW + 120)}, "token-malformed-claims"),
        ("expired", {"exp": NOW - SKEW_SECONDS, "iat": NOW - 150}, "token-expired"),
        ("nbf ahead", {"nbf": NOW + 300}, "token-not-yet-valid"),
        ("aud other", {"aud": "other"}, "token-wrong-audience"),
        ("aud others", {"aud": ["other", "another"]}, "token-wrong-audience"),
        ("aud missing", {"aud": GONE}, "token-audience-missing"),
        ("iss missing", {"iss": GONE}, "token-issuer-missing"),
        ("iss other", {"iss": "https://evil.example.test"}, "token-wrong-issuer"),
    ]
    for name, changes, fault in cases:
        maker = next(makers)
        text = token(maker, ec, head(ec), claims(**changes))
        yield vector(name, text, {"fault": fault}, "logout-token", maker)
    for typ in ("at+jwt", "dpop+jwt", "countersign+jwt", "secevent+jwt", "logout", ""):
        text = token("jwcrypto", ec, head(ec, typ=typ), claims())
        yield vector(f"typ `{typ}`", text, {"fault": "token-wrong-type"}, "logout-token", "jwcrypto")
    id_token = claims(events=GONE, jti=GONE, nonce="n-0S6_WzA2Mj", auth_time=NOW - 90)
    text = token("joserfc", ec, head(ec, typ=GONE), id_token)
    yield vector("an ID token", text, {"fault": "token-nonce-present"}, "id-token", "joserfc")
    text = f"{b64(compact(head(ec, alg='none')))}.{b64(compact(claims()))}."
    yield vector("alg none", text, {"fault": "token-algorithm-none"}, "logout-token")
    text = assemble(compact(head(rs, alg="HS256")), compact(claims()), b"client-secret", "HS256")
    yield vector("HS256 by the client's secret", text, {"fault": "token-algorithm-refused"}, "logout-token")
    text = token("jwcrypto", ec, head(ec, kid="nope"), claims())
    yield vector(
        "a kid that isn't published", text, {"fault": "token-unknown-key"}, "logout-token", "jwcrypto"
    )
    stranger = ec_key(ec.kid)
    text = token("joserfc", stranger, head(stranger), claims())
    yield vector(
        "by a key that isn't published", text, {"fault": "token-signature-invalid"}, "logout-token", "joserfc"
    )
    twice = compact(claims()).replace("{", '{"sid":"session-8",')
    text = token("jwcrypto", ec, head(ec), twice)
    yield vector("sid twice", text, {"fault": "token-malformed-claims"}, "logout-token", "jwcrypto")
