#!/usr/bin/env bash
# A real service from recording to verdict: redis is recorded under a scripted load, learned, recorded again and
# scored, and then watched while somebody loads a module into it that starts a shell. All on loopback.
#
#   scripts/redis.sh FOLDER [SECONDS] [RATE]   (60 seconds, 1 %; "600 0.05%" for a profile to keep)
#
# Needs root (or what `idiolect doctor` names), redis-server, redis-tools, a C compiler and a release build.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:?where to work: scripts/redis.sh FOLDER [SECONDS]}
seconds=${2:-60}
rate=${3:-1%}
port=${PORT:-7877}
idiolect=${IDIOLECT:-$PWD/target/release/idiolect}
mkdir -p "$folder"
cd "$folder"

cat >shell.c <<'C'
#include <stdlib.h>
__attribute__((constructor)) static void run(void)
{
    if (system("id; head -n 1 /etc/passwd; ls /root") < 0)
        exit(1);
}
C
cc -shared -fPIC -o shell.so shell.c

cli() { redis-cli -p "$port" "$@" >/dev/null 2>&1; }

# What clients do all day: reads and writes of all kinds, a snapshot now and then.
load() {
    local until=$((SECONDS + $1)) round=0
    while [ $SECONDS -lt $until ]; do
        redis-benchmark -p "$port" -q -n 400 -c 4 -t set,get,incr,lpush,lpop,sadd,hset,mset >/dev/null 2>&1 || true
        cli set "key$round" "value$round" || true
        cli lrange mylist 0 9 || true
        [ $((round % 20)) -ne 7 ] || cli bgsave || true
        round=$((round + 1))
        sleep 0.2
    done
}

server() {
    redis-server --port "$port" --dir "$PWD" --save '' --daemonize no --enable-module-command yes \
        --logfile redis.log
}

# Records the service under load into a folder.
record() {
    (until cli ping; do sleep 0.1; done; load "$2"; cli shutdown nosave) &
    "$idiolect" record -o "$1" -- redis-server --port "$port" --dir "$PWD" --save '' \
        --enable-module-command yes --logfile redis.log
    wait
}

rm -rf monday tuesday
echo "== record, then learn"
record monday "$seconds"
"$idiolect" train monday -o redis.idio --signal window --false-alarm-rate "$rate"
echo "== another day"
record tuesday $((seconds / 2))
"$idiolect" score redis.idio tuesday --anomalous
echo "== watch it, and misuse it after a while"
server &
until cli ping; do sleep 0.1; done
pid=$(pgrep -f "redis-server \*:$port")
(load $((seconds / 2)); cli module load "$PWD/shell.so"; load 5; cli shutdown nosave) &
"$idiolect" watch redis.idio --pid "$pid" --for "$((seconds / 2 + 15))s" || [ $? -eq 3 ]
wait
