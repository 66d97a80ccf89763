"""Runs the notes service under strace again and again, and its clients against it.

    drive.py --seed N --sessions N --dir DIRECTORY --uid UID

Called by record.sh, as root, so that the service can run as the user UID. DIRECTORY holds the built
`notes-service`; the traces go to DIRECTORY/traces/normal and DIRECTORY/traces/misused. Python 3.8 or
later, standard library only.
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from client import USERS, Client, habits_of_speech, normal_script, note_name, note_text
from misuse import COUNTS, misuse, put_into

STRACE = ["strace", "-f", "-ttt", "-s", "16"]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
PATIENCE_S = 30


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # the running service is stopped
    traces = args.dir / "traces"
    for part in ("normal", "misused"):
        (traces / part).mkdir(parents=True)
        give(traces / part, args.uid)

    left, run = args.sessions, 0
    while left > 0:
        run += 1
        rng = random.Random(f"{args.seed} normal {run}")
        sessions = min(left, rng.randint(1, 3) if rng.random() < 0.15 else rng.randint(6, 20))
        left -= sessions
        with Service(args, rng, traces / "normal" / f"{run:03}.strace") as service:
            plans = [plan(service, rng) for _ in range(sessions)]
            with concurrent.futures.ThreadPoolExecutor(rng.choice([1, 1, 2, 3])) as pool:
                list(pool.map(lambda p: Client(service.port, p[1]).play(p[0]), plans))
    print(f"{run} normal runs with {args.sessions} sessions")

    for kind, count in COUNTS.items():
        for number in range(count):
            rng = random.Random(f"{args.seed} {kind} {number + 1}")
            with Service(args, rng, traces / "misused" / f"{kind}-{number + 1}.strace") as service:
                script, speech = plan(service, rng, least=8, most=30)
                speech["at_once"], speech["end"] = 1, rng.choice(["quit", "close"])
                requests = misuse(kind, number, rng)
                heard = Client(service.port, speech).play(put_into(script, requests, rng))
            said = dict(heard)
            for line, _ in requests:
                print(f"{kind}-{number + 1}: {line} -> {said.get(line, 'NOT REACHED')}")
            if any(line not in said for line, _ in requests):
                sys.exit(f"{kind}-{number + 1}: the session ended before its misuse")


def arguments():
    parser = argparse.ArgumentParser(description="Records the notes service under strace.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True, help="normal sessions in all")
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--uid", type=int, required=True, help="the user to run the service as")
    return parser.parse_args()


def plan(service, rng, **limits):
    """A session: what is said, and how."""
    return normal_script(rng, service.notes, **limits), habits_of_speech(rng)


def give(path, uid):
    os.chown(path, uid, uid)


class Service:
    """One run of the service under strace, in a directory of its own: fresh notes, log, port."""

    def __init__(self, args, rng, trace):
        self.home = args.dir / "run"
        self.uid = args.uid
        notes = self.home / "notes"
        notes.mkdir(parents=True)
        shutil.copy(args.dir / "notes-service", self.home)
        (self.home / "accounts").write_text("".join(f"{user}\n" for user in USERS))
        self.notes = sorted({note_name(rng) for _ in range(rng.randint(6, 18))})
        for name in self.notes:
            (notes / name).write_bytes(note_text(rng))
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(str(self.home / "log.sock"))
        for path in [self.home, *self.home.rglob("*")]:
            give(path, self.uid)
        threading.Thread(target=self.drain_log, daemon=True).start()

        user = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        command = [*user, *STRACE, "-o", str(trace), "./notes-service"]
        # A session of its own, so that the tracer and all that it traces can be ended together.
        self.strace = subprocess.Popen(command, cwd=self.home, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        try:
            self.pid, self.port = self.wait_ready()
        except BaseException:
            self.end_all()
            raise

    def drain_log(self):
        """The service's log has a listener, as on a real machine; its lines are dropped."""
        try:
            while self.log.recv(512):
                pass
        except OSError:
            pass

    def wait_ready(self):
        ready = self.home / "ready"
        give_up = time.monotonic() + PATIENCE_S
        while not ready.exists():
            if self.strace.poll() is not None or time.monotonic() > give_up:
                sys.exit("the service did not start under strace")
            time.sleep(0.01)
        pid, port = ready.read_text().split()
        return int(pid), int(port)

    def end_all(self):
        """Ends what is left of the run by force; nothing is left after an ordinary end."""
        if self.strace.poll() is None:
            os.killpg(self.strace.pid, signal.SIGKILL)
            self.strace.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        try:
            self.strace.wait(PATIENCE_S)
        finally:
            self.end_all()
            self.log.close()
            shutil.rmtree(self.home)


if __name__ == "__main__":
    main()
