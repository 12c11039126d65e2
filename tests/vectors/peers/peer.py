"""A peer, as far as the captures need one: what it must write, and one connection with HAProxy."""

import contextlib
import time

from haproxy_capture import WAIT_SECONDS, read_varint, varint

QUIET_SECONDS = 0.3

CONTROL, ERROR, STICK_TABLE = 0, 1, 10
REQUEST, FINISHED, PARTIAL, CONFIRM, HEARTBEAT = range(5)
UPDATE, INCREMENTAL, DEFINE, SWITCH, ACK, TIMED, INCREMENTAL_TIMED = range(0x80, 0x87)


def control(kind):
    return bytes([CONTROL, kind])


def message(kind, body):
    return bytes([STICK_TABLE, kind]) + varint(len(body)) + body


def messages(data):
    """The messages in `data`, each whole with class and type."""
    at = 0
    with contextlib.suppress(IndexError):
        while at < len(data):
            start, kind = at, data[at + 1]
            at += 2
            if kind >= 128:
                length, at = read_varint(data, at)
                at += length
            if at > len(data):
                return
            yield data[start:at]


def acks(data):
    """The acknowledgement of every update in `data`."""
    table, last = None, {}
    for one in messages(data):
        kind, body = one[1], one[2:]
        if one[0] != STICK_TABLE:
            continue
        _, at = read_varint(body, 0)
        if kind == DEFINE:
            table, _ = read_varint(body, at)
        elif kind in (UPDATE, TIMED):
            last[table] = int.from_bytes(body[at : at + 4], "big")
        elif kind in (INCREMENTAL, INCREMENTAL_TIMED):
            last[table] = last.get(table, 0) + 1
    return b"".join(message(ACK, varint(table) + last[table].to_bytes(4, "big")) for table in last)


def hello(to="hap", by="probe", first="HAProxyS 2.1"):
    return f"{first}\n{to}\n{by} 1 0\n".encode()


class Talk:
    """One connection with HAProxy, and all that came over it."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(0.05)
        self.heard = b""
        self.closed = False

    def say(self, data):
        self.connection.sendall(data)

    def listen(self, enough, seconds=WAIT_SECONDS):
        """Reads until `enough` is true of what came; tells if it became so."""
        deadline = time.monotonic() + seconds
        while not enough(self.heard):
            if self.closed or time.monotonic() > deadline:
                return False
            try:
                data = self.connection.recv(65536)
                self.closed = not data
                self.heard += data
            except TimeoutError:
                pass
            except OSError:
                self.closed = True
        return True

    def listen_until_quiet(self):
        """Reads until nothing came for a while."""
        while True:
            before = len(self.heard)
            if not self.listen(lambda heard: len(heard) > before, QUIET_SECONDS):
                return

    def take(self):
        heard, self.heard = self.heard, b""
        return heard


def has(kind_class, kind):
    return lambda heard: any(one[:2] == bytes([kind_class, kind]) for one in messages(heard))
