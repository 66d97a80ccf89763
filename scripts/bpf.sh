#!/usr/bin/env bash
# Compiles the kernel side of live capture (crates/idiolect-capture/bpf) with clang to the objects that are committed
# beside it, and writes their manifest: clang's version and the hashes of sources and objects.
#   scripts/bpf.sh           compile anew
#   scripts/bpf.sh --check   compile aside and compare; needs the very clang that the manifest names
set -euo pipefail
cd "$(dirname "$0")/../crates/idiolect-capture/bpf"

clang=${CLANG:-clang}
strip=${LLVM_STRIP:-llvm-strip}
version=$("$clang" --version | sed -n 's/.*clang version \([0-9.]*\).*/\1/p')
into=objects
if [ "${1:-}" = --check ]; then
    if [ "$(head -n 1 objects/MANIFEST)" != "# clang $version" ]; then
        echo "skipped: the objects were compiled by$(sed -n '1s/^#//p' objects/MANIFEST), and this is clang $version"
        exit 0
    fi
    into=$(mktemp -d)
    trap 'rm -rf "$into"' EXIT
fi

for machine in x86_64 aarch64; do
    # The source's own path goes into the debug information of types: it is relative, so objects are the same anywhere.
    "$clang" -O2 -g -target bpfel -mcpu=v3 -Wall -Wextra -Werror -fdebug-compilation-dir=. \
        -D "TARGET_${machine^^}" -c capture.bpf.c -o "$into/capture.$machine.o"
    # The types (BTF) stay; the debugger's information goes.
    "$strip" --strip-debug "$into/capture.$machine.o"
done

if [ "$into" = objects ]; then
    {
        echo "# clang $version"
        sha256sum ./*.c ./*.h objects/*.o | sed 's|\./||'
    } > objects/MANIFEST
    cat objects/MANIFEST
else
    for machine in x86_64 aarch64; do
        cmp "$into/capture.$machine.o" "objects/capture.$machine.o"
    done
    echo "the objects are those of the source"
fi
