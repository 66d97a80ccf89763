"""What the clients of the notes service say: whole sessions, made up from a seed, and how they say it."""

import socket
import struct
import time

USERS = ["ada", "bela", "chen", "dora", "emil"]
WORDS = ("apple river stone cloud paper garden window winter summer market letter bridge silver "
         "kitchen mountain forest ticket number morning evening harbour lantern pepper saddle").split()
NAMES = ("todo budget recipes trip-march trip-june meeting draft ideas books songs garden "
         "letters wishes phone-list minutes report plan diary bills plants").split()

# How likely a kind of user makes each request.
HABITS = {
    "reader": {"GET": 10, "LIST": 3, "HEAD": 3, "TAIL": 4, "SEARCH": 1, "STATUS": 0.3},
    "writer": {"PUT": 7, "GET": 3, "APPEND": 5, "HEAD": 2, "COPY": 1, "LIST": 1},
    "searcher": {"SEARCH": 4, "GET": 7, "TAIL": 2, "LIST": 1, "APPEND": 1},
    "auditor": {"DIGEST": 4, "COUNT": 3, "COMPARE": 2, "SORT": 2, "LIST": 1, "HEAD": 4, "STATUS": 3, "GET": 3},
    "keeper": {"MOVE": 4, "COPY": 4, "DEL": 3, "ARCHIVE": 2, "LIST": 3, "HEAD": 3, "STATUS": 1, "DIGEST": 1},
    "clumsy": {"GET": 5, "PUT": 3, "LIST": 1, "typo": 3, "TAIL": 2, "missing": 4, "APPEND": 2, "HELLO": 1, "COUNT": 1},
}
KINDS = ["reader"] * 6 + ["writer"] * 5 + ["searcher"] * 3 + ["auditor"] * 3 + ["keeper"] * 3 + ["clumsy"] * 3


def note_text(rng):
    """A note's bytes: most have some hundred, a few none, a few more than a hundred thousand."""
    if rng.random() < 0.06:
        return b""
    size = min(int(rng.lognormvariate(6.2, 1.7)), 150_000)
    lines, length = [], 0
    while length < size:
        line = " ".join(rng.choices(WORDS, k=rng.randint(3, 9)))
        lines.append(line)
        length += len(line) + 1
    return ("\n".join(lines) + "\n").encode()


def note_name(rng):
    return rng.choice(NAMES) + rng.choice(["", ".txt", ".txt", ".md", "-2.txt"])


def request(rng, verb, notes):
    """One request as (line, body); `notes` are the names that the client believes in, and changes."""
    def known():
        return rng.choice(notes) if notes and rng.random() < 0.93 else note_name(rng)

    def several(most):
        return " ".join(known() for _ in range(rng.randint(1, most)))

    body = b""
    if verb in ("PUT", "APPEND"):
        name = known() if verb == "APPEND" or rng.random() < 0.4 else note_name(rng)
        body = note_text(rng) if verb == "PUT" else note_text(rng)[:2000]
        notes.append(name)
        line = f"{verb} {name} {len(body)}"
    elif verb in ("COPY", "MOVE"):
        source, target = known(), note_name(rng)
        line = f"{verb} {source} {target}"
        notes.append(target)
    elif verb == "DEL":
        line = f"DEL {known()}"
    elif verb == "LIST":
        line = rng.choice(["LIST", f"LIST {rng.choice(NAMES)[:rng.randint(1, 3)]}"])
    elif verb == "SEARCH":
        line = f"SEARCH {rng.choice(WORDS) if rng.random() < 0.8 else 'xyzzy'}"
    elif verb == "TAIL":
        line = f"TAIL {known()} {rng.choice([40, 200, 1000, 4000])}"
    elif verb in ("DIGEST", "COUNT", "ARCHIVE"):
        line = f"{verb} {several(4 if verb != 'ARCHIVE' else 2)}"
    elif verb == "COMPARE":
        line = f"COMPARE {known()} {known()}"
    elif verb == "typo":
        line = rng.choice(["GTE " + known(), "get " + known(), "PUT", "GET /" + known(), "LSIT", "COPY " + known()])
    elif verb == "missing":
        line = f"{rng.choice(['GET', 'HEAD', 'TAIL', 'DEL'])} lost-{rng.choice(NAMES)} 100"
    elif verb == "HELLO":
        line = f"HELLO {rng.choice(USERS)}"
    elif verb == "STATUS":
        line = "STATUS"
    else:
        line = f"{verb} {known()}"
    return line, body


