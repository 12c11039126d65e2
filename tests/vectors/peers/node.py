"""A running HAProxy, and the socket on which its peer awaits it."""

import os
import re
import signal
import socket
import subprocess

from haproxy_capture import WAIT_SECONDS, free_port, wait_for_port
from peer import Talk

# Longest wait until HAProxy asks its peer for everything.
LEARN_SECONDS = 8.0


class Node:
    """The words `HTTP`, `PEERS` and `PROBE` become ports, in its configuration and in its environment."""

    def __init__(self, binary, folder, config, environment=None):
        self.binary, self.folder = binary, folder
        self.http, self.peers = free_port(), free_port()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT_SECONDS * 3)
        places = {"HTTP": self.http, "PEERS": self.peers, "PROBE": self.listener.getsockname()[1]}

        def placed(text):
            for name, value in places.items():
                text = re.sub(rf"\b{name}\b", str(value), text)
            return text

        (folder / "haproxy.cfg").write_text(placed(config))
        self.environment = os.environ | {name: placed(text) for name, text in (environment or {}).items()}
        self.older = []
        self.start()

    def start(self, *arguments):
        self.process = subprocess.Popen(
            [self.binary, "-db", "-f", "haproxy.cfg", *arguments], cwd=self.folder, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.process, self.http)

    def reload(self):
        """A new process takes the listeners over; the old one hands its tables on and ends."""
        self.older.append(self.process)
        self.start("-x", "cli.sock", "-sf", str(self.process.pid))

    def start_cold(self):
        """Killed and started again: what it knew is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def accept(self):
        connection, _ = self.listener.accept()
        return Talk(connection)

    def connect(self):
        return Talk(socket.create_connection(("127.0.0.1", self.peers), timeout=WAIT_SECONDS))

    def request(self, path, header="X: y"):
        with socket.create_connection(("127.0.0.1", self.http), timeout=WAIT_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{header}\r\nConnection: close\r\n\r\n".encode())
            answer = connection.recv(4096)
        if b" 204 " not in answer:
            raise RuntimeError(f"{path}: {answer[:80]}")

    def command(self, line):
        with socket.socket(socket.AF_UNIX) as cli:
            cli.connect(str(self.folder / "cli.sock"))
            cli.sendall(line.encode() + b"\n")
            answer = b""
            while chunk := cli.recv(4096):
                answer += chunk
        if answer.strip():
            raise RuntimeError(f"{line}: {answer.decode()}")

    def close(self):
        for process in [*self.older, self.process]:
            process.kill()
            process.wait()
        self.listener.close()
