#!/usr/bin/env bash
# The engine against PyTorch on the same work, in rounds by turns. Prints the median of each work, the ratio,
# and the share of the machine's limit that the arithmetic of each takes.
# usage: scripts/engine.sh PYTHON [ROUNDS] [NAME...]   (a Python that has torch; see parity/README.md)
set -euo pipefail
python=$1
rounds=${2:-3}
shift $(($# > 2 ? 2 : $#))
cd "$(dirname "$0")/.."
cargo build --release --quiet -p idiolect-nn --example engine
engine=${CARGO_TARGET_DIR:-target}/release/examples/engine
work=$(mktemp)
trap 'rm -f "$work"' EXIT
for _ in $(seq "$rounds"); do
    "$engine" "$@" | sed 's/^/ours /' >>"$work"
    "$python" parity/engine_speed.py ${1:+peak-1 peak-2} "$@" | sed 's/^/torch /' >>"$work"
done
python3 - "$work" <<'PY'
import statistics, sys
from collections import defaultdict

rates = defaultdict(list)
for line in open(sys.argv[1]):
    who, work, units, seconds = line.split()
    rates[who, work].append(float(units) / float(seconds))
median = {key: statistics.median(values) for key, values in rates.items()}

def flops(work):
    """Floating point operations a unit: two for each weight that a unit goes through (not those that are
    looked up), three times as many to train."""
    kind, shape = work.split("-")[:2]
    vocab, hidden = (341, [64, 256, 100]) if shape == "seed" else (180, [int(shape.split("x")[1])] * int(shape[0]))
    cells = sum(4 * h * (h + (below or 0)) for h, below in zip(hidden, [0, *hidden]))
    steps = 19 if shape == "seed" else 1
    return 2 * (steps * cells + hidden[-1] * vocab) * (3 if kind == "train" else 1)

peaks = {n: median["torch", f"peak-{n}"] for n in (1, 2)}
print(f"limit: {peaks[1] / 1e9:.0f} and {peaks[2] / 1e9:.0f} GFLOP/s on one and two threads")
print(f"{'work':<21}{'ours, units/s':>15}{'PyTorch':>12}{'ratio':>8}{'of the limit':>14}")
for who, work in median:
    if who == "ours":
        ours, theirs = median["ours", work], median["torch", work.removesuffix("-reduced")]
        share = ours * flops(work) / peaks[2 if work.startswith("train") else 1]
        print(f"{work:<21}{ours:>15,.0f}{theirs:>12,.0f}{ours / theirs:>8.2f}{share:>13.0%}")
PY
