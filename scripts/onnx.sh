#!/usr/bin/env bash
# Exports a language model and a model of windows as ONNX, runs both in ONNX Runtime on the demo's recordings,
# and holds its surprises against ours.
# usage: scripts/onnx.sh PYTHON   (a Python that has onnxruntime and numpy)
set -euo pipefail
python=$1
cd "$(dirname "$0")/.."
cargo build --release --quiet
idiolect=${CARGO_TARGET_DIR:-target}/release/idiolect
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$idiolect" demo --keep "$work/notes" >/dev/null 2>&1
"$idiolect" convert "$work/notes/misused" -o "$work/names" --to plain
for preset in small seed; do
    limit=()
    [ "$preset" = small ] || limit=(--split content)
    "$idiolect" train "$work/notes/normal" -o "$work/p.idio" --preset "$preset" --epochs 1 "${limit[@]}" >/dev/null 2>&1
    "$idiolect" export "$work/p.idio" -o "$work/p.onnx"
    "$idiolect" score "$work/p.idio" "$work/names" --format plain --json >"$work/scores.jsonl" 2>/dev/null
    "$python" parity/onnx_check.py "$work/p.onnx" "$work/names" "$work/scores.jsonl"
done