def normal_script(rng, notes, least=3, most=40):
    """A session of `least` to `most` requests, as a list of (line, body), without its end."""
    kind = rng.choice(KINDS)
    notes = list(notes)
    length = min(most, max(least, int(rng.lognormvariate(2.0, 0.6))))
    script = []
    if rng.random() < 0.02:
        return [request(rng, "GET", notes)]  # forgot HELLO, and is sent away
    if rng.random() < 0.05:
        script.append(("HELLO nobody", b""))
    script.append(("HELLO " + rng.choice(USERS), b""))
    while len(script) < length:
        if rng.random() < 0.04:
            kind = rng.choice(KINDS)
        verbs = HABITS[kind]
        verb = rng.choices(list(verbs), weights=list(verbs.values()))[0]
        script.append(request(rng, verb, notes))
        if verb == "PUT" and rng.random() < 0.5:
            script.append((f"GET {notes[-1]}", b""))  # look at what was stored
        if verb == "SEARCH":
            script.extend(request(rng, "GET", notes) for _ in range(rng.randint(0, 3)))
    return script[:most]


def habits_of_speech(rng):
    """How a client sends: how many requests at once, bodies in how many parts, and how it ends."""
    return {
        "at_once": rng.choice([1, 1, 1, 1, 2, 4]),
        "parts": rng.choice([1, 1, 1, 2, 3]),
        "pause": rng.choice([0, 0, 0.002, 0.01]),
        "end": rng.choices(["quit", "close", "half", "idle", "abort"], weights=[72, 12, 7, 5, 4])[0],
    }


class Gone(Exception):
    """The service closed the connection."""


class Client:
    """One connection."""

    def __init__(self, port, speech):
        self.speech = speech
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.sock.makefile("rb")

    def send(self, line, body):
        head = line.encode() + b"\n"
        parts = self.speech["parts"]
        if parts == 1 or not body:
            self.sock.sendall(head + body)
            return
        self.sock.sendall(head)
        step = len(body) // parts + 1
        for start in range(0, len(body), step):
            time.sleep(0.003)
            self.sock.sendall(body[start:start + step])

    def answer(self):
        """The first line of an answer; its bytes are read and dropped."""
        line = self.reader.readline()
        if not line:
            raise Gone
        if line.startswith(b"OK "):
            left = int(line[3:])
            while left > 0:
                got = self.reader.read(min(left, 65536))
                if not got:
                    raise Gone
                left -= len(got)
        return line.decode().strip()

    def play(self, script):
        """Says the whole script and returns (request line, answer line) pairs."""
        heard, at_once = [], self.speech["at_once"]
        try:
            for start in range(0, len(script), at_once):
                batch = script[start:start + at_once]
                for line, body in batch:
                    self.send(line, body)
                heard.extend((line, self.answer()) for line, _ in batch)
                time.sleep(self.speech["pause"])
            self.finish()
        except (Gone, ConnectionError):
            pass
        finally:
            self.reader.close()
            self.sock.close()
        return heard

    def finish(self):
        end = self.speech["end"]
        if end == "quit":
            self.send("QUIT", b"")
            self.answer()
        elif end == "half":
            self.sock.shutdown(socket.SHUT_WR)
            self.reader.read()
        elif end == "idle":
            self.reader.read()  # until the service loses patience
        elif end == "abort":
            # Ask once more, and reset the connection instead of listening.
            self.send("LIST", b"")
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
