#!/usr/bin/env bash
# What live recording costs, as ratios within one run: a loop of the cheapest call (getppid) on one processor, the
# recorder on another. Needs root, a C compiler and two processors; strace for its rows. Rounds of all ways take turns
# and the best round of each counts, since machines are noisy.
#   scripts/capture-cost.sh              the table
#   ROUNDS=9 SECONDS_FULL=60 scripts/capture-cost.sh
#   IDIOLECT=target/release/idiolect scripts/capture-cost.sh     the last rows with `record` writing to disk, too
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-7}
full=${SECONDS_FULL:-60}
calls=${CALLS:-400000}
work=$(mktemp -d)
# What is recorded while something else is measured.
sleep infinity &
other=$!
# Where sessions share the processors (sched_autogroup_enabled), ours comes first meanwhile.
share=$(sed -n 's/.*nice //p' /proc/self/autogroup 2> /dev/null || true)
[ -z "$share" ] || echo -20 > /proc/self/autogroup
trap 'kill "$other"; [ -z "$share" ] || echo "$share" > /proc/self/autogroup; rm -rf "$work"' EXIT

cc -O2 -Wall -o "$work/load" scripts/capture-cost/load.c
cargo build --release --quiet -p idiolect-capture --example consume
consume=${CARGO_TARGET_DIR:-target}/release/examples/consume

on() { taskset -c "$1" "${@:2}"; }

# The loop, with nothing but what is attached already.
bare() { on 0 "$work/load" loop "$calls" "$work/ns"; }
# The loop, recorded by a backend.
followed() { on 1 "$consume" "$1" taskset -c 0 "$work/load" loop "$2" "$work/ns" 2> /dev/null > "$work/said"; }
# The loop beside a command that attaches to the machine and waits for the end of its input.
beside() {
    mkfifo "$work/hold"
    on 1 "$@" < "$work/hold" 2> "$work/ready" > "$work/said" &
    local held=$!
    exec 9> "$work/hold"
    until grep -q ready "$work/ready"; do
        kill -0 "$held" 2> /dev/null || { cat "$work/ready" >&2; exit 1; }
        sleep 0.02
    done
    bare
    exec 9>&-
    wait "$held"
    rm "$work/hold"
}
traced() { on 1 strace -f -o /dev/null taskset -c 0 "$work/load" loop 5000 "$work/ns"; }

declare -A best
# Takes the time of the last loop for this way.
took() {
    local ns
    ns=$(cat "$work/ns")
    if [ -z "${best[$1]:-}" ] || awk "BEGIN { exit !($ns < ${best[$1]}) }"; then best[$1]=$ns; fi
}

for _ in $(seq "$rounds"); do
    bare; took bare
    beside "$work/load" empty; took empty
    beside "$consume" ebpf comm=nobody-is-called; took beside-comm
    beside "$consume" ebpf "pid=$other"; took beside-pid
    followed ebpf "$calls"; took ebpf
    followed ebpf+outcomes "$calls"; took outcomes
    followed perf "$calls"; took perf
    followed ptrace 5000; took ptrace
    followed ptrace+fast 5000; took fast
    if command -v strace > /dev/null; then traced; took strace; fi
done

row() { printf '%-52s %9.0f ns  %7.2f times %s\n' "$1" "${best[$2]}" "$(awk "BEGIN { print ${best[$2]} / ${best[$3]} }")" "$4"; }
echo "a call of getppid, best of $rounds rounds of $calls ($(uname -r), $(nproc) processors)"
row "bare" bare bare "itself"
row "an empty program on sys_enter" empty bare "bare"
row "not followed, beside a recording by name" beside-comm empty "an empty program (aim 1.25)"
row "not followed, beside a recording of a process" beside-pid empty "an empty program (aim 1.25)"
row "followed, eBPF" ebpf bare "bare (aim 3)"
row "followed, eBPF with outcomes" outcomes bare "bare"
row "followed, perf" perf bare "bare"
row "followed, ptrace" ptrace bare "bare"
row "followed, ptrace --fast" fast bare "bare"
if [ -n "${best[strace]:-}" ]; then
    row "followed, strace -f" strace bare "bare"
    row "followed, ptrace --fast" fast strace "strace -f (aim 0.5)"
    row "followed, eBPF" ebpf strace "strace -f"
fi

# Records the load at a rate (0: full speed) for so many seconds; sets `reached` and `lost`.
sustain() {
    local seconds=$2
    if [ "$3" = record ]; then
        rm -rf "$work/recording"
        on 1 "$IDIOLECT" record --backend ebpf --json -o "$work/recording" -- \
            taskset -c 0 "$work/load" rate "$1" "$seconds" "$work/ns" > "$work/said" 2> /dev/null
        lost=$(grep -o '"total": *[0-9]*' "$work/said" | grep -o '[0-9]*$')
        rm -rf "$work/recording"
    else
        on 1 "$consume" ebpf taskset -c 0 "$work/load" rate "$1" "$seconds" "$work/ns" > "$work/said" 2> /dev/null
        lost=$(grep -o '"lost": *[0-9]*' "$work/said" | grep -o '[0-9]*$')
    fi
    reached=$(cut -d. -f1 "$work/ns")
}

# Full speed first; where that loses, the highest rate that does not, found in steps of a tenth over short runs and
# then held for the whole time.
highest() {
    sustain 0 "$full" "$1"
    local speed=$reached share
    share=$(awk "BEGIN { printf \"%.2f\", 100 * $lost / ($speed * $full) }")
    echo "$2, full speed for $full s: $speed calls/s, lost $lost ($share %)"
    [ "$lost" -eq 0 ] && return
    local tenths wanted
    for tenths in 9 8 7 6 5 4 3 2 1; do
        wanted=$((speed * tenths / 10))
        sustain "$wanted" 5 "$1"
        [ "$lost" -eq 0 ] || continue
        sustain "$wanted" "$full" "$1"
        [ "$lost" -eq 0 ] || continue
        echo "$2, highest rate without loss for $full s: $reached calls/s"
        return
    done
    echo "$2: loses at every rate that was tried"
}

highest consume "eBPF, consumer that only reads"
if [ -n "${IDIOLECT:-}" ]; then highest record "eBPF, \`record\` to disk"; fi
