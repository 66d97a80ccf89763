#!/usr/bin/busybox sh
# Run as the first process of a guest of scripts/kernels.sh, or by systemd as a service, with the kernel's argument
# guest=tests, locked or systemd. Ends by switching the machine off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
bad=0
log=/tmp/check

if [ $$ = 1 ]; then
    /usr/bin/busybox --install -s /usr/bin
    [ -e /usr/bin/cc ] || ln -s gcc /usr/bin/cc
    [ -e /etc/passwd ] || echo root:x:0:0:root:/root:/bin/sh > /etc/passwd
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t devtmpfs dev /dev
    mkdir -p /dev/pts
    mount -t devpts pts /dev/pts
    mount -t cgroup2 cgroup /sys/fs/cgroup
    # Until a controller is enabled, groups have no perf events.
    echo +pids > /sys/fs/cgroup/cgroup.subtree_control
    mount -t tracefs tracefs /sys/kernel/tracing
    mount -t securityfs securityfs /sys/kernel/security
    ifconfig lo up 2> /dev/null || ip link set lo up
fi

# check NAME COMMAND: the command succeeds.
check() {
    name=$1
    shift
    if "$@" > $log 2>&1; then
        echo "guest: ok: $name"
        grep skipped $log
    else
        echo "guest: FAILED: $name: $*"
        cut -c 1-20000 $log | tail -n 200
        bad=1
    fi
}

# The command fails, and says this.
fails_saying() {
    text=$1
    shift
    ! "$@" > /tmp/said 2>&1 || { cat /tmp/said; return 1; }
    cat /tmp/said
    grep -q "$text" /tmp/said
}

# The command succeeds, and says this.
says() {
    text=$1
    shift
    "$@" > /tmp/said 2>&1
    status=$?
    cat /tmp/said
    [ $status = 0 ] && grep -q "$text" /tmp/said
}

idiolect=/payload/idiolect
nobody() { /usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

tests() {
    cd "$(cat /payload/folder)" || exit
    for test in /payload/tests/*; do
        check "$(basename "$test")" "$test" --test-threads 1
        sed -n 's/^test result: //p' $log
    done
}

locked() {
    why='locked down for confidentiality'
    check 'eBPF names the lockdown' fails_saying "$why" $idiolect record --backend ebpf -o /tmp/a -- ls /
    check 'perf names the lockdown' fails_saying "$why" $idiolect record --backend perf -o /tmp/a -- ls /
    check 'the machine names the lockdown' fails_saying "$why" $idiolect record --all -o /tmp/a --for 1s
    check 'a program is recorded by ptrace' says "recording by ptrace.*$why" $idiolect record -o /tmp/b -- ls /
    check 'doctor names the lockdown' says "$why" $idiolect doctor
    cd "$(cat /payload/folder)" || exit
    check 'tests of ptrace' /payload/tests/ptrace-* --test-threads 1
    chmod 777 /tmp
    echo 1 > /proc/sys/kernel/yama/ptrace_scope
    check 'scope 1: nobody may trace what he starts' nobody $idiolect record -o /tmp/n -- ls /
    sleep 100 &
    check 'scope 1: but not what he did not' fails_saying "another user's" nobody $idiolect record -o /tmp/m --pid $!
    echo 2 > /proc/sys/kernel/yama/ptrace_scope
    check 'scope 2: nobody may not trace' fails_saying 'ptrace_scope' nobody $idiolect record -o /tmp/c -- ls /
    check 'scope 2: doctor says so' says 'only root may trace' nobody $idiolect doctor
    check 'scope 2: root may' $idiolect record -o /tmp/d -- ls /
    echo 3 > /proc/sys/kernel/yama/ptrace_scope
    check 'scope 3: root may not either' fails_saying 'ptrace_scope' $idiolect record -o /tmp/e -- ls /
    check 'scope 3: doctor says so' says 'ptrace_scope is 3' $idiolect doctor
}

under_systemd() {
    mount -t securityfs securityfs /sys/kernel/security 2> /dev/null
    check 'systemd is process 1' grep -q systemd /proc/1/comm
    check 'doctor' $idiolect doctor
    until redis-cli ping > /dev/null 2>&1; do sleep 1; done
    (while redis-benchmark -q -n 300 -c 2 -t set,get,incr > /dev/null 2>&1; do :; done) &
    load=$!
    for backend in ebpf perf; do
        check "a unit by $backend" says /usr/bin/redis-server \
            $idiolect record --backend $backend --unit redis-server -o - --for 5s
    done
    check 'a slice and all that is in it' $idiolect record --unit system.slice -o /tmp/slice --for 2s
    check 'no such unit' fails_saying 'no such' $idiolect record --unit nginx -o /tmp/none --for 2s
    kill $load
    mkdir -p /bundle/rootfs/bin /bundle/rootfs/lib64 /bundle/rootfs/usr
    cp /usr/bin/busybox /bundle/rootfs/bin/
    cd /bundle || exit
    runc spec
    sed -i 's/"terminal": true/"terminal": false/; s|^\(\t*\)"sh"$|\1"/bin/busybox", "sh", "-c", "while :; do /bin/busybox ls /; /bin/busybox usleep 50000; done"|' config.json
    runc run --no-pivot -d box > /dev/null 2>&1 < /dev/null
    sleep 2
    pid=$(runc list -q > /dev/null && runc state box | sed -n 's/.*"pid": \([0-9]*\),.*/\1/p')
    group=$(sed 's/0:://' "/proc/$pid/cgroup")
    check 'a container runs' test -n "$pid"
    for backend in ebpf perf; do
        check "a container's group by $backend" says /bin/busybox \
            $idiolect record --backend $backend --cgroup "/sys/fs/cgroup$group" -o - --for 3s
    done
    runc kill box KILL
}

echo "guest: Linux $(uname -r) on $(uname -m), $(ps -o comm= -p 1 2> /dev/null || echo init) as process 1"
case $(cat /proc/cmdline) in
    *guest=tests*) $idiolect doctor; tests ;;
    *guest=locked*) locked ;;
    *guest=systemd*) under_systemd ;;
    *) bad=1 ;;
esac
[ $bad = 1 ] || echo 'guest: passed'
sync
busybox poweroff -f
