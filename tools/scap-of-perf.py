#!/usr/bin/env python3
"""Writes a capture that sysdig reads (.scap) of system calls that perf recorded.

sysdig's own driver needs a kernel that it was built for. Where there is none this makes real text of sysdig
all the same: the golden files in crates/idiolect-trace/tests/data/tracers/sysdig are what sysdig 0.29.3
prints of

    perf record -e 'raw_syscalls:*' -e sched:sched_process_fork -e sched:sched_process_exec \\
        -e sched:sched_process_exit ./threads
    perf script > threads.txt
    tools/scap-of-perf.py threads.txt threads.scap
    sysdig -r threads.scap [-j, -X, -t d, -p ...]

Which events there are, and their parameters, is asked of the installed libscap (of 2022). Parameters that
perf does not tell are zero or empty.
"""

import ctypes
import glob
import re
import struct
import sys

TABLE = "crates/idiolect-trace/src/table/linux.tsv"
# When the capture begins, in nanoseconds since the epoch.
BEGIN = 1_700_000_000 * 10**9
# Types of parameters by libscap's numbers: how many bytes they take, and those that are texts and bytes.
SIZES = {1: 1, 2: 2, 3: 4, 4: 8, 5: 1, 6: 2, 7: 4, 8: 8, 11: 8, 14: 8, 15: 8, 18: 2, 19: 1, 20: 8, 21: 8,
         22: 2, 23: 1, 24: 1, 25: 1, 26: 4, 28: 1, 29: 2, 30: 4, 31: 4, 32: 4, 33: 8, 40: 4}
TEXTS, BYTES, SYSCALL_ID = (9, 17, 43), (10, 12, 13, 35), 18
PROCEXIT = 186
# libscap's own bits of a clone's flags: a thread of pthread_create, and a fork.
THREAD_FLAGS = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 11 | 1 << 9 | 3 | 1 << 23
FORK_FLAGS = 1 << 23 | 1 << 24

library = ctypes.CDLL(glob.glob("/usr/lib/*/libscap.so*")[0])


def exported(symbol, size):
    return ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(library, symbol)), size)


EVENTS = exported("g_event_info", 1612 * 360)
PAIRS = exported("g_syscall_table", 12 * 512)
CODES = {}
for place in range(360):
    (name,) = struct.unpack_from("8xQ", exported("g_syscall_info_table", 16 * 360), 16 * place)
    if not 0x10000 < name < 2**47:
        break
    CODES.setdefault(ctypes.string_at(name).decode(), place)


def parameters(event):
    """Names and types of an event's parameters."""
    entry = EVENTS[event * 1612:(event + 1) * 1612]
    (count,) = struct.unpack_from("I", entry, 40)
    places = [44 + 49 * n for n in range(count)]
    return [(entry[p:p + 32].split(b"\0")[0].decode(), struct.unpack_from("I", entry, p + 32)[0]) for p in places]


def names_of_calls():
    with open(TABLE) as table:
        rows = [row.rstrip("\n").split("\t") for row in list(table)[2:]]
    return {int(row[1]): row[0] for row in rows if row[1] != "-"}


