#!/bin/sh
# Records the sessions behind `idiolect demo`: builds the notes service, runs it under strace on
# loopback with made-up clients, and packs the traces.
#
#   demo/record.sh [--seed N] [--sessions N] [--output FILE]
#
#   --seed N       what the clients say follows from it (default 1)
#   --sessions N   normal sessions in all (default 560)
#   --output FILE  the archive (default recordings.tar.gz beside this script)
#
# Needs strace, a C compiler as `cc`, python3 (3.8 or later), setpriv, GNU tar and gzip; and root, only
# to run the service, which has holes on purpose, as the user `nobody`: it may do little, and its traces
# name nobody. It works in /var/tmp/notes-demo, a neutral path since it ends up in the traces, and
# removes that at the end.
set -eu

seed=1
sessions=560
here=$(cd "$(dirname "$0")" && pwd)
output=$here/recordings.tar.gz
while [ $# -gt 0 ]; do
    case $1 in
        --seed) seed=$2; shift 2 ;;
        --sessions) sessions=$2; shift 2 ;;
        --output) output=$2; shift 2 ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done

for tool in strace cc python3 setpriv tar gzip; do
    command -v "$tool" >/dev/null || { echo "record.sh: needs $tool" >&2; exit 1; }
done
[ "$(id -u)" -eq 0 ] || { echo "record.sh: needs root, to run the service as nobody" >&2; exit 1; }

work=/var/tmp/notes-demo
umask 022
mkdir "$work" || { echo "record.sh: remove $work first: another recording runs, or one broke off" >&2; exit 1; }
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

cc -O2 -Wall -Wextra -std=gnu11 -o "$work/notes-service" "$here/notes-service.c"
PYTHONDONTWRITEBYTECODE=1 python3 "$here/drive.py" --seed "$seed" --sessions "$sessions" \
    --dir "$work" --uid "$(id -u nobody)"

# Nothing in the traces may name the machine or the person who records.
cd "$work/traces"
for word in "$(uname -n)" "${SUDO_USER:-/root}" /root /home "$here"; do
    if grep -rlwF -e "$word" .; then
        echo "record.sh: the traces above contain '$word'; nothing was packed" >&2
        exit 1
    fi
done

# The same traces give the same archive, byte for byte.
tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    -cf "$work/recordings.tar" misused normal
gzip -9nc "$work/recordings.tar" >"$work/recordings.tar.gz"
mv "$work/recordings.tar.gz" "$output"
echo "$output: $(wc -c <"$output") bytes, $(cat normal/* misused/* | wc -l) lines in $(ls normal misused | grep -c strace) files"
