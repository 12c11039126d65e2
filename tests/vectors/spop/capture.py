#!/usr/bin/env python3
"""Capture what HAProxy really sends to an SPOP agent, one frame a file.

    python3 capture.py HAPROXY [--out DIR]

HAPROXY is any HAProxy binary from 2.6 on, or a script that starts one. It is
run with this project's own haproxy.cfg in a temporary folder, on free ports of
the loopback, against a small agent in this file; the frames that it sends are
written to DIR (by default the folder of this file) as

    haproxy-VERSION-WHAT.hex

Each begins with lines of `#` that tell where it comes from; the rest is hex, 32
bytes a line: the 4 bytes of length and the frame, as they were on the wire.
Frames of an earlier run with the same version are replaced. Nothing outside
Python's standard library is used, and nothing is left behind.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from haproxy_capture import WAIT_SECONDS, free_port, read_varint, varint, wait_for_port  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SHIPPED = HERE.parents[2] / "haproxy"

HAPROXY_HELLO, HAPROXY_DISCONNECT, NOTIFY = 1, 2, 3
AGENT_HELLO, AGENT_DISCONNECT, ACK = 101, 102, 103
FIN = b"\x00\x00\x00\x01"
INT32, UINT32, STR = 2, 3, 8
TRANSACTION = 2
MAX_FRAME = 16380

# Sends every type that HAProxy has a way to send, and the shapes that the
# shipped configuration doesn't use. A NULL is what an absent header gives.
EXOTIC_SPOE = """\
[exotic]
spoe-agent exotic
    groups everything
    option var-prefix exotic
    timeout processing 1s
    use-backend agents
.if version_before(3.1)
    no option async
    no option send-frag-payload
    timeout hello 1s
    timeout idle 1s
.endif
spoe-message numbers
    args yes=bool(true) no=bool(false) zero=int(0) one=int(1) negative=int(-1) large=int(9223372036854775807) small=int(-9223372036854775808)
spoe-message addresses
    args four=ipv4(192.0.2.7) six=ipv6(2001:db8::7)
spoe-message bytes
    args text=str(plain) empty=str() binary=bin(00ff80c3) absent=req.hdr(no-such-header) last=int(42)
spoe-message nameless
    args method src
spoe-message bare
spoe-group everything
    messages numbers addresses bytes nameless bare
"""

EXOTIC_CFG = """\
global
    default-path config
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend main
    bind "${COUNTERSIGN_BIND}"
    filter spoe engine exotic config exotic.spoe.conf
    http-request send-spoe-group exotic everything
    http-request return status 204
backend agents
.if version_atleast(3.1)
    mode spop
.else
    mode tcp
.endif
    timeout connect 1s
    timeout server 1m
    server a "${COUNTERSIGN_AGENT_1}"
"""


# --- the wire, as far as an agent must write it -----------------------------


def text(value):
    """A string with its length in front."""
    raw = value.encode()
    return varint(len(raw)) + raw


def typed(value):
    """A value with its type in front; `int` goes as int32, `str` as string."""
    if isinstance(value, int):
        return bytes([INT32]) + varint(value)
    return bytes([STR]) + text(value)


def frame(kind, ids, payload):
    """A whole frame with its length; `ids` are the stream's and the frame's."""
    body = bytes([kind]) + FIN + varint(ids[0]) + varint(ids[1]) + payload
    return len(body).to_bytes(4, "big") + body


def agent_hello(version="2.0"):
    return frame(
        AGENT_HELLO,
        (0, 0),
        text("version") + typed(version)
        + text("max-frame-size") + bytes([UINT32]) + varint(MAX_FRAME)
        + text("capabilities") + typed("pipelining"),
    )


def agent_disconnect():
    return frame(
        AGENT_DISCONNECT,
        (0, 0),
        text("status-code") + bytes([UINT32]) + varint(0) + text("message") + typed("bye"),
    )


def ack(ids, variables):
    """The answer to one NOTIFY: each variable set in the transaction's scope, in order."""
    actions = b"".join(
        b"\x01\x03" + bytes([TRANSACTION]) + text(name) + typed(value)
        for name, value in variables.items()
    )
    return frame(ACK, ids, actions)


def ids_of(body):
    """Stream id and frame id of a frame without its length."""
    stream, at = read_varint(body, 5)
    number, _ = read_varint(body, at)
    return stream, number


# --- the agent --------------------------------------------------------------


