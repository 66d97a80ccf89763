#!/usr/bin/env bash
# Detectors against plain Python, hmmlearn and scikit-learn on the same work, on one thread, in rounds by turns.
# Prints the median seconds of each, theirs as a multiple of ours, and what both come to. The work is ADFA-LD, if
# IDIOLECT_DATA is a folder with adfa-ld/ADFA-LD.zip, and made-up streams otherwise. The others are installed
# into a folder of their own.
# usage: scripts/detectors.sh FOLDER [ROUNDS]
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/detectors.sh FOLDER [ROUNDS]" >&2; exit 2; }
mkdir -p "$1"
folder=$(realpath "$1")
rounds=${2:-3}
cd "$(dirname "$0")/.."
data=()
if [ -f "${IDIOLECT_DATA:-}/adfa-ld/ADFA-LD.zip" ]; then
    data=("$IDIOLECT_DATA/adfa-ld/ADFA-LD.zip")
fi
if [ ! -x "$folder/python/bin/python" ]; then
    python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install --quiet numpy scikit-learn hmmlearn
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
cargo build --release --quiet -p idiolect-eval --example detectors
: >"$folder/times"
for round in $(seq "$rounds"); do
    "${CARGO_TARGET_DIR:-target}/release/examples/detectors" "$folder" "$round" "${data[@]}" |
        sed 's/^/ours /' >>"$folder/times"
    "$folder/python/bin/python" parity/detector_speed.py "$folder" "$round" | sed 's/^/theirs /' >>"$folder/times"
done
echo "$rounds rounds on ${data[0]:-made-up streams}, one thread"
python3 - "$folder/times" <<'PY'
import json, statistics, sys
from collections import defaultdict

told = defaultdict(list)
for line in open(sys.argv[1]):
    who, values = line.split(" ", 1)
    values = json.loads(values)
    told[who, values["work"]].append(values)


def middle(who, work, name):
    values = [values[name] for values in told[who, work] if name in values]
    return statistics.median(values) if values else None


other = {"stide": "plain Python", "hmm": "hmmlearn"}
print("| work | against | fit, s: ours, theirs | times | score, s: ours, theirs | times | comes to: ours, theirs |")
print("|---|---|---|---|---|---|---|")
for who, work in list(told):
    if who != "ours" or ("theirs", work) not in told:
        continue
    cells = [work, other.get(work, "scikit-learn")]
    for name in ("fit", "score"):
        ours, theirs = (middle(side, work, name) for side in ("ours", "theirs"))
        cells += [f"{ours:.4g}, {theirs:.4g}", f"{theirs / ours:.1f}"]
    said = []
    for name, unit in [("auc", "AUC"), ("nats_a_training_call", "nats, trained"), ("mean_nats_of_tested", "nats, tested")]:
        ours, theirs = (middle(side, work, name) for side in ("ours", "theirs"))
        if ours is not None:
            said.append(f"{unit} {ours:.4f}, {theirs:.4f}")
    print("|", " | ".join(cells + ["; ".join(said)]), "|")
for who, work in list(told):
    rate = middle(who, work, "million_calls_per_second")
    if rate:
        print(f"{work}: {rate:.1f} million calls a second by a walk on one core")
PY
