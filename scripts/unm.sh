#!/usr/bin/env bash
# Every valid pairing of normal and intrusive traces in UNM's data, each with three seeds: trains on the
# normal ones and scores the intrusions. Prints what the table in RESULTS.md holds.
# usage: scripts/unm.sh unm.tar.gz
set -euo pipefail
data=$(realpath "$1")
cd "$(dirname "$0")/.."
cargo build --release --quiet
idiolect=$PWD/target/release/idiolect
[ -z "${CARGO_TARGET_DIR:-}" ] || idiolect=$CARGO_TARGET_DIR/release/idiolect
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$data" -C "$work"
cd "$work/unm"

# A name, the table of its numbers, normal traces, intrusive traces.
pairing() {
    local name=$1 numbering=$2 normal=$3 intrusive=$4 split seed
    for split in content in-turn; do
        for seed in 1 2 3; do
            if ! "$idiolect" train "$normal" -o "$work/p.idio" --model lstm --signal mean --numbering "$numbering" --split "$split" \
                --seed "$seed" --json >"$work/train.json" 2>"$work/said"; then
                echo "$name | $split | $(sed -n 's/^idiolect: \(too little data\).*/\1/p' "$work/said")"
                break
            fi
            "$idiolect" score "$work/p.idio" "$intrusive" --numbering "$numbering" --json \
                >"$work/score.jsonl" 2>"$work/said"
            python3 - "$name" "$split" "$seed" "$work/train.json" "$work/score.jsonl" <<'PY'
import json, sys

name, split, seed, trained, scored = sys.argv[1:]
trained = json.load(open(trained))
streams = [json.loads(line) for line in open(scored)]
streams = [s for s in streams if s["verdict"] != "withheld"]
# Copies: the same length and the very same score.
distinct = list({(s["calls"], s["score"]): s for s in streams}.values())
# How often a normal unit that was held out scores below an intrusive stream: its p-value counts the others.
auc = lambda part: 1 - sum(s["p_value"] for s in part) / len(part)
found = lambda part: "%d of %d" % (sum(s["verdict"] == "anomalous" for s in part), len(part))
runs = {}
for s in streams:
    run = s["stream"].rsplit("[", 1)[0]
    runs[run] = runs.get(run, False) or s["verdict"] == "anomalous"
p = trained["provenance"]
print(" | ".join([
    name, split, seed, "%d / %d" % (p["streams"], p["distinct_streams"]), str(p["split"]),
    "%.3f" % p["tune_surprise"], "%.1f %%" % (100 * (trained["rate_raised_to"] or trained["decision"]["rate"])),
    found(streams), found(distinct), "%d of %d" % (sum(runs.values()), len(runs)),
    "%.3f" % auc(streams), "%.3f" % auc(distinct), "%.1f s" % trained["seconds"],
]))
PY
        done
    done
}

echo "set | split | seed | normal streams / different | train, tune, calibrate | nats a call | false alarms allowed | found | without copies | runs | AUC | without copies | trained in"
pairing synth-sendmail sunos0 synth-sendmail/normal synth-sendmail/intrusion
pairing cert-sendmail sunos0 cert-sendmail/normal cert-sendmail/intrusion
pairing synth-lpr sunos0 synth-lpr/normal synth-lpr/intrusion
pairing live-lpr-unm-old sunos0 live-lpr-unm-old/normal-concatenated synth-lpr/intrusion
pairing live-lpr-mit-old sunos0 live-lpr-mit-old/normal live-lpr-mit-old/intrusion-concatenated
pairing live-lpr-new sunos1 live-lpr-mit-new/normal live-lpr-unm-new/intrusion
pairing synth-ftp i386 synth-ftp/normal synth-ftp/intrusion
pairing xlock i386 xlock/normal xlock/intrusion
pairing live-named i386 live-named/normal live-named/intrusion
pairing login i386 login/normal login/intrusion
pairing ps i386 ps/normal ps/intrusion
pairing inetd i386 inetd/normal inetd/intrusion
