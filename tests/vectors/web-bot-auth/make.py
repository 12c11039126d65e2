"""Writes made.json anew, the same bytes each time. See README.md."""

import base64
import datetime
import hashlib
import json
import pathlib

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, algorithms

NOW = 1795000000
SKEW_SECONDS = 30
HOST = "www.example.test"
URL = f"https://{HOST}/feed/today?page=2&x"
AGENT, OTHER = "https://bot.example.test", "https://other.example.test"


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """An Ed25519 key, always the same for a name."""

    def __init__(self, name):
        self.private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": base64url(self.private.public_key().public_bytes(*raw))}
        compact = json.dumps(self.jwk, separators=(",", ":"), sort_keys=True)
        self.thumbprint = base64url(hashlib.sha256(compact.encode()).digest())


GOOD, NEXT, THEIRS, STRANGER = (Key(name) for name in ("good", "next", "theirs", "stranger"))
KEYS = {key.thumbprint: key.private for key in (GOOD, NEXT, THEIRS, STRANGER)}
BOTS = [
    {"name": "goodbot", "signature_agent": AGENT, "directory": {"keys": [GOOD.jwk, NEXT.jwk]}},
    {"name": "otherbot", "signature_agent": OTHER, "directory": {"keys": [THEIRS.jwk]}},
]


def date(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def vector(name, made_by, message, **expect):
    """What was sent: a changed request stands for one that was captured or forged."""
    headers = [[key.lower(), value] for key, value in message.headers.items()]
    return {
        "name": name, "made_by": made_by, "method": message.method, "url": message.url, "headers": headers,
        "expect": expect,
    }


def request(method="GET", url=URL, **headers):
    message = requests.Request(method, url, headers=headers).prepare()
    message.headers.pop("Content-Length", None)
    return message


def by_library(message, covered, key=GOOD, created=NOW - 10, expires=NOW + 300, label="sig", tag="web-bot-auth", **more):
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys=KEYS),
    )
    expires = None if expires is None else date(expires)
    signer.sign(
        message, key_id=key.thumbprint, created=date(created), expires=expires, label=label, tag=tag,
        covered_component_ids=covered, **more,
    )
    return message


def by_hand(lines, params, key=GOOD, label="sig", agent=f'sig="{AGENT}"', signature=None, **more):
    """Signs a base of our own making, for what the library refuses to make."""
    covered = " ".join(identifier for identifier, _ in lines)
    params = f"({covered}){params}"
    base = "\n".join([*(f"{identifier}: {value}" for identifier, value in lines), f'"@signature-params": {params}'])
    signed = key.private.sign(base.encode()) if signature is None else signature
    headers = {"Signature-Input": f"{label}={params}", "Signature": f"{label}=:{base64.b64encode(signed).decode()}:"}
    if agent is not None:
        headers["Signature-Agent"] = agent
    return request(**headers, **more)


def usual(key=GOOD, created=NOW - 10, expires=NOW + 300, more=';tag="web-bot-auth"'):
    return f';created={created};expires={expires};keyid="{key.thumbprint}"{more}'


USUAL = ['"@authority"', '"signature-agent";key="sig"']
LINES = [('"@authority"', HOST), ('"signature-agent";key="sig"', f'"{AGENT}"')]


def named(**more):
    return request(**{"Signature-Agent": f'sig="{AGENT}"'}, **more)


