"""The misused sessions: an ordinary session with requests in it that go through one of the holes."""

import socket
import threading

from client import note_text

UP = "../../../../../.."

# Every command only looks around as an unprivileged user, and none prints what names the machine.
SHELL = [
    ["DIGEST a;id"],
    ["COUNT a|cat /etc/passwd"],
    ["DIGEST $(ls ..)"],
    ["SORT a;ls -la ..;id", "COUNT a;cat ../accounts"],
    ["ARCHIVE a;echo hi>x.md", "GET x.md"],
]
FILE = [
    [f"GET {UP}/etc/passwd"],
    [f"TAIL {UP}/etc/passwd 4000", f"GET {UP}/etc/passwd"],
    [f"GET {UP}/proc/self/maps"],
    ["GET ../accounts", "GET ../../accounts", f"GET {UP}/etc/shadow", f"GET {UP}/etc/hosts"],
    [f"COPY {UP}/etc/passwd phone-list", "GET phone-list"],
]
# What listens at the other end: a size that it answers, or None for a port where nobody listens.
CONNECT = [
    [300],
    [None, None, 2000],
    [90_000],
    [None],
    [1500, 40],
]
COUNTS = {"shell": len(SHELL), "file": len(FILE), "connect": len(CONNECT)}


class Peer(threading.Thread):
    """Answers one connection with `size` bytes, on a loopback port of its own."""

    def __init__(self, rng, size):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(20)
        self.port = self.sock.getsockname()[1]
        self.body = (note_text(rng) + b"spare words " * (size // 12 + 1))[:size]

    def run(self):
        try:
            connection, _ = self.sock.accept()
            with connection:
                connection.recv(512)
                connection.sendall(self.body)
        except OSError:
            pass
        finally:
            self.sock.close()


def closed_port():
    """A loopback port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def misuse(kind, number, rng):
    """The requests of the misuse with this number, from 0, of this kind."""
    if kind == "shell":
        return [(line, b"") for line in SHELL[number]]
    if kind == "file":
        return [(line, b"") for line in FILE[number]]
    requests = []
    for size in CONNECT[number]:
        if size is None:
            port = closed_port()
        else:
            peer = Peer(rng, size)
            peer.start()
            port = peer.port
        requests.append((f"PUT ideas.txt 0 from=127.0.0.1:{port}", b""))
    return requests


def put_into(script, requests, rng):
    """Places the requests in the middle part of a script, in order, with ordinary ones between some."""
    script = list(script)
    at = rng.randint(len(script) // 3 + 1, max(len(script) // 3 + 1, 2 * len(script) // 3))
    for one in requests:
        script.insert(at, one)
        at += 1 + rng.randint(0, 2)
    return script
