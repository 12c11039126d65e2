#!/usr/bin/env python3
"""Capture what HAProxy really says to a peer, one occasion a file.

    python3 capture.py HAPROXY [--out DIR]

HAPROXY is any HAProxy binary from 2.6 on, or a script that starts one. It is
run on the configurations in this file and in handover.py, in a temporary folder
and on free ports of the loopback, against a small peer; what it sends is written to
DIR (by default the folder of this file) as

    haproxy-VERSION-WHAT.hex

Each begins with lines of `#` that tell where it comes from; the rest is hex, 32
bytes a line: the bytes of one direction, as they were on the wire. Files of an
earlier run with the same version are replaced. Nothing outside Python's
standard library is used, and nothing is left behind.
"""

import argparse
import functools
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import handover  # noqa: E402
from haproxy_capture import WAIT_SECONDS, varint  # noqa: E402
from node import LEARN_SECONDS, Node  # noqa: E402
from peer import (  # noqa: E402
    ACK, CONFIRM, CONTROL, DEFINE, ERROR, FINISHED, PARTIAL, REQUEST, STICK_TABLE, UPDATE,
    acks, control, has, hello, message,
)

HERE = pathlib.Path(__file__).resolve().parent

# Every key type; every data type that a table can store, each rate with a
# period of its own; arrays; and a dictionary: what `stick on` stores.
CONFIG = """\
global
    localpeer hap
    stats socket unix@cli.sock mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
peers wire
    bind 127.0.0.1:PEERS
    server hap
    server probe 127.0.0.1:PROBE
    table integers type integer size 100 expire 1m store gpt0
    table fours type ip size 100 expire 2m store gpt0
    table sixes type ipv6 size 100 expire 3m store gpt0
    table strings type string len 20 size 100 expire 4m store gpt0
    table binaries type binary len 8 size 100 expire 5m store gpt0
    table bare type string size 100
    table scalars type string len 8 size 100 expire 1h store gpt0,gpc0,gpc0_rate(11s),conn_cnt,conn_rate(12s),conn_cur,sess_cnt,sess_rate(13s),http_req_cnt,http_req_rate(14s),http_err_cnt,http_err_rate(15s),bytes_in_cnt,bytes_in_rate(16s),bytes_out_cnt,bytes_out_rate(17s),gpc1,gpc1_rate(18s),http_fail_cnt,http_fail_rate(19s)GLITCHES
    table arrays type string len 8 size 100 expire 1h store gpt(3),gpc(4),gpc_rate(2,1d)
frontend main
    bind 127.0.0.1:HTTP
    http-request track-sc0 int(4000000000) table wire/integers if { path /keys }
    http-request track-sc1 ipv4(192.0.2.7) table wire/fours if { path /keys }
    http-request track-sc2 ipv6(2001:db8::7) table wire/sixes if { path /keys }
    http-request track-sc0 str(twenty-bytes-of-text-and-more) table wire/strings if { path /bytes }
    http-request track-sc1 bin(00ff80) table wire/binaries if { path /bytes }
    http-request track-sc2 str(empty) table wire/bare if { path /bytes }
    http-request sc-set-gpt0(0) 4294967295 if { path /keys /bytes }
    http-request sc-set-gpt0(1) 2287 if { path /keys /bytes }
    http-request sc-set-gpt0(2) 240 if { path /keys }
    http-request track-sc0 str(tracked) table wire/arrays if { path /arrays }
    http-request sc-set-gpt(0,0) 5 if { path /arrays }
    http-request sc-set-gpt(2,0) 4294967295 if { path /arrays }
    http-request sc-inc-gpc(0,0) if { path /arrays }
    http-request sc-inc-gpc(3,0) if { path /arrays }
    http-request sc-inc-gpc(1,0) if { path /arrays }
    use_backend sticky if { path /sticky }
    http-request return status 204 unless { path /sticky }
frontend origin
    bind unix@origin.sock
    http-request return status 204
backend sticky
    balance roundrobin
    stick-table type string len 16 size 100 expire 10m peers wire
    stick on req.hdr(user)
    server first unix@origin.sock
    server second unix@origin.sock
"""

SCALARS = [
    "gpt0", "gpc0", "gpc0_rate", "conn_cnt", "conn_rate", "conn_cur", "sess_cnt", "sess_rate",
    "http_req_cnt", "http_req_rate", "http_err_cnt", "http_err_rate", "bytes_in_cnt", "bytes_in_rate",
    "bytes_out_cnt", "bytes_out_rate", "gpc1", "gpc1_rate", "http_fail_cnt", "http_fail_rate",
]


def definition_and_update(name, key, value):
    """Teaches one entry of a table of strings that stores gpt0."""
    table = varint(7) + varint(len(name)) + name + varint(6) + varint(21) + varint(1 << 1) + varint(240_000)
    entry = (77).to_bytes(4, "big") + varint(len(key)) + key + varint(value)
    return message(DEFINE, table) + message(UPDATE, entry)


# --- what is captured -------------------------------------------------------


