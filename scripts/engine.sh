#!/usr/bin/env bash
# The engine against PyTorch, Keras on TensorFlow and ONNX Runtime on the same work, in rounds by turns. Prints
# the median of each, ours as a multiple of theirs, and the share of the machine's limit (PyTorch's product of
# large matrices, in the same rounds) that the arithmetic of ours comes to. The others are installed into a
# folder of their own.
# usage: scripts/engine.sh [FOLDER [ROUNDS]]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/engine}
rounds=${2:-3}
mkdir -p "$folder"
# Each in an environment of its own: their dependencies do not agree.
install() {
    [ -x "$folder/$1/bin/python" ] && return
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" install --quiet "${@:2}"
}
install torch torch numpy
install keras tensorflow-cpu
install onnx onnxruntime numpy
cargo run --release --quiet -p idiolect-onnx --example random -- "$folder"
: >"$folder/times"
for _ in $(seq "$rounds"); do
    cargo bench --quiet -p idiolect-nn --bench engine | sed 's/^/ours /' >>"$folder/times"
    "$folder/torch/bin/python" parity/engine_speed.py | sed 's/^/torch /' >>"$folder/times"
    "$folder/onnx/bin/python" parity/engine_speed_onnx.py "$folder" | sed 's/^/onnx /' >>"$folder/times"
    KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/keras/bin/python" parity/engine_speed_keras.py \
        2>/dev/null | sed 's/^/keras /' >>"$folder/times"
done
cargo bench --quiet -p idiolect-nn --bench instructions | sed 's/^/billions of products a second, /'
python3 - "$folder/times" <<'PY'
import statistics, sys
from collections import defaultdict

rates = defaultdict(list)
for line in open(sys.argv[1]):
    who, work, units, seconds = line.split()[:4]
    rates[who, work].append(float(units) / float(seconds))
median = {key: statistics.median(values) for key, values in rates.items()}


def operations(work):
    """Floating point operations a unit: two for each weight that a unit goes through (not those that are
    looked up), three times as many to train."""
    kind, shape = work.split("-")[:2]
    vocab, hidden = (341, [64, 256, 100]) if shape == "seed" else (180, [int(shape.split("x")[1])] * int(shape[0]))
    cells = sum(4 * h * (h + below) for h, below in zip(hidden, [0, *hidden]))
    steps = 19 if shape == "seed" else 1
    return 2 * (steps * cells + hidden[-1] * vocab) * (3 if kind == "train" else 1)


peaks = {n: median["torch", f"peak-{n}"] for n in (1, 2)}
print(f"limit: {peaks[1] / 1e9:.0f} and {peaks[2] / 1e9:.0f} GFLOP/s on one and two threads")
print("| work | ours, units/s | of the limit | PyTorch | ONNX Runtime | Keras |")
print("|---|---|---|---|---|---|")
for who, work in median:
    if who == "ours":
        ours = median["ours", work]
        share = ours * operations(work) / peaks[2 if work.startswith("train") else 1]
        cells = [work, f"{ours:,.0f}", f"{share:.0%}"]
        for other in ("torch", "onnx", "keras"):
            theirs = median.get((other, "-".join(work.split("-")[:2])))
            cells.append(f"{theirs:,.0f}: {ours / theirs:.2f}" if theirs else "")
        print("|", " | ".join(cells), "|")
for who, work in median:
    if who == "ours" and work.endswith("-avx2"):
        fastest = median["ours", work.removesuffix("-avx2")]
        print(f"{work}: the fastest instructions here do {fastest / median[who, work]:.2f} times as many")
PY
