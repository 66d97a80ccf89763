#!/usr/bin/env bash
# How fast each format of text is read on one core, beside what `wc -l` and a plain regular expression take
# for the same bytes. The files are recordings of the tests, repeated to a size.
# usage: scripts/reading.sh [MEGABYTES]
set -euo pipefail
megabytes=${1:-100}
cd "$(dirname "$0")/.."
cargo build --release --quiet -p idiolect-trace --example reading
reading=${CARGO_TARGET_DIR:-target}/release/examples/reading
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=crates/idiolect-trace/tests/data/tracers

seconds() {
    local began ended
    began=$(date +%s.%N)
    "$@" >/dev/null
    ended=$(date +%s.%N)
    awk -v a="$began" -v b="$ended" 'BEGIN { printf "%.3f", b - a }'
}

for file in threads.strace sysdig/threads_default.txt sysdig/threads_lid-ds_2021.sc sysdig/threads_j.json \
    perf-trace/threads.txt perf-script/threads_raw.txt ftrace/threads_trace_raw.txt bpftrace/threads.txt \
    lttng/threads_context.txt; do
    # One file of a whole number of copies.
    cp "$data/$file" "$work/once"
    while [ "$(stat -c %s "$work/once")" -lt 1000000 ]; do
        cat "$work/once" "$work/once" >"$work/twice"
        mv "$work/twice" "$work/once"
    done
    : >"$work/trace"
    while [ "$(stat -c %s "$work/trace")" -lt $((megabytes * 1000000)) ]; do
        cat "$work/once" >>"$work/trace"
    done
    cat "$work/trace" >/dev/null
    echo "$file"
    echo "  wc -l: $(seconds wc -l "$work/trace") s; grep -cE '[a-z_0-9]+\(': $(LC_ALL=C seconds grep -cE '[a-z_0-9]+\(' "$work/trace") s"
    echo "  $("$reading" "$work/trace")"
done
