#!/usr/bin/env python3
"""Writes the call tables of idiolect-trace from the Rust crate linux-raw-sys.

The crate holds the constants of Linux's own user-space headers, one module an architecture, all made
from one kernel version, which it states itself (LINUX_VERSION_*).

    cargo fetch        # in any project that depends on linux-raw-sys
    tools/call-tables.py ~/.cargo/registry/src/*/linux-raw-sys-0.12.1 \
        > crates/idiolect-trace/src/table/linux.tsv

The table has a row a name, sorted by name, and a column an ABI; `-` where the ABI has no such call.
The names are the kernel's own; `table/alias.rs` joins those that are one call under several names.
"""

import re
import sys
from pathlib import Path

# Column of the table -> module of the crate.
ABIS = {
    "x86_64": "x86_64",
    "i386": "x86",
    "x32": "x32",
    "aarch64": "aarch64",
    "arm": "arm",
    "riscv64": "riscv64",
}

# Marks every x32 call number (arch/x86/include/uapi/asm/unistd.h, __X32_SYSCALL_BIT).
X32_BIT = 0x4000_0000

CONSTANT = re.compile(r"^pub const (\w+): u32 = (\d+);", re.MULTILINE)
# Constants of the headers that look like call numbers and are none.
NO_CALLS = {"__NR_SYSCALL_MASK", "__NR_SYSCALL_BASE", "__NR_OABI_SYSCALL_BASE", "__ARM_NR_BASE"}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    crate = Path(sys.argv[1])
    versions = set()
    rows: dict[str, dict[str, int]] = {}
    for abi, module in ABIS.items():
        text = (crate / "src" / module / "general.rs").read_text()
        constants = {name: int(value) for name, value in CONSTANT.findall(text)}
        versions.add(
            f"{constants['LINUX_VERSION_MAJOR']}.{constants['LINUX_VERSION_PATCHLEVEL']}"
        )
        calls = 0
        for constant, number in constants.items():
            if constant in NO_CALLS:
                continue
            prefix = next((p for p in ("__NR_", "__ARM_NR_") if constant.startswith(p)), None)
            if prefix is None:
                continue
            name = constant.removeprefix(prefix)
            if abi == "x32":
                number &= ~X32_BIT
            if abi in rows.setdefault(name, {}):
                sys.exit(f"{abi} has two calls named {name}")
            rows[name][abi] = number
            calls += 1
        if calls < 300:
            sys.exit(f"only {calls} calls found for {abi}: has the crate changed its form?")
    if len(versions) != 1:
        sys.exit(f"the modules stand for different kernels: {sorted(versions)}")

    print(f"# Linux {versions.pop()}; written by tools/call-tables.py from {crate.name}")
    print("\t".join(["name", *ABIS]))
    for name in sorted(rows):
        print("\t".join([name, *(str(rows[name].get(abi, "-")) for abi in ABIS)]))


if __name__ == "__main__":
    main()
