#!/usr/bin/env bash
# How large a recording is, how fast it is written and read, and how much memory that takes.
# usage: scripts/recording.sh [EVENTS]     (default: 10 million synthetic events, with outcomes)
#
# "events" is the generator alone, to be taken off what is written; "lines" counts the line ends in the same bytes,
# in one process, as wc -l does: reading is compared with it byte for byte.
set -euo pipefail
events=${1:-10000000}
cd "$(dirname "$0")/.."
cargo build --release --quiet -p idiolect-record --example recording
run=${CARGO_TARGET_DIR:-target}/release/examples/recording
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$run" events "$events"
"$run" write "$work/rec" "$events"
"$run" parquet "$work/one.parquet" "$events"
"$run" rows "$work/rec"
"$run" rows "$work/one.parquet"
"$run" records "$work/rec"
cat "$work"/rec/*.parquet >"$work/bytes"
"$run" lines "$work/bytes"
awk -v bytes="$(stat -c %s "$work/bytes")" -v start="$(date +%s%N)" -v end="$(wc -l <"$work/bytes" >/dev/null; date +%s%N)" \
    'BEGIN { printf "wc -l    %d bytes in %.2f ms\n", bytes, (end - start) / 1e6 }'
