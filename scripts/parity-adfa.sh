#!/usr/bin/env bash
# The default preset against PyTorch: the same recipe on the very same sequences of ADFA-LD, three seeds
# each, interleaved. Prints the held-out surprise of each and the ratio of the means.
# usage: scripts/parity-adfa.sh ADFA-LD.zip PYTHON   (a Python that has torch; see parity/README.md)
set -euo pipefail
zip=$(realpath "$1")
python=$2
cd "$(dirname "$0")/.."
cargo build --release --quiet
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for seed in 1 2 3; do
    ./target/release/idiolect train "$zip" -o "$work/a.idio" --model lstm --signal mean --seed "$seed" --json \
        --export "$work/data-$seed" 2>/dev/null |
        "$python" -c 'import json,sys; d=json.load(sys.stdin); print("ours", d["provenance"]["seed"], d["provenance"]["tune_surprise"], d["seconds"])'
    vocab=$(wc -l < "$work/data-$seed/vocabulary.txt")
    "$python" parity/adfa_recipe.py "$work/data-$seed/train.txt" "$work/data-$seed/tune.txt" \
        --vocab "$vocab" --seed "$seed" |
        "$python" -c 'import json,sys; e=[json.loads(l) for l in sys.stdin]; print("torch", sys.argv[1], min(x["tune_loss"] for x in e), sum(x["seconds"] for x in e))' "$seed"
done | tee "$work/all"
awk '{ sum[$1] += $3; time[$1] += $4 } END {
    printf "held out, mean: ours %.4f, PyTorch %.4f, ratio %.4f; seconds, mean: ours %.1f, PyTorch %.1f\n",
        sum["ours"]/3, sum["torch"]/3, sum["ours"]/sum["torch"], time["ours"]/3, time["torch"]/3 }' "$work/all"