def session(haproxy, keep, glitches):
    """One session that HAProxy opens, from its hello on."""
    talk = haproxy.accept()
    talk.listen(lambda heard: heard.count(b"\n") == 3)
    keep("hello", "HAProxy connects", talk.take())
    talk.say(b"200\n")
    if not talk.listen(has(CONTROL, REQUEST), LEARN_SECONDS):
        raise LookupError("HAProxy did not ask for a resync")
    keep("resync-request", "it asks its peer for everything", talk.take())
    talk.say(control(REQUEST))
    talk.listen(has(CONTROL, PARTIAL))
    keep("resync-partial", "the peer asks for everything before HAProxy itself is in sync", talk.take())
    talk.say(control(CONFIRM))
    talk.say(control(FINISHED))
    talk.listen(has(CONTROL, CONFIRM))
    keep("resync-confirm", "the peer answers that it has sent everything", talk.take())

    haproxy.request("/keys")
    haproxy.request("/bytes")
    talk.listen_until_quiet()
    keep("keys", "GET /keys, GET /bytes: a key of every type", talk.take())

    names = SCALARS + (["glitch_cnt", "glitch_rate"] if glitches else [])
    values = {name: 1000 + number for number, name in enumerate(names)}
    values |= {"bytes_in_cnt": 5_000_000_000, "conn_cur": 0}
    settings = " ".join(f"data.{name} {value}" for name, value in values.items())
    haproxy.command(f"set table wire/scalars key one {settings}")
    talk.listen_until_quiet()
    haproxy.command("set table wire/scalars key two data.gpt0 1")
    talk.listen_until_quiet()
    keep("scalars", f"set table wire/scalars key one {settings}; key two data.gpt0 1", talk.take())

    haproxy.request("/arrays")
    haproxy.request("/arrays")
    talk.listen_until_quiet()
    keep("arrays", "GET /arrays, twice", talk.take())

    for user in ["anna", "bert", "carl", "anna"]:
        haproxy.request("/sticky", f"User: {user}")
    talk.listen_until_quiet()
    keep("dictionary", "GET /sticky by anna, bert, carl and anna again; two servers take turns", talk.take())

    talk.say(definition_and_update(b"/strings", b"taught", 5))
    talk.listen(has(STICK_TABLE, ACK))
    keep("ack", "the peer teaches update 77 of a table that it numbers 7", talk.take())

    talk.say(control(REQUEST))
    talk.listen(has(CONTROL, FINISHED))
    everything = talk.take()
    keep("resync", "the peer asks for everything", everything)
    talk.say(control(CONFIRM))
    talk.listen_until_quiet()
    again = talk.take()
    keep("taught-again", "the peer has acknowledged nothing so far", again)
    talk.say(acks(everything + again))

    talk.listen(lambda heard: len(heard) >= 4, WAIT_SECONDS * 3)
    keep("heartbeats", "the peer has acknowledged all; then nothing for some seconds", talk.take())
    talk.connection.close()


def statuses(haproxy, keep):
    """Every answer to a hello."""
    greetings = {
        "200": ("a hello of `probe`", hello()),
        "501": ("a request of HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        "502": ("a hello of version 3.0", hello(first="HAProxyS 3.0")),
        "503": ("a hello to `other`", hello(to="other")),
        "504": ("a hello of `stranger`", hello(by="stranger")),
    }
    for code, (what, greeting) in greetings.items():
        talk = haproxy.connect()
        talk.say(greeting)
        talk.listen(lambda heard: b"\n" in heard)
        keep(f"status-{code}", what, talk.take()[:4])
        talk.connection.close()
    first, second = haproxy.connect(), haproxy.connect()
    first.say(hello(by="hap"))
    first.listen(lambda heard: b"\n" in heard)
    second.say(hello(by="hap"))
    second.listen(lambda heard: b"\n" in heard)
    keep("status-300", "a second hello of its own name", second.take()[:4])
    first.connection.close()
    second.connection.close()


def complaints(haproxy, keep):
    """What it says when it gives up."""
    wrong = {
        "error-protocol": ("a definition without a name", message(DEFINE, b"\x01\x00")),
        "error-size": ("a message of 16 MiB", bytes([STICK_TABLE, UPDATE]) + varint(1 << 24)),
    }
    for name, (what, data) in wrong.items():
        talk = haproxy.connect()
        talk.say(hello())
        talk.listen(lambda heard: heard.startswith(b"200\n"))
        talk.take()
        talk.say(data)
        if talk.listen(has(ERROR, 0)) or has(ERROR, 1)(talk.heard):
            keep(name, what, talk.take())
        else:
            print(f"not sent: {name}")
        talk.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("haproxy", help="the binary to run")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="the folder to write to")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    banner = subprocess.run([options.haproxy, "-v"], check=True, capture_output=True, text=True).stdout
    banner = banner.splitlines()[0].split(" - ")[0]
    version = re.search(r"version (\d+\.\d+\.\d+)", banner).group(1)
    glitches = tuple(map(int, version.split(".")[:2])) >= (3, 0)
    for old in options.out.glob(f"haproxy-{version}-*.hex"):
        old.unlink()

    def keep(source, name, what, data):
        lines = [
            f"# {banner}",
            f"# configuration: CONFIG of {source} beside this file",
            f"# occasion: {what}",
            "# captured by capture.py: the bytes that HAProxy sent",
        ]
        hexed = data.hex()
        lines += [hexed[at : at + 64] for at in range(0, len(hexed), 64)]
        path = options.out / f"haproxy-{version}-{name}.hex"
        path.write_text("\n".join(lines) + "\n")
        print(path.name, len(data))

    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        config = CONFIG.replace("GLITCHES", ",glitch_cnt,glitch_rate(20s)" if glitches else "")
        haproxy = Node(options.haproxy, pathlib.Path(folder), config)
        here = functools.partial(keep, "capture.py")
        try:
            session(haproxy, here, glitches)
            statuses(haproxy, here)
            complaints(haproxy, here)
        finally:
            haproxy.close()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        handover.capture(options.haproxy, pathlib.Path(folder), functools.partial(keep, "handover.py"))


if __name__ == "__main__":
    sys.exit(main())
