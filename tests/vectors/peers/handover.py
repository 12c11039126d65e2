"""What becomes of the tables of the shipped `peers countersign` when HAProxy is reloaded, and when it is killed."""

import ipaddress
import pathlib
import time

from haproxy_capture import varint
from node import LEARN_SECONDS, Node
from peer import CONFIRM, CONTROL, DEFINE, FINISHED, REQUEST, STICK_TABLE, TIMED, acks, control, has, message, messages

SHIPPED = pathlib.Path(__file__).resolve().parents[3] / "haproxy" / "countersign-backend.cfg"
# Longer than a loopback needs, shorter than HAProxy's patience with a peer that doesn't teach (5 s).
UNTAUGHT_SECONDS = 1.5
GPT = 22

# The section is the shipped one; the sensor counts every request here.
CONFIG = """\
global
    localpeer hap
    stats socket unix@cli.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
SECTION
frontend main
    bind 127.0.0.1:HTTP
    http-request track-sc1 req.hdr(subject) table countersign/cs_sensor_subject if { req.hdr(subject) -m found }
    http-request track-sc1 req.hdr(address),ipmask(32,64) table countersign/cs_sensor if { req.hdr(address) -m found }
    http-request sc-inc-gpc(0,1)
    http-request return status 204
"""
ENVIRONMENT = {"COUNTERSIGN_PEERS": "127.0.0.1:PEERS", "COUNTERSIGN_PUBLISH": "127.0.0.1:PROBE"}


def section():
    text = SHIPPED.read_text()
    start = text.index("\npeers countersign\n")
    return text[start : text.index("\n.endif", start)]


def verdict(table, key_type, key_length, name, key, until):
    """Teaches that `key` is blocked."""
    definition = varint(table) + varint(len(name)) + name + varint(key_type) + varint(key_length)
    definition += varint(1 << GPT) + varint(0) + varint(GPT) + varint(2)
    entry = (1).to_bytes(4, "big") + (600_000).to_bytes(4, "big") + key + varint(4) + varint(until)
    return message(DEFINE, definition) + message(TIMED, entry)


def verdicts():
    until = int(time.time()) + 600
    address = ipaddress.ip_address("::ffff:192.0.2.7").packed
    subject = varint(3) + b"eve"
    return verdict(1, 5, 16, b"/cs_verdict", address, until) + verdict(2, 6, 256, b"/cs_verdict_subject", subject, until)


def greeted(node):
    """A session that HAProxy opens; it is told that it may speak."""
    talk = node.accept()
    talk.listen(lambda heard: heard.count(b"\n") == 3)
    talk.take()
    talk.say(b"200\n")
    return talk


def capture(binary, folder, keep):
    node = Node(binary, folder, CONFIG.replace("SECTION", section()), ENVIRONMENT)
    try:
        known = reload(node, keep)
        cold(node, keep, known)
    finally:
        node.close()


def reload(node, keep):
    """Returns what HAProxy taught at the end."""
    old = greeted(node)
    old.listen(has(CONTROL, REQUEST), LEARN_SECONDS)
    node.request("/", "Address: 198.51.100.1")
    old.listen(lambda _: False, UNTAUGHT_SECONDS)
    keep("handover-untaught", "a client is counted while the peer has not answered the request for a resync", old.take())

    old.say(verdicts() + control(FINISHED))
    old.listen(has(CONTROL, CONFIRM))
    old.listen_until_quiet()
    node.request("/", "Subject: ann")
    old.listen_until_quiet()
    taught = old.take()
    keep("handover-taught", "the peer teaches a verdict of each table and FINISHED; a subject is counted", taught)
    old.say(acks(taught))

    node.reload()
    new = greeted(node)
    old.listen(lambda _: old.closed)
    keep("handover-old", "a reload: the session of the process that ends", old.take())
    new.listen(lambda _: False, UNTAUGHT_SECONDS)
    keep("handover-new", "the session of the process that took over", new.take())

    new.say(control(REQUEST))
    new.listen(has(CONTROL, FINISHED))
    known = new.take()
    keep("handover-known", "the peer asks the new process for everything", known)
    new.say(control(CONFIRM) + acks(known))
    node.request("/", "Address: 198.51.100.1")
    new.listen_until_quiet()
    keep("handover-counted", "the client of before the reload is counted again", new.take())
    return known


def cold(node, keep, known):
    node.start_cold()
    talk = greeted(node)
    talk.listen(has(CONTROL, REQUEST), LEARN_SECONDS)
    keep("cold-request", "HAProxy was killed and started: what it says to its peer", talk.take())

    tables = b"".join(one for one in messages(known) if one[0] == STICK_TABLE)
    talk.say(tables + control(FINISHED))
    talk.listen(has(CONTROL, CONFIRM))
    talk.listen_until_quiet()
    keep("cold-taught", "the peer teaches back what `handover-known` told it", talk.take())
    node.request("/", "Address: 198.51.100.1")
    talk.listen_until_quiet()
    keep("cold-counted", "the client of before is counted again", talk.take())
