#!/usr/bin/env bash
# How fast each format of text is read on one core, beside what `wc -l` and a plain regular expression take
# for the same bytes. The files are recordings of the tests, repeated to a size. Seconds are of the
# processor (user and system), so that a busy machine counts little.
# usage: scripts/reading.sh [MEGABYTES]
set -euo pipefail
megabytes=${1:-100}
cd "$(dirname "$0")/.."
cargo build --release --quiet -p idiolect-trace --example reading
reading=${CARGO_TARGET_DIR:-target}/release/examples/reading
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=crates/idiolect-trace/tests/data/tracers
TIMEFORMAT='%U %S'
export LC_ALL=C

# Runs a command, its output into a file; prints the seconds that it took.
seconds() {
    { time "$@" >"$work/out" 2>/dev/null; } 2>&1 | awk '{ printf "%.3f", $1 + $2 }'
}

printf '%-32s %6s %8s %8s %8s %9s %9s %14s %14s\n' \
    file MB "wc s" "grep s" "read s" lines calls "lines/s" "calls/s"
for file in threads.strace sysdig/threads_default.txt sysdig/threads_lid-ds_2021.sc sysdig/threads_j.json \
    perf-trace/threads.txt perf-script/threads_raw.txt ftrace/threads_trace_raw.txt bpftrace/threads.txt \
    lttng/threads_context.txt; do
    # A whole number of copies.
    cp "$data/$file" "$work/once"
    while [ "$(stat -c %s "$work/once")" -lt 1000000 ]; do
        cat "$work/once" "$work/once" >"$work/twice"
        mv "$work/twice" "$work/once"
    done
    : >"$work/trace"
    while [ "$(stat -c %s "$work/trace")" -lt $((megabytes * 1000000)) ]; do
        cat "$work/once" >>"$work/trace"
    done
    wc=$(seconds wc -l "$work/trace")
    # A search that finds nothing fails.
    grep=$(seconds sh -c "grep -cE '[a-z_0-9]+\(' \"\$1\" || true" sh "$work/trace")
    read=$(seconds "$reading" "$work/trace")
    awk -v file="$file" -v bytes="$(stat -c %s "$work/trace")" -v wc="$wc" -v grep="$grep" -v read="$read" '{
        printf "%-32s %6.0f %8s %8s %8s %9d %9d %14.0f %14.0f\n",
            file, bytes / 1e6, wc, grep, read, $2, $4, $2 / read, $4 / read
    }' "$work/out"
done