def good():
    def made(name, message, bot="goodbot"):
        return vector(name, "http-message-signatures 3.0.0", message, bot=bot)

    yield made("as the draft has it", by_library(named(), USUAL))
    yield made("with a nonce", by_library(named(), USUAL, nonce="bm9uY2U="))
    yield made("without alg", by_library(named(), USUAL, include_alg=False))
    yield made("under another label", by_library(
        request(**{"Signature-Agent": f'a-1*_.="{AGENT}"'}), ['"@authority"', '"signature-agent";key="a-1*_."'],
        label="a-1*_."))
    yield made("member under another key than the label", by_library(named(), USUAL, label="other"))
    yield made("the second key of its directory", by_library(named(), USUAL, key=NEXT))
    yield made("another bot", by_library(
        request(**{"Signature-Agent": f'sig="{OTHER}"'}), USUAL, key=THEIRS), bot="otherbot")
    yield made("two members, one of them signed", by_library(
        request(**{"Signature-Agent": f'x="{OTHER}", sig="{AGENT}"'}), USUAL))
    yield made("two members signed, its own counts", by_library(
        request(**{"Signature-Agent": f'x="{OTHER}", sig="{AGENT}"'}), ['"signature-agent";key="x"', *USUAL]))
    yield made("a member with parameters", by_library(
        request(**{"Signature-Agent": f'sig="{AGENT}"; type=jwks_uri;a=?1;b=1.50'}), USUAL))
    yield made("white space in the dictionary", by_library(
        request(**{"Signature-Agent": f'x=1 ,\t sig="{AGENT}"'}), USUAL))
    yield made("the form of earlier drafts", by_library(
        request(**{"Signature-Agent": f'"{AGENT}"'}), ['"@authority"', '"signature-agent"']))
    yield made("no name", by_library(request(), ['"@authority"']))
    yield made("no name, another bot", by_library(request(), ['"@authority"'], key=THEIRS), bot="otherbot")
    yield made("target URI in place of the host", by_library(named(), ['"@target-uri"', USUAL[1]]))
    yield made("every derived component", by_library(
        named(), ['"@method"', '"@authority"', '"@scheme"', '"@target-uri"', '"@path"', '"@query"', USUAL[1]]))
    yield made("no query", by_library(named(url=f"https://{HOST}/"), ['"@path"', '"@query"', *USUAL]))
    yield made("an empty query", by_library(named(url=f"https://{HOST}/feed?"), ['"@query"', '"@authority"', USUAL[1]]))
    yield made("encoded path and query", by_library(
        named(url=f"https://{HOST}/caf%C3%A9/a%20b?q=%2F%3f'"), ['"@path"', '"@query"', '"@target-uri"', *USUAL]))
    yield made("by POST", by_library(named(method="POST"), ['"@method"', *USUAL]))
    yield made("host in capitals and default port", by_library(
        named(url="https://WWW.Example.test:443/feed/today"), USUAL))
    yield made("another port", by_library(named(url=f"https://{HOST}:8443/"), [*USUAL, '"@target-uri"']))
    yield made("an address as host", by_library(named(url="http://[2001:db8::1]:8080/"), [*USUAL, '"@target-uri"']))
    yield made("fields", by_library(
        request(**{"Signature-Agent": f'sig="{AGENT}"', "Accept": "text/html, */*;q=0.1"}), [*USUAL, '"accept"']))
    yield made("24 hours", by_library(named(), USUAL, created=NOW - 43_200, expires=NOW + 43_200))
    yield made("a clock that is 30 s ahead", by_library(named(), USUAL, created=NOW + 30, expires=NOW + 90))
    yield made("expired within the skew", by_library(named(), USUAL, created=NOW - 90, expires=NOW - 29))
    beside = by_library(named(), ['"@method"', '"@query-param";name="page"'], label="app", tag="app", key=STRANGER)
    yield made("beside a signature of another kind", by_library(beside, USUAL, append_if_signature_exists=True))

    def forged(name, message):
        return vector(name, "by hand", message, bot="goodbot")

    yield forged("parameters in another order", by_hand(
        LINES, f';tag="web-bot-auth";keyid="{GOOD.thumbprint}";expires={NOW + 9};created={NOW}'))
    yield forged("a parameter that nobody knows", by_hand(LINES, usual(more=';x=?0;tag="web-bot-auth";y="z"')))
    spaced = by_hand(LINES, usual())
    spaced.headers["Signature-Input"] = spaced.headers["Signature-Input"].replace('" "', '"   "').replace(";", "; ").replace('; key', ';key')
    yield forged("written with more space than is signed", spaced)


