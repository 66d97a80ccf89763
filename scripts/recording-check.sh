#!/usr/bin/env bash
# Proves that others read our Parquet files, and we theirs: converts a trace, compares every row in pyarrow, pandas
# and DuckDB with the records as JSON lines, has each of them write the file anew, and reads that back.
# usage: scripts/recording-check.sh PYTHON [TRACE]   (a Python that has pyarrow, pandas and duckdb)
set -euo pipefail
python=$1
trace=${2:-}
cd "$(dirname "$0")/.."
cargo build --release --quiet -p idiolect
idiolect=${CARGO_TARGET_DIR:-target}/release/idiolect
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$trace" ]; then
    trace=crates/idiolect-trace/tests/data/strace/threads_o_ttt.txt
fi
"$idiolect" convert "$trace" -o "$work/trace.parquet"
"$idiolect" convert "$trace" -o "$work/trace.jsonl"
"$python" scripts/recording-check.py "$work/trace.parquet" "$work/trace.jsonl"
for writer in pyarrow pandas duckdb; do
    "$idiolect" convert "$work/trace.$writer.parquet" -o "$work/back.jsonl" 2>/dev/null
    cmp "$work/back.jsonl" "$work/trace.jsonl"
    echo "idiolect: what $writer wrote is the same"
done
