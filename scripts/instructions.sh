#!/usr/bin/env bash
# Counts the instructions of one scoring step by callgrind and holds them against scripts/instructions.txt:
# fails where one has grown by more than 5 %. Counts do not depend on what else the machine does.
# usage: scripts/instructions.sh [--write]   (--write takes the counts as the new ones)
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet -p idiolect-nn --example steps
steps=${CARGO_TARGET_DIR:-target}/release/examples/steps
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Of one step: what 300 steps take beyond 100.
count() {
    local n total=()
    for n in 100 300; do
        valgrind --tool=callgrind --callgrind-out-file="$work/out" "$steps" "$1" "$n" 2>"$work/said" ||
            { cat "$work/said" >&2; return 1; }
        total+=("$(sed -n 's/^summary: \([0-9]*\).*/\1/p' "$work/out")")
    done
    echo $(((total[1] - total[0]) / 200))
}

works=(one-plain many-plain reduced-plain)
if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
    works+=(one many reduced)
else
    echo "skipped: this machine has no AVX2, so its steps are not counted"
fi
for name in "${works[@]}"; do
    echo "$name $(count "$name")"
done | tee "$work/counts"
if [ "${1:-}" = --write ]; then
    cp "$work/counts" scripts/instructions.txt
    exit
fi
while read -r name now; do
    before=$(sed -n "s/^$name //p" scripts/instructions.txt)
    if [ -z "$before" ] || [ $((now * 100)) -gt $((before * 105)) ]; then
        echo "$name: $now instructions a step, where scripts/instructions.txt has ${before:-none}" >&2
        failed=1
    fi
done <"$work/counts"
[ -z "${failed:-}" ]
