#!/usr/bin/env bash
# ADFA-LD: trains the default preset with three fixed seeds on the training part and scores validation
# against attack. Prints what the table in RESULTS.md holds.
# usage: scripts/adfa.sh ADFA-LD.zip
set -euo pipefail
zip=$(realpath "$1")
cd "$(dirname "$0")/.."
cargo build --release --quiet
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for seed in 1 2 3; do
    echo "== seed $seed"
    ./target/release/idiolect train "$zip" -o "$work/adfa-$seed.idio" --model lstm --signal mean --seed "$seed" 2>/dev/null |
        grep -E '^(learned|held|threshold)'
    began=$EPOCHREALTIME
    ./target/release/idiolect score "$work/adfa-$seed.idio" "$zip" 2>&1 >/dev/null |
        grep -E '^(all|without)|AUC'
    awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "scored in %.1f s\n", to - from }'
done
