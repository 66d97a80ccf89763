#!/usr/bin/env bash
# What being recorded costs a program: a loop of getppid, the cheapest call, bare and under each recorder, by turns in
# rounds. Prints nanoseconds a call (the median of the rounds) and ratios within this run, and says which aims are met.
# Recorders that this machine does not allow are left out, aloud. Needs a C compiler, strace, and root for all rows.
# usage: scripts/recording-cost.sh [ROUNDS [FOLDER]]; IDIOLECT names a built binary instead of a release build.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
folder=${2:-target/recording-cost}
mkdir -p "$folder"
if [ -z "${IDIOLECT:-}" ]; then
    cargo build --release --quiet -p idiolect
    IDIOLECT=${CARGO_TARGET_DIR:-target}/release/idiolect
fi
cat >"$folder/loop.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* loop COUNT FILE: makes the call so often, and appends nanoseconds a call to the file. */
int main(int count, char **arguments) {
    if (count != 3) return 2;
    long calls = atol(arguments[1]);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (long n = 0; n < calls; n++) syscall(SYS_getppid);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    FILE *file = fopen(arguments[2], "a");
    if (!file) return 1;
    double ns = (ended.tv_sec - began.tv_sec) * 1e9 + (ended.tv_nsec - began.tv_nsec);
    fprintf(file, "%.1f\n", ns / calls);
    return fclose(file) ? 1 : 0;
}
C
cc -O2 -o "$folder/loop" "$folder/loop.c"
rm -f "$folder"/*.times

# NAME CALLS COMMAND...: one round of a row.
round() {
    local name=$1 calls=$2
    shift 2
    if ! "$@" "$folder/loop" "$calls" "$folder/$name.times" >"$folder/$name.log" 2>&1; then
        [ -e "$folder/$name.left-out" ] || echo "left out: $name: $(tail -n 1 "$folder/$name.log")"
        touch "$folder/$name.left-out"
    fi
}
record() {
    rm -rf "$folder/recording"
    "$IDIOLECT" record -o "$folder/recording" "$@"
}
# The loop beside a recorder that follows another process.
beside() {
    local backend=$1 other recorder status
    shift
    rm -rf "$folder/recording"
    sleep 600 &
    other=$!
    "$IDIOLECT" record -o "$folder/recording" --backend "$backend" --pid "$other" &
    recorder=$!
    sleep 1
    if kill -0 "$recorder" 2>/dev/null; then "$@" && status=0 || status=$?; else status=1; fi
    kill "$recorder" "$other" 2>/dev/null || true
    wait "$recorder" "$other" 2>/dev/null || true
    return "$status"
}

rm -f "$folder"/*.left-out
for _ in $(seq "$rounds"); do
    round bare 2000000 env
    round strace 20000 strace -f -o /dev/null
    round ptrace 20000 record --backend ptrace --
    round fast 20000 record --fast --
    round perf 300000 record --backend perf --
    round ebpf 1000000 record --backend ebpf --
    round perf-beside 2000000 beside perf
    round ebpf-beside 2000000 beside ebpf
done
rm -rf "$folder/recording"

python3 - "$folder" <<'PY'
import os
import statistics
import sys

rows = [
    ("bare", "nothing", None),
    ("strace", "strace -f -o /dev/null", None),
    ("ptrace", "record --backend ptrace", None),
    ("fast", "record --fast", ("strace", 0.5)),
    ("perf", "record --backend perf", None),
    ("ebpf", "record --backend ebpf", ("bare", 3.0)),
    ("perf-beside", "perf records another process", None),
    ("ebpf-beside", "eBPF records another process", None),
]
times = {}
for name, _, _ in rows:
    path = os.path.join(sys.argv[1], name + ".times")
    if os.path.exists(path):
        times[name] = statistics.median(map(float, open(path)))
print(f"{'recorder':<32}{'ns a call':>11}{'of bare':>10}{'of strace':>11}  aim")
for name, shown, aim in rows:
    if name not in times:
        continue
    line = f"{shown:<32}{times[name]:>11,.0f}{times[name] / times['bare']:>10.2f}"
    line += f"{times[name] / times['strace']:>11.3f}" if "strace" in times else f"{'':>11}"
    if aim and aim[0] in times:
        ratio = times[name] / times[aim[0]]
        line += f"  at most {aim[1]} of {aim[0]}: {'met' if ratio <= aim[1] else 'not met'}"
    print(line)
PY