class Capture:
    def __init__(self, path):
        self.out = open(path, "wb")
        self.block(0x0A0D0D0A, struct.pack("<IHHQ", 0x1A2B3C4D, 1, 2, 2**64 - 1))
        self.block(0x201, struct.pack("<IQQ128s", 2, 4 << 30, 10**9, b"demo") + bytes(32))

    def block(self, kind, body):
        body += bytes(-len(body) % 4)
        length = len(body) + 12
        self.out.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))

    def processes(self, processes):
        text = lambda value: struct.pack("<H", len(value)) + value
        entries = b""
        for pid, name, parent in processes:
            entry = struct.pack("<QQQQQ", pid, pid, parent, pid, pid)
            entry += text(name) + text(b"./" + name) + text(b"/tmp/demo/" + name) + text(b"") + text(b"/tmp/demo/")
            entry += struct.pack("<QIIIIIIQQ", 1024, 0, 0, 0, 0, 0, 0, 0, 0) + text(b"")
            entry += struct.pack("<qq", pid, pid) + text(b"") + text(b"/")
            entries += struct.pack("<I", len(entry) + 4) + entry
        self.block(0x215, entries)

    def event(self, cpu, time, tid, kind, value):
        """`value` gives a parameter by its name, place and type: a number or bytes."""
        data = []
        for place, (name, of) in enumerate(parameters(kind)):
            given = value(name, place, of)
            if isinstance(given, bytes):
                data.append(given)
            else:
                data.append(struct.pack("<Q", given % 2**64)[:SIZES.get(of, 0)])
        length = 26 + sum(2 + len(part) for part in data)
        body = struct.pack("<HQQIHI", cpu, time, tid, length, kind, len(data))
        body += b"".join(struct.pack("<H", len(part)) for part in data) + b"".join(data)
        self.block(0x216, body)


def main(source, target):
    head = re.compile(r"\s*(\S+)\s+(\d+)\s+\[(\d+)\]\s+([\d.]+):\s+(\S+):\s+(.*)")
    lines = [m.groups() for m in map(head.match, open(source)) if m]
    calls, capture = names_of_calls(), Capture(target)
    leader = int(lines[0][1])
    capture.processes([(1, b"init", 0), (leader, b"threads", 1)])
    parent, process, begin = {}, {}, None
    for place, (comm, tid, cpu, time, event, body) in enumerate(lines):
        tid, cpu, time = int(tid), int(cpu), int(float(time) * 1e6) * 1000
        begin = begin or time
        time += BEGIN - begin
        if event == "sched:sched_process_fork":
            child = int(re.search(r"child_pid=(\d+)", body)[1])
            parent[child] = int(re.search(r" pid=(\d+)", body)[1])
        elif event == "sched:sched_process_exit":
            capture.event(cpu, time, tid, PROCEXIT, lambda name, place, of: 0)
        match = re.match(r"NR (\d+) (?:\((.*)\)|= (-?\d+))", body)
        if not match or event.startswith("sched:"):
            continue
        call = calls[int(match[1])]
        _, enter, leave = struct.unpack_from("iii", PAIRS, 12 * int(match[1]))
        if enter == leave:
            # The generic events.
            enter, leave = 0, 1
        code = CODES.get(call, 0)
        if event.endswith("enter"):
            args = [int(arg, 16) for arg in match[2].split(", ")]
            later = [b for _, t, _, _, e, b in lines[place:] if e.endswith("process_exec") and int(t) == tid]
            path = re.search(r"filename=(\S+)", later[0])[1] if later else ""

            def value(name, place, of):
                if of == SYSCALL_ID:
                    return code
                if of in TEXTS:
                    return (path if name == "filename" else "").encode() + b"\0"
                if name == "data":
                    return b"hello\n"
                return b"" if of in BYTES else args[place] if place < 6 else 0

            capture.event(cpu, time, tid, enter, value)
            continue
        returned = int(match[3])
        makes_thread = call == "clone3"
        if call in ("clone", "clone3"):
            child = returned or tid
            process.setdefault(child, process.get(parent.get(child), parent.get(child)) if makes_thread else child)

        def value(name, place, of):
            known = {"tid": tid, "pid": process.get(tid, tid), "ptid": parent.get(tid, 1),
                     "flags": {"clone3": THREAD_FLAGS, "clone": FORK_FLAGS}.get(call, 0)}
            if of == SYSCALL_ID:
                return code
            if place == 0:
                return returned
            if name in known:
                return known[name]
            if name in ("exe", "comm"):
                return comm.encode() + b"\0"
            if name == "data" and returned > 0:
                return b"hello\n"
            return b"\0" if of in TEXTS else b"" if of in BYTES else 0

        capture.event(cpu, time, tid, leave, value)


if __name__ == "__main__":
    main(*sys.argv[1:])