class Agent:
    """Listens on a Unix socket, keeps every frame, and refuses every request, so that HAProxy answers at once.

    `rude` names kinds of frames and the bytes that are sent in place of a proper
    answer, so that HAProxy says goodbye with an error.
    """

    def __init__(self, path):
        self.frames = []
        self.changed = threading.Condition()
        self.rude = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while True:
                length = stream.read(4)
                if len(length) < 4:
                    return
                body = stream.read(int.from_bytes(length, "big"))
                with self.changed:
                    self.frames.append(length + body)
                    self.changed.notify_all()
                connection.sendall(self.answer(body))

    def answer(self, body):
        if body[0] in self.rude and not is_check(body):
            return self.rude[body[0]]
        if body[0] == HAPROXY_HELLO:
            return agent_hello()
        if body[0] == HAPROXY_DISCONNECT:
            return agent_disconnect()
        return ack(ids_of(body), {"decision_id": "0" * 32, "status": 403, "verdict": "deny"})

    def wait_for(self, what, wanted, since=0):
        """The first frame from number `since` on that `wanted` is true of."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self.changed:
            while True:
                for found in self.frames[since:]:
                    if wanted(found[4:]):
                        return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LookupError(f"no frame came: {what}")
                self.changed.wait(left)

    def close(self):
        self.listener.close()


# --- HAProxy ----------------------------------------------------------------


@contextlib.contextmanager
def haproxy(binary, config, folder):
    """HAProxy on `config`, with an agent; gives the process, the agent and the port."""
    port, path = free_port(), folder / "a.sock"
    path.unlink(missing_ok=True)
    agent = Agent(path)
    environment = {
        **os.environ,
        "COUNTERSIGN_BIND": f"127.0.0.1:{port},[::1]:{port}",
        "COUNTERSIGN_AGENT_1": f"unix@{path}",
        "COUNTERSIGN_AGENT_2": f"unix@{folder / 'nobody.sock'}",
    }
    process = subprocess.Popen(
        [binary, "-db", "-f", str(config)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(process, port)
        yield process, agent, port
    finally:
        process.kill()
        process.wait()
        agent.close()


def request(port, lines, address="127.0.0.1"):
    """Sends one request and waits for the first bytes of its answer."""
    with socket.create_connection((address, port), timeout=WAIT_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return connection.recv(4096)


# --- what is captured -------------------------------------------------------

HOST = "Host: www.example.test"
ASSERTION = "Countersign-Assertion: eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.eyJ2IjoxfQ." + "A" * 86
REQUESTS = {
    "notify-get": ("GET with one assertion", ["GET /api/items?page=2 HTTP/1.1", HOST, ASSERTION]),
    "notify-no-assertion": ("GET without an assertion", ["GET / HTTP/1.1", HOST]),
    "notify-ipv6-client": ("GET with one assertion, client ::1", ["GET /api HTTP/1.1", HOST, ASSERTION]),
    "notify-two-assertions": (
        "POST with two assertions, the second is `second`",
        ["POST /api HTTP/1.1", HOST, "Content-Length: 0", ASSERTION, "Countersign-Assertion: second"],
    ),
    "notify-long-assertion": (
        "GET with an assertion of 4096 bytes and a target of 2000",
        ["GET /" + "p" * 1999 + " HTTP/1.1", HOST, "Countersign-Assertion: " + "a" * 4096],
    ),
    "notify-raw-target": (
        "GET of a target that is not canonical",
        ["GET //a/%2e%2e/b;c%2Fd%00\\e?q=%zz HTTP/1.1", HOST, ASSERTION],
    ),
}

RUDE = {
    "disconnect-frame-too-long": ("a frame of 16 MiB", b"\x01\x00\x00\x00" + b"\x67" + b"\x00" * 32),
    "disconnect-frame-empty": ("a frame of length 0", b"\x00" * 4),
}


def is_check(body):
    return body[0] == HAPROXY_HELLO and b"healthcheck" in body


def is_hello(body):
    return body[0] == HAPROXY_HELLO and b"healthcheck" not in body


def kind_is(kind):
    return lambda body: body[0] == kind


def shipped(binary, folder, keep):
    """The frames of the shipped configuration."""
    origin = "haproxy/haproxy.cfg and haproxy/countersign.spoe.conf as shipped"
    with haproxy(binary, SHIPPED / "haproxy.cfg", folder) as (process, agent, port):
        keep("hello-check", origin, "none: the health check of `option spop-check`",
             agent.wait_for("health check", is_check))
        for name, (what, lines) in REQUESTS.items():
            since = len(agent.frames)
            request(port, lines, "::1" if "ipv6" in name else "127.0.0.1")
            keep(name, origin, what, agent.wait_for(name, kind_is(NOTIFY), since))
        keep("hello", origin, "the first one after the start", agent.wait_for("hello", is_hello))

        for name, (what, answer) in RUDE.items():
            agent.rude = {NOTIFY: answer}
            since = len(agent.frames)
            request(port, REQUESTS["notify-get"][1])
            keep_if_sent(keep, agent, since, name, origin, f"a GET that the agent answers by {what}")
        agent.rude, since = {}, len(agent.frames)
        request(port, REQUESTS["notify-get"][1])
        agent.wait_for("notify", kind_is(NOTIFY), since)
        process.send_signal(signal.SIGUSR1)
        keep_if_sent(keep, agent, since, "disconnect-stop", origin, "a GET, then the signal SIGUSR1 (soft stop)")


def idle(binary, folder, keep):
    """The goodbye of a connection that nobody used for a while."""
    copy = folder / "idle"
    copy.mkdir()
    shutil.copy(SHIPPED / "haproxy.cfg", copy)
    spoe = (SHIPPED / "countersign.spoe.conf").read_text()
    (copy / "countersign.spoe.conf").write_text(spoe.replace("timeout idle 1m", "timeout idle 300ms"))
    with haproxy(binary, copy / "haproxy.cfg", folder) as (_, agent, port):
        request(port, REQUESTS["notify-get"][1])
        keep_if_sent(keep, agent, 0, "disconnect-idle",
                     "haproxy/ as shipped, but `timeout idle 300ms`", "a GET, then nothing for a second")


def refused(binary, folder, keep):
    """The goodbye to an agent that speaks another version."""
    with haproxy(binary, SHIPPED / "haproxy.cfg", folder) as (_, agent, port):
        agent.rude = {HAPROXY_HELLO: agent_hello("9.9")}
        request(port, REQUESTS["notify-get"][1])
        keep_if_sent(keep, agent, 0, "disconnect-version", "haproxy/ as shipped",
                     "a GET; the agent's HELLO names version 9.9")


def exotic(binary, folder, keep):
    """Every type and shape that HAProxy can be made to send."""
    copy = folder / "exotic"
    copy.mkdir()
    (copy / "haproxy.cfg").write_text(EXOTIC_CFG)
    (copy / "exotic.spoe.conf").write_text(EXOTIC_SPOE)
    with haproxy(binary, copy / "haproxy.cfg", folder) as (_, agent, port):
        request(port, REQUESTS["notify-get"][1])
        keep("notify-every-type", "EXOTIC_CFG and EXOTIC_SPOE of capture.py", "GET",
             agent.wait_for("exotic notify", kind_is(NOTIFY)))


def keep_if_sent(keep, agent, since, name, origin, what):
    """Not every version says goodbye on every occasion: its silence is told, not an error."""
    try:
        keep(name, origin, what, agent.wait_for(name, kind_is(HAPROXY_DISCONNECT), since))
    except LookupError:
        print(f"not sent: {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("haproxy", help="the binary to run")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="the folder to write to")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    banner = subprocess.run([options.haproxy, "-v"], check=True, capture_output=True, text=True).stdout
    banner = banner.splitlines()[0].split(" - ")[0]
    version = re.search(r"version (\d+\.\d+\.\d+)", banner).group(1)
    for old in options.out.glob(f"haproxy-{version}-*.hex"):
        old.unlink()

    def keep(name, origin, what, data):
        lines = [
            f"# {banner}",
            f"# configuration: {origin}",
            f"# request: {what}",
            "# captured by capture.py beside this file: the frame as the agent read it, with its length",
        ]
        hexed = data.hex()
        lines += [hexed[at : at + 64] for at in range(0, len(hexed), 64)]
        path = options.out / f"haproxy-{version}-{name}.hex"
        path.write_text("\n".join(lines) + "\n")
        print(path.name, len(data))

    with tempfile.TemporaryDirectory(prefix="spop-") as folder:
        for scene in (shipped, idle, refused, exotic):
            scene(options.haproxy, pathlib.Path(folder), keep)


if __name__ == "__main__":
    sys.exit(main())
