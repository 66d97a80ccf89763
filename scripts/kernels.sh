#!/usr/bin/env bash
# Live capture on kernels and machines other than this one: Debian's, under emulation (qemu without KVM, a minute or two
# each). Boots the kernel with the tests of idiolect-capture and the program in its first memory image, runs
# scripts/kernels/guest.sh in it, and says what it found.
#
#   scripts/kernels.sh                  all cases
#   scripts/kernels.sh arm64 systemd    some of them
#
# Needs root and Debian's mmdebstrap, qemu-system-x86, qemu-system-arm, cpio; for arm64 gcc-aarch64-linux-gnu and
# libc6-dev-arm64-cross, and `rustup target add aarch64-unknown-linux-gnu`. Images are kept in $KERNELS
# (target/kernels), logs beside them.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(realpath -m "${KERNELS:-target/kernels}")
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
seconds=${SECONDS_EACH:-1200}
mkdir -p "$work"

# What is told of a case: architecture, Debian's release and package of the kernel, what the guest does, and what the
# kernel is told.
cases=(old new locked systemd arm64)
describe() {
    case $1 in
        old) echo amd64 bullseye linux-image-5.10.0-32-cloud-amd64 tests ;;
        new) echo amd64 trixie linux-image-cloud-amd64 tests ;;
        locked) echo amd64 bookworm linux-image-cloud-amd64 locked lockdown=confidentiality ;;
        systemd) echo amd64 bookworm linux-image-cloud-amd64 systemd ;;
        arm64) echo arm64 bookworm linux-image-cloud-arm64 tests ;;
        *) echo "no such case: $1; there are: ${cases[*]}" >&2; return 2 ;;
    esac
}

slim=(--aptopt='APT::Install-Recommends "false"')
for folder in doc man locale info zoneinfo; do slim+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
slim+=(--dpkgopt='path-exclude=/lib/modules/*')

# A kernel, out of its package.
kernel() {
    local architecture=$1 release=$2 package=$3
    local into=$work/$package-$release
    if [ ! -e "$into" ]; then
        rm -rf "$work/unpacked"
        mmdebstrap --quiet --variant=extract --architectures="$architecture" "${slim[@]}" --include="$package" \
            "$release" "$work/unpacked"
        mv "$work"/unpacked/boot/vmlinuz* "$into"
        rm -rf "$work/unpacked"
    fi
    echo "$into"
}

# What a kernel finds in its memory: Debian with a C compiler and strace; on amd64 systemd, redis and runc as well.
# Another architecture's packages are unpacked, not configured, for their scripts do not run here.
system() {
    local architecture=$1 into=$work/$1.cpio
    local with=strace,gcc,libc6-dev,coreutils,procps,util-linux,busybox-static how=(--variant=extract)
    if [ ! -e "$into" ]; then
        if [ "$architecture" = amd64 ]; then
            how=(--variant=minbase)
            with+=,systemd-sysv,dbus,redis-server,redis-tools,runc
        else
            how+=(--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
        fi
        rm -rf "$work/unpacked"
        mmdebstrap --quiet "${how[@]}" --architectures="$architecture" "${slim[@]}" --include="$with" \
            bookworm "$work/unpacked"
        mkdir -p "$work"/unpacked/{proc,sys,dev,run,root,tmp}
        (cd "$work/unpacked" && find . -path ./boot -prune -o -print | cpio --quiet -o -H newc) > "$into.part"
        mv "$into.part" "$into"
        rm -rf "$work/unpacked"
    fi
    echo "$into"
}

# The program and the tests, where the tests look for their sources.
payload() {
    local architecture=$1 into=$work/payload-$1
    local triple=x86_64-unknown-linux-gnu strip=strip
    if [ "$architecture" = arm64 ]; then
        triple=aarch64-unknown-linux-gnu strip=aarch64-linux-gnu-strip
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    fi
    rm -rf "$into"
    mkdir -p "$into/payload/tests" "$into$target"/{,"$triple"/}tmp "$into$PWD/crates/idiolect-capture"
    cargo build --locked --release --quiet --target "$triple" -p idiolect
    cp "$target/$triple/release/idiolect" "$into/payload/"
    cargo test --locked --no-run --target "$triple" -p idiolect-capture 2> "$work/build.txt" \
        || { cat "$work/build.txt" >&2; return 1; }
    sed -n 's/.*Executable.*(\(.*\))$/\1/p' "$work/build.txt" \
        | while read -r test; do "$strip" -g -o "$into/payload/tests/$(basename "$test")" "$test"; done
    cp -r crates/idiolect-capture/{tests,bpf} "$into$PWD/crates/idiolect-capture/"
    cp scripts/kernels/guest.sh "$into/payload/"
    echo "$PWD/crates/idiolect-capture" > "$into/payload/folder"
    ln -s payload/guest.sh "$into/init"
    mkdir -p "$into/etc/systemd/system/multi-user.target.wants"
    cp scripts/kernels/guest.service "$into/etc/systemd/system/"
    ln -s ../guest.service "$into/etc/systemd/system/multi-user.target.wants/"
    (cd "$into" && find . | cpio --quiet -o -H newc) > "$into.cpio"
    echo "$into.cpio"
}

run() {
    local name=$1 architecture release package does with
    read -r architecture release package does with <<< "$(describe "$name")"
    local kernel system payload image=$work/$name.image log=$work/$name.txt
    kernel=$(kernel "$architecture" "$release" "$package")
    system=$(system "$architecture")
    payload=$(payload "$architecture")
    cat "$system" "$payload" > "$image"
    local first=/init machine=(qemu-system-x86_64) console=ttyS0
    [ "$does" != systemd ] || first=/sbin/init
    [ "$architecture" != arm64 ] || { machine=(qemu-system-aarch64 -M virt) console=ttyAMA0; }
    timeout "$seconds" "${machine[@]}" -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nographic -no-reboot \
        -kernel "$kernel" -initrd "$image" \
        -append "console=$console quiet panic=-1 rdinit=$first guest=$does $with" < /dev/null > "$log" 2>&1 || true
    rm "$image"
    if grep -aq '^guest: passed' "$log"; then
        echo "$name: passed on $(grep -a -m1 -o 'guest: Linux.*' "$log" | cut -c8- | tr -d '\r')"
    else
        echo "$name: FAILED, see $log"
        return 1
    fi
}

[ $# -gt 0 ] || set -- "${cases[@]}"
for name in "$@"; do describe "$name" > /dev/null; done
failed=0
for name in "$@"; do run "$name" || failed=1; done
exit "$failed"
