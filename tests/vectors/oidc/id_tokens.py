"""ID tokens (OpenID Connect Core 1.0 sections 2 and 3.1.3.7), as a log-in at the edge gets them."""

import hashlib
import itertools

from tokens import (
    GONE,
    ISSUER,
    MAKERS,
    NOW,
    SKEW_SECONDS,
    assemble,
    b64,
    changed,
    compact,
    identity,
    issuer,
    token,
    vector,
)

CLIENT = "edge-client"
ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
EXPECTED = {"client_id": CLIENT, "nonce": "n-0S6_WzA2Mj"}


def issuer_of(keys):
    return issuer(keys, audience=CLIENT)


def at_hash(text, algorithm="sha256"):
    """The left half of the access token's digest (section 3.1.3.6)."""
    digest = hashlib.new(algorithm, text.encode()).digest()
    return b64(digest[: len(digest) // 2])


def claims(**changes):
    return changed(
        {
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": "ann",
            "nonce": EXPECTED["nonce"],
            "groups": ["engineering", "book-club"],
            "auth_time": NOW - 90,
            "iat": NOW - 5,
            "exp": NOW + 300,
            "sid": "session-7",
        },
        changes,
    )


def head(key, **changes):
    return changed({"alg": key.alg, "kid": key.kid}, changes)


def vectors(keys):
    makers = itertools.cycle(MAKERS)
    signers = (keys[0], keys[3], keys[4])
    good = {
        "plain": {},
        "aud an array of one": {"aud": [CLIENT]},
        "aud an array of one, azp": {"aud": [CLIENT], "azp": CLIENT},
        "aud several, azp": {"aud": [CLIENT, "api"], "azp": CLIENT},
        "aud a string, azp": {"azp": CLIENT},
        "at_hash": {"at_hash": at_hash(ACCESS_TOKEN)},
        "auth_time absent": {"auth_time": GONE},
        "sid absent": {"sid": GONE},
        "groups absent": {"groups": GONE},
        "acr and amr": {"acr": "urn:mace:incommon:iap:silver", "amr": ["pwd", "otp"]},
        "within the skew": {"iat": NOW + SKEW_SECONDS, "exp": NOW - SKEW_SECONDS + 1},
    }
    for key in signers:
        for name, changes in good.items():
            # The digest goes with the algorithm; Ed25519's is SHA-512.
            if "at_hash" in changes and key.alg == "EdDSA":
                changes = {"at_hash": at_hash(ACCESS_TOKEN, "sha512")}
            said, maker = claims(**changes), next(makers)
            text = token(maker, key, head(key), said)
            yield vector(f"{key.alg}: {name}", text, identity(said), "id-token", maker)
    ec = keys[3]
    text = token("joserfc", ec, head(ec, typ="JWT"), claims())
    yield vector("typ JWT", text, identity(claims()), "id-token", "joserfc")
    text = token("joserfc", ec, head(ec, kid=GONE), claims())
    yield vector("no kid, one key", text, identity(claims()), "id-token", "joserfc")
    yield from unread(keys, makers)
    yield from defects(keys, makers)


def unread(keys, makers):
    """Claims that the edge doesn't look at: it throws the access token away, and asks for no `max_age`."""
    ec = keys[3]
    cases = {
        "at_hash of another access token": {"at_hash": at_hash("other")},
        "at_hash by SHA-512 for ES256": {"at_hash": at_hash(ACCESS_TOKEN, "sha512")},
        "at_hash whole": {"at_hash": b64(hashlib.sha256(ACCESS_TOKEN.encode()).digest())},
        "at_hash empty": {"at_hash": ""},
        "at_hash a number": {"at_hash": 7},
        "auth_time a string": {"auth_time": "yesterday"},
        "auth_time negative": {"auth_time": -1},
        "sid a number": {"sid": 7},
    }
    for name, changes in cases.items():
        said, maker = claims(**changes), next(makers)
        yield vector(name, token(maker, ec, head(ec), said), identity(said), "id-token", maker)


def defects(keys, makers):
    rs, ec = keys[0], keys[3]
    cases = [
        ("nonce missing", {"nonce": GONE}, "token-nonce-missing"),
        ("nonce null", {"nonce": None}, "token-nonce-missing"),
        ("nonce of another log-in", {"nonce": "n-0S6_WzA2Mk"}, "token-nonce-mismatch"),
        ("nonce empty", {"nonce": ""}, "token-nonce-mismatch"),
        ("nonce in other case", {"nonce": EXPECTED["nonce"].upper()}, "token-nonce-mismatch"),
        ("nonce longer", {"nonce": EXPECTED["nonce"] + "A"}, "token-nonce-mismatch"),
        ("nonce shorter", {"nonce": EXPECTED["nonce"][:-1]}, "token-nonce-mismatch"),
        ("nonce with a NUL", {"nonce": EXPECTED["nonce"] + "\0"}, "token-nonce-mismatch"),
        ("nonce a number", {"nonce": 7}, "token-malformed-claims"),
        ("nonce an array", {"nonce": [EXPECTED["nonce"]]}, "token-malformed-claims"),
        ("aud several without azp", {"aud": [CLIENT, "api"]}, "token-wrong-party"),
        ("azp of another client", {"azp": "other-client"}, "token-wrong-party"),
        ("aud several, azp of another", {"aud": [CLIENT, "other"], "azp": "other"}, "token-wrong-party"),
        ("azp empty", {"azp": ""}, "token-wrong-party"),
        ("azp a number", {"azp": 7}, "token-malformed-claims"),
        ("azp an array", {"azp": [CLIENT]}, "token-malformed-claims"),
        ("azp ours, aud another", {"azp": CLIENT, "aud": "other"}, "token-wrong-audience"),
        ("aud another", {"aud": "other"}, "token-wrong-audience"),
        ("aud empty", {"aud": []}, "token-wrong-audience"),
        ("aud missing", {"aud": GONE}, "token-audience-missing"),
        ("aud a number", {"aud": 7}, "token-malformed-claims"),
        ("iss missing", {"iss": GONE}, "token-issuer-missing"),
        ("iss another", {"iss": "https://evil.example.test"}, "token-wrong-issuer"),
        ("sub missing", {"sub": GONE}, "token-subject-missing"),
        ("sub a number", {"sub": 7}, "token-malformed-claims"),
        ("sub of a header's end", {"sub": "ann\r\nX-Admin: 1"}, "token-subject-refused"),
        ("iat missing", {"iat": GONE}, "token-issued-missing"),
        ("iat null", {"iat": None}, "token-issued-missing"),
        ("iat a string", {"iat": str(NOW)}, "token-malformed-claims"),
        ("iat in the future", {"iat": NOW + 300}, "token-issued-in-future"),
        ("exp missing", {"exp": GONE}, "token-expiry-missing"),
        ("exp a string", {"exp": str(NOW + 300)}, "token-malformed-claims"),
        ("expired", {"exp": NOW - SKEW_SECONDS}, "token-expired"),
        ("nbf ahead", {"nbf": NOW + 300}, "token-not-yet-valid"),
        ("groups a string", {"groups": "admins"}, "token-groups-malformed"),
    ]
    for name, changes, fault in cases:
        maker = next(makers)
        text = token(maker, ec, head(ec), claims(**changes))
        yield vector(name, text, {"fault": fault}, "id-token", maker)
    for typ in ("at+jwt", "logout+jwt", "dpop+jwt", "countersign+jwt"):
        text = token("jwcrypto", ec, head(ec, typ=typ), claims())
        yield vector(f"typ {typ}", text, {"fault": "token-wrong-type"}, "id-token", "jwcrypto")
    text = f"{b64(compact(head(ec, alg='none')))}.{b64(compact(claims()))}."
    yield vector("alg none", text, {"fault": "token-algorithm-none"}, "id-token")
    secret = assemble(compact(head(rs, alg="HS256")), compact(claims()), b"client-secret", "HS256")
    yield vector("HS256 by the client's secret", secret, {"fault": "token-algorithm-refused"}, "id-token")
    twice = compact(claims()).replace("{", '{"nonce":"other",')
    text = token("jwcrypto", ec, head(ec), twice)
    yield vector("nonce twice", text, {"fault": "token-malformed-claims"}, "id-token", "jwcrypto")
    signed, _ = token("jwcrypto", ec, head(ec), claims(sub="root")).rsplit(".", 1)
    _, signature = token("jwcrypto", ec, head(ec), claims()).rsplit(".", 1)
    yield vector(
        "signature of another",
        f"{signed}.{signature}",
        {"fault": "token-signature-invalid"},
        "id-token",
        "jwcrypto",
    )