def not_claimed():
    yield vector("no signature", "by hand", request(), nothing=True)
    yield vector("a signature of another kind", "http-message-signatures 3.0.0",
                 by_library(request(), ['"@authority"'], tag="app"), nothing=True)
    yield vector("a signature without a tag", "http-message-signatures 3.0.0",
                 by_library(request(), ['"@authority"'], tag=None), nothing=True)
    yield vector("a header that is none", "by hand", request(**{"Signature-Input": "???"}), nothing=True)
    yield vector("a tag that is a token", "by hand",
                 by_hand([LINES[0]], usual(more=";tag=web-bot-auth"), agent=None), nothing=True)


def changed(change, covered=USUAL, **headers):
    """A good signature, its request changed afterwards."""
    message = by_library(request(**{"Signature-Agent": f'sig="{AGENT}"', **headers}), covered)
    change(message)
    return message


def bad():
    def library(name, fault, message):
        return vector(name, "http-message-signatures 3.0.0", message, fault=f"bot-{fault}")

    def hand(name, fault, message):
        return vector(name, "by hand", message, fault=f"bot-{fault}")

    def setting(attribute, value):
        return lambda message: setattr(message, attribute, value)

    def header(name, change):
        return lambda message: message.headers.update({name: change(message.headers[name])})

    # For another request.
    yield library("for another host", "signature-invalid", changed(setting("url", "https://api.example.test/feed/today")))
    yield library("for another port", "signature-invalid", changed(setting("url", f"https://{HOST}:8443/feed/today")))
    for identifier, url in [
        ('"@path"', f"https://{HOST}/feed/yesterday?page=2&x"), ('"@query"', f"https://{HOST}/feed/today?page=3&x"),
        ('"@scheme"', f"http://{HOST}/feed/today?page=2&x"), ('"@target-uri"', f"https://{HOST}/feed/today?page=2"),
    ]:
        yield library(f"another {identifier}", "signature-invalid", changed(setting("url", url), [*USUAL, identifier]))
    yield library('another "@method"', "signature-invalid", changed(setting("method", "POST"), [*USUAL, '"@method"']))
    yield library("another field", "signature-invalid",
                  changed(header("Accept", lambda _: "text/plain"), [*USUAL, '"accept"'], Accept="*/*"))
    # By another, or changed.
    yield library("of a key that no directory has", "unknown-key", by_library(named(), USUAL, key=STRANGER))
    yield library("of another bot's key", "unknown-key", by_library(named(), USUAL, key=THEIRS))
    yield hand("another's key under its name", "signature-invalid", by_hand(LINES, usual(), key=STRANGER))
    yield library("no name and a key that no directory has", "unknown-key", by_library(request(), ['"@authority"'], key=STRANGER))
    yield library("another bot's name", "signature-invalid",
                  changed(lambda message: message.headers.update({
                      "Signature-Agent": f'sig="{OTHER}"',
                      "Signature-Input": message.headers["Signature-Input"].replace(GOOD.thumbprint, THEIRS.thumbprint)})))
    yield library("lives longer than was signed", "signature-invalid",
                  changed(header("Signature-Input", lambda said: said.replace(f"expires={NOW + 300}", f"expires={NOW + 301}"))))
    yield library("covers less than was signed", "signature-invalid",
                  changed(header("Signature-Input", lambda said: said.replace('"@method" ', "")), ['"@method"', *USUAL]))
    yield library("covers it in another order", "signature-invalid",
                  changed(header("Signature-Input", lambda said: said.replace('"@method" "@path"', '"@path" "@method"')),
                          ['"@method"', '"@path"', *USUAL]))
    yield library("another nonce", "signature-invalid",
                  changed(header("Signature-Input", lambda said: said.replace(";tag", ';nonce="x";tag'))))
    yield hand("all zero", "signature-invalid", by_hand(LINES, usual(), signature=bytes(64)))
    order = 2**252 + 27742317777372353535851937790883648493
    malleable = by_hand(LINES, usual())
    signed = base64.b64decode(malleable.headers["Signature"].split(":")[1])
    s = (int.from_bytes(signed[32:], "little") + order).to_bytes(32, "little")
    yield hand("its second form (RFC 8032 section 8.4)", "signature-invalid",
               by_hand(LINES, usual(), signature=signed[:32] + s))
    # Names.
    for name, agent in [
        ("a bot that isn't pinned", "https://evil.example.test"), ("a slash more", f"{AGENT}/"),
        ("in capitals", "https://BOT.example.test"), ("without TLS", "http://bot.example.test"),
        ("with user information", "https://bot.example.test@evil.example.test"), ("empty", ""),
        ("a key of its own", f"data:application/http-message-signatures-directory+json,{json.dumps({'keys': [STRANGER.jwk]})}"),
    ]:
        agent = agent.replace('"', "%22")
        yield library(f"name: {name}", "unknown-agent", by_library(
            request(**{"Signature-Agent": f'sig="{agent}"'}), USUAL, key=STRANGER))
    yield library("name unsigned", "agent-unsigned", by_library(named(), ['"@authority"']))
    yield library("name signed as a whole", "agent-unsigned", by_library(named(), ['"@authority"', '"signature-agent"']))
    yield library("name of earlier drafts unsigned", "agent-unsigned", by_library(
        request(**{"Signature-Agent": f'"{AGENT}"'}), ['"@authority"']))
    yield library("two members signed, neither its own", "agent-unsigned", by_library(
        request(**{"Signature-Agent": f'x="{OTHER}", y="{AGENT}"'}),
        ['"@authority"', '"signature-agent";key="x"', '"signature-agent";key="y"']))
    yield hand("a member that isn't there", "component-missing", by_hand(LINES, usual(), agent=f'x="{AGENT}"'))
    for name, agent in [("a token", "sig=bot"), ("a list", f'sig=("{AGENT}")'), ("a flag", "sig")]:
        yield hand(f"name: {name}", "signature-malformed", by_hand(LINES, usual(), agent=agent))
    for name, agent in [("no dictionary", f"sig={AGENT}"), ("open", f'sig="{AGENT}'), ("open, of earlier drafts", f'"{AGENT}'),
                        ("two of earlier drafts", f'"{AGENT}", "{AGENT}"')]:
        yield hand(f"name: {name}", "signature-malformed", by_hand(LINES, usual(), agent=agent))
    yield hand("a name and no signature", "unsigned", named())
    yield library("a name and a signature of another kind", "unsigned", by_library(named(), USUAL, tag="app"))
    # What is covered.
    yield library("no host", "authority-unsigned", by_library(named(), [USUAL[1]]))
    yield library("path but no host", "authority-unsigned", by_library(named(), ['"@path"', '"@method"', USUAL[1]]))
    yield hand("nothing", "authority-unsigned", by_hand([], usual(), agent=None))
    for covered in ['"@query-param";name="page"', '"@request-target"', '"signature-agent";sf', '"signature-agent";bs', '"user-agent"']:
        message = request(**{"Signature-Agent": f'sig="{AGENT}"', "User-Agent": "b"})
        try:
            message = by_library(message, [*USUAL, covered])
            yield library(f"covers {covered}", "component-unsupported", message)
        except Exception:  # What it can't make is made by hand.
            yield hand(f"covers {covered}", "component-unsupported", by_hand([*LINES, (covered, "x")], usual()))
    for covered in ['"@authority";req', '"@authority";key="a"', '"accept";tr', '"@status"', '"@signature-params"', '"@Authority"',
                    '"Signature-Agent"', '"accept";x=1', '"signature-agent";key=sig', '""']:
        yield hand(f"covers {covered}", "component-unsupported", by_hand([*LINES, (covered, "x")], usual()))
    yield hand("covers a field that isn't there", "component-missing", by_hand([*LINES, ('"accept"', "")], usual()))
    yield hand("covers the host twice", "signature-malformed", by_hand([LINES[0], *LINES], usual()))
    yield hand("covers a token", "signature-malformed", by_hand([*LINES, ("accept", "x")], usual()))
    many = [(f'"signature-agent";key="k{number}"', "1") for number in range(15)]
    yield hand("covers 17 components", "signature-malformed", by_hand([*LINES, *many], usual()))
    # Parameters.
    for name in ("created", "expires", "keyid"):
        params = ";".join(part for part in usual().split(";") if not part.startswith(name))
        yield hand(f"no {name}", "parameter-missing", by_hand(LINES, params))
    yield library("no expires, by another maker", "parameter-missing", by_library(named(), USUAL, expires=None))
    for name, params in [
        ("created is text", f';created="{NOW}";expires={NOW + 9}'), ("created is negative", f";created=-1;expires={NOW + 9}"),
        ("created has a fraction", f";created={NOW}.0;expires={NOW + 9}"), ("expires is a date", f";created={NOW};expires=@{NOW + 9}"),
    ]:
        yield hand(name, "signature-malformed", by_hand(LINES, f'{params};keyid="{GOOD.thumbprint}";tag="web-bot-auth"'))
    yield hand("keyid is a token", "signature-malformed",
               by_hand(LINES, f';created={NOW};expires={NOW + 9};keyid={GOOD.thumbprint};tag="web-bot-auth"'))
    for alg in ("rsa-pss-sha512", "hmac-sha256", "ecdsa-p256-sha256", "Ed25519", "none", ""):
        yield hand(f"alg `{alg}`", "algorithm-refused", by_hand(LINES, usual(more=f';alg="{alg}";tag="web-bot-auth"')))
    # Times.
    yield library("31 s ahead", "from-the-future", by_library(named(), USUAL, created=NOW + 31, expires=NOW + 91))
    yield library("over", "expired", by_library(named(), USUAL, created=NOW - 90, expires=NOW - 30))
    yield library("over for ten years", "expired", by_library(named(), USUAL, created=NOW - 315_360_000, expires=NOW - 315_300_000))
    yield library("a second more than 24 hours", "lives-too-long", by_library(named(), USUAL, created=NOW - 1, expires=NOW + 86_400))
    yield hand("a hundred years", "lives-too-long", by_hand(LINES, usual(expires=NOW + 3_153_600_000)))
    yield hand("no time at all", "ends-before-it-begins", by_hand(LINES, usual(created=NOW, expires=NOW)))
    yield hand("ends before it begins", "ends-before-it-begins", by_hand(LINES, usual(created=NOW, expires=NOW - 1)))
    # Shapes.
    twice = by_library(by_library(named(), USUAL), USUAL, label="again", append_if_signature_exists=True)
    yield library("two signatures", "several-signatures", twice)
    for name, change in [
        ("63 bytes", lambda said: f"sig=:{base64.b64encode(bytes(63)).decode()}:"), ("under another label", lambda said: "x" + said),
        ("a text", lambda said: 'sig="x"'), ("no dictionary", lambda said: said + ","), ("empty", lambda said: ""),
        ("base64url", lambda said: "sig=:_-_-:"),
    ]:
        yield hand(f"signature: {name}", "signature-malformed", changed(header("Signature", change)))
    yield hand("signature: 4 KiB", "signature-too-large", changed(header("Signature", lambda said: said + ", x=1" + ";a" * 2048)))
    yield hand("input: 4 KiB", "signature-too-large", changed(header("Signature-Input", lambda said: said + ";x" * 2048)))
    yield hand("input: no dictionary", "signature-malformed", changed(header("Signature-Input", lambda said: said + ",,")))
    no_name = by_hand([LINES[0]], usual(), agent=None)
    no_name.headers["Signature-Input"] += ",,"
    yield hand("input: no dictionary, and no name", "signature-malformed", no_name)


def main():
    vectors = [*good(), *not_claimed(), *bad()]
    names = [vector["name"] for vector in vectors]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, twice
    document = {"now": NOW, "skew_seconds": SKEW_SECONDS, "bots": BOTS, "vectors": vectors}
    (pathlib.Path(__file__).parent / "made.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"made.json: {len(vectors)} vectors")


if __name__ == "__main__":
    main()
