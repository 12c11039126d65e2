"""What both capture scripts need: HAProxy's integers, and a port that it listens on."""

import contextlib
import socket
import time

WAIT_SECONDS = 3.0


def varint(value):
    """An integer: 4 bits in the first byte, then 7 a byte."""
    if value < 240:
        return bytes([value])
    out = bytearray([(value & 0xFF) | 240])
    value = (value - 240) >> 4
    while value >= 128:
        out.append((value & 0xFF) | 128)
        value = (value - 128) >> 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    """The integer at `at`, and the place after it; an IndexError if it isn't whole."""
    value, at = data[at], at + 1
    if value < 240:
        return value, at
    shift = 4
    while True:
        byte, at = data[at], at + 1
        value += byte << shift
        shift += 7
        if byte < 128:
            return value, at


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(process, port):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("haproxy did not start; try it with `-c` on the same file")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    raise TimeoutError("haproxy listens nowhere")
