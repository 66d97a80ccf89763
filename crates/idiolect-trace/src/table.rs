//! Call tables: from a number to a canonical name and back, and from any tool's spelling to it.
//!
//! The tables of Linux are those of the kernel's own headers ([`KERNEL_VERSION`]); `tools/call-tables.py`
//! in the repository writes them anew. That of SunOS is the list that came with the traces of the
//! University of New Mexico, the only ones there are. macOS has no table: its calls come by name. A number that they do not have keeps a name: `syscall_467`.
//!
//! # One spelling a call
//! A profile learned from one source must serve another, so each call has one canonical name. It is the
//! kernel header's, except where ABIs or tools spell one call in several ways:
//!
//! | canonical | also spelled | where |
//! |---|---|---|
//! | `newfstatat` | `fstatat64`, `fstatat` | i386 and arm headers; sysdig, libc |
//! | `select` | `_newselect`, `newselect`, `old_select`, `oldselect` | i386 and arm headers; strace before 4.21 prints both calls of i386 as `select` |
//! | `umount2` | `umount`, `oldumount` | i386 header; LTTng and ftrace call 64-bit `umount2` `umount`, and so did strace |
//! | `pread64`, `pwrite64` | `pread`, `pwrite` | auditd, sysdig, strace before 4 |
//! | `prlimit64` | `prlimit` | sysdig, libc |
//! | `pselect6` | `pselect` | libc |
//! | `_llseek` | `llseek` | sysdig, LTTng |
//! | `_sysctl` | `sysctl` | LTTng, ftrace, old strace |
//! | `mmap` | `old_mmap`, `oldmmap` | strace on i386 (number 90) |
//! | `mmap2` | `mmap_pgoff` | LTTng and ftrace on i386 and arm |
//! | `stat`, `lstat`, `fstat`, `uname` | `newstat`, `newlstat`, `newfstat`, `newuname` | LTTng, ftrace |
//! | `getrlimit`, `readdir` | `old_getrlimit`, `old_readdir` | LTTng, ftrace, strace on i386 |
//! | `fadvise64_64` | `arm_fadvise64_64` | arm header |
//! | `sync_file_range` | `sync_file_range2`, `arm_sync_file_range` | arm header |
//! | `timerfd_create` | `timerfd` | i386 headers before 2.6.25 |
//! | `madvise` | `madvise1` | i386 headers before 3.x |
//!
//! An alias joins spellings of the same call. Two calls that one ABI has under two numbers, with two
//! meanings, stay apart (`stat`, `stat64` and `oldstat` of i386; `mmap` and `mmap2`; `sendfile` and
//! `sendfile64`; `getrlimit` and `ugetrlimit`). Two pairs of i386 are joined all the same, since tools
//! do not agree on which of the two they mean: `select` with `_newselect`, `umount` with `umount2`.
//!
//! A spelling may also carry a prefix (`SYS_read`, `__NR_read`, `sys_read`, `__x64_sys_read`) or be a
//! number's name (`syscall_467`, `syscall_0x1d3`, `SYS_467`).

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::{Abi, CallName};

mod alias;

/// The Linux version whose calls the tables hold.
pub const KERNEL_VERSION: &str = "6.17";

/// Numbers below this are found by index; the few above (of arm) by search.
const DENSE: u32 = 1024;

/// How a number that no table has is named: `syscall_467`.
const UNKNOWN_PREFIX: &str = "syscall_";

/// The same for SunOS and macOS, so that their unknown numbers are not taken for those of Linux.
const UNKNOWN_SUNOS: &str = "sunos_syscall_";
const UNKNOWN_DARWIN: &str = "darwin_syscall_";

/// The canonical name of a call's number; `syscall_467` (`sunos_syscall_467`) where the ABI's table does
/// not have it.
///
/// Constant time, and without allocation for a known number.
pub fn by_number(abi: Abi, number: u32) -> CallName {
    match lookup(abi, number) {
        Some(name) => CallName::from_static(name),
        None if abi == Abi::Sunos => CallName::from_owned(format!("{UNKNOWN_SUNOS}{number}")),
        None if abi == Abi::Darwin => CallName::from_owned(format!("{UNKNOWN_DARWIN}{number}")),
        None => CallName::unknown_number(number),
    }
}

/// Whether the ABI's table has this number.
pub fn is_known(abi: Abi, number: u32) -> bool {
    lookup(abi, number).is_some()
}

/// The number of a canonical name in an ABI; absent where the ABI has no such call.
///
/// Where two calls are joined under one name, the higher number, which is the newer call. A
/// `syscall_467` has the number that it names.
pub fn number(abi: Abi, name: &CallName) -> Option<u32> {
    match TABLES.names.get(name.as_str()) {
        Some((_, numbers)) => numbers[abi as usize],
        None if abi == Abi::Sunos => parse_number(name.as_str().strip_prefix(UNKNOWN_SUNOS)?),
        None if abi == Abi::Darwin => parse_number(name.as_str().strip_prefix(UNKNOWN_DARWIN)?),
        None => parse_number(name.as_str().strip_prefix(UNKNOWN_PREFIX)?),
    }
}

/// The canonical name of a spelling, by the table in [the module's documentation](self).
///
/// A name that no table has is its own canonical name, so that a newer kernel's calls are kept. None if
/// the text can be no call's name: empty, longer than [`CallName::MAX_LEN`], not an ASCII identifier, or
/// naming a number beyond 32 bits.
pub fn canonical(spelling: &str) -> Option<CallName> {
    if spelling.len() > CallName::MAX_LEN || !is_identifier(spelling) {
        return None;
    }
    let mut name = spelling;
    loop {
        if let Some((known, _)) = TABLES.names.get(name) {
            return Some(CallName::from_static(known));
        }
        if let Some(&known) = TABLES.aliases.get(name) {
            return Some(CallName::from_static(known));
        }
        if let Some(digits) = name.strip_prefix(UNKNOWN_PREFIX)
            && looks_like_number(digits)
        {
            return parse_number(digits).map(CallName::unknown_number);
        }
        let stripped = alias::PREFIXES
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        match stripped {
            Some(rest) if looks_like_number(rest) => {
                return parse_number(rest).map(CallName::unknown_number);
            }
            Some(rest) if is_identifier(rest) => name = rest,
            _ => return Some(CallName::from_owned(name.to_owned())),
        }
    }
}

/// Whether some ABI's table has a call of this spelling, or the spelling names a number.
pub(crate) fn is_known_spelling(spelling: &str) -> bool {
    canonical(spelling).is_some_and(|name| {
        TABLES.names.contains_key(name.as_str()) || name.as_str().starts_with(UNKNOWN_PREFIX)
    })
}

fn lookup(abi: Abi, number: u32) -> Option<&'static str> {
    let table = &TABLES.by_number[abi as usize];
    if number < DENSE {
        return table.dense.get(number as usize).copied().flatten();
    }
    table
        .sparse
        .iter()
        .find_map(|&(n, name)| (n == number).then_some(name))
}

fn is_identifier(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn looks_like_number(text: &str) -> bool {
    let digits = text.strip_prefix("0x");
    match digits {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn parse_number(text: &str) -> Option<u32> {
    if !looks_like_number(text) {
        return None;
    }
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The kernel's names: a row a name, a column an ABI (`-` where it has no such call).
const ROWS: &str = include_str!("table/linux.tsv");

/// The names of SunOS: a row a number. Some names stand there twice; both numbers mean the same.
const SUNOS: &str = include_str!("table/sunos.tsv");

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

struct Tables {
    by_number: [NumberTable; Abi::ALL.len()],
    /// Canonical name to itself, with static lifetime, and its numbers by ABI.
    names: HashMap<&'static str, (&'static str, Numbers)>,
    aliases: HashMap<&'static str, &'static str>,
}

type Numbers = [Option<u32>; Abi::ALL.len()];

#[derive(Default)]
struct NumberTable {
    dense: Vec<Option<&'static str>>,
    sparse: Vec<(u32, &'static str)>,
}

impl Tables {
    fn new() -> Self {
        let aliases: HashMap<_, _> = alias::ALIASES.iter().copied().collect();
        let mut by_number: [NumberTable; Abi::ALL.len()] = Default::default();
        let mut names: HashMap<_, (_, Numbers)> = HashMap::new();
        for row in rows() {
            let mut cells = row.split('\t');
            let Some(kernel_name) = cells.next() else {
                continue;
            };
            let name = aliases.get(kernel_name).copied().unwrap_or(kernel_name);
            let numbers = &mut names.entry(name).or_insert((name, Numbers::default())).1;
            for (abi, cell) in Abi::LINUX.into_iter().zip(cells) {
                let Ok(number) = cell.parse::<u32>() else {
                    continue;
                };
                by_number[abi as usize].insert(number, name);
                let known = &mut numbers[abi as usize];
                *known = (*known).max(Some(number));
            }
        }
        for (number, spelling) in sunos_rows() {
            let name = aliases.get(spelling).copied().unwrap_or(spelling);
            by_number[Abi::Sunos as usize].insert(number, name);
            let numbers = &mut names.entry(name).or_insert((name, Numbers::default())).1;
            numbers[Abi::Sunos as usize] = Some(number);
        }
        // A canonical name may be one that no supported ABI's header spells so; it is known all the same.
        for (_, name) in alias::ALIASES {
            names.entry(name).or_insert((name, Numbers::default()));
        }
        Tables {
            by_number,
            names,
            aliases,
        }
    }
}

impl NumberTable {
    fn insert(&mut self, number: u32, name: &'static str) {
        if number >= DENSE {
            self.sparse.push((number, name));
            return;
        }
        let index = number as usize;
        if self.dense.len() <= index {
            self.dense.resize(index + 1, None);
        }
        self.dense[index] = Some(name);
    }
}

/// The rows of the table without its comment and its head.
fn rows() -> impl Iterator<Item = &'static str> {
    ROWS.lines().skip(2)
}

/// Numbers and names of SunOS, in the order of numbers.
fn sunos_rows() -> impl Iterator<Item = (u32, &'static str)> {
    let cells = SUNOS.lines().skip(2).filter_map(|row| row.split_once('\t'));
    cells.filter_map(|(number, name)| Some((number.parse().ok()?, name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn head_names_the_version_and_the_abis_in_order() {
        let mut lines = ROWS.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with(&format!("# Linux {KERNEL_VERSION};")));
        let head: Vec<_> = lines.next().unwrap().split('\t').skip(1).collect();
        let abis: Vec<_> = Abi::LINUX.iter().map(|abi| abi.as_str()).collect();
        assert_eq!(head, abis);
        for (index, abi) in Abi::ALL.into_iter().enumerate() {
            assert_eq!(abi as usize, index, "tables are indexed by {abi}");
        }
    }

    /// Well-known numbers of each ABI, out of the kernel's headers.
    #[test]
    fn numbers_have_the_kernels_names() {
        for (abi, number, name) in [
            (Abi::X86_64, 0, "read"),
            (Abi::X86_64, 59, "execve"),
            (Abi::X86_64, 262, "newfstatat"),
            (Abi::X86_64, 469, "file_setattr"),
            (Abi::I386, 11, "execve"),
            (Abi::I386, 90, "mmap"),
            (Abi::I386, 192, "mmap2"),
            (Abi::I386, 300, "newfstatat"),
            (Abi::I386, 142, "select"),
            (Abi::X32, 520, "execve"),
            (Abi::X32, 0, "read"),
            (Abi::Aarch64, 221, "execve"),
            (Abi::Arm, 11, "execve"),
            (Abi::Arm, 0xf0002, "cacheflush"),
            (Abi::Arm, 341, "sync_file_range"),
            (Abi::Riscv64, 259, "riscv_flush_icache"),
            (Abi::X86_64, 1000, "syscall_1000"),
            (Abi::I386, u32::MAX, "syscall_4294967295"),
        ] {
            assert_eq!(by_number(abi, number).as_str(), name, "{abi} {number}");
        }
    }

    #[test]
    fn every_number_reads_back_unless_joined() {
        let mut joined = Vec::new();
        for abi in Abi::ALL {
            let mut known = 0;
            for n in (0..DENSE).chain(0xf_0000..0xf_0010) {
                let name = by_number(abi, n);
                assert_eq!(canonical(name.as_str()), Some(name.clone()));
                let back = number(abi, &name).unwrap();
                assert_eq!(by_number(abi, back), name);
                known += u32::from(is_known(abi, n));
                if back != n {
                    joined.push(format!("{abi} {n} {back} {name}"));
                }
            }
            let least = match abi {
                Abi::Sunos => 180,
                Abi::Darwin => 0,
                _ => 325,
            };
            assert!(known >= least, "{abi} has only {known} calls");
        }
        assert_eq!(
            joined,
            [
                "i386 22 52 umount2",
                "i386 82 142 select",
                "sunos 18 38 stat",
                "sunos 21 161 mount",
                "sunos 28 59 fstat",
                "sunos 39 78 setpgrp"
            ]
        );
    }

    /// The rule of the module's documentation: no ABI has an alias and its canonical name as two calls.
    #[test]
    fn aliases_join_no_two_calls_of_one_abi() {
        let kernel: HashMap<&str, Vec<Option<u32>>> = rows()
            .map(|row| {
                let mut cells = row.split('\t');
                let name = cells.next().unwrap();
                (name, cells.map(|cell| cell.parse().ok()).collect())
            })
            .collect();
        let mut joined = Vec::new();
        for (spelling, name) in alias::ALIASES {
            let (Some(a), Some(b)) = (kernel.get(spelling), kernel.get(name)) else {
                continue;
            };
            for (index, abi) in Abi::LINUX.into_iter().enumerate() {
                if let (Some(a), Some(b)) = (a[index], b[index])
                    && a != b
                {
                    joined.push(format!("{abi} {spelling} {name}"));
                }
            }
        }
        assert_eq!(joined, ["i386 _newselect select", "i386 umount umount2"]);
    }

    #[test]
    fn aliases_are_sorted_documented_and_lead_to_known_names() {
        assert!(alias::ALIASES.is_sorted_by(|a, b| a.0 < b.0));
        let docs = include_str!("table.rs");
        for (spelling, name) in alias::ALIASES {
            assert!(rows().any(|row| row.split('\t').next() == Some(name)));
            assert!(!alias::ALIASES.iter().any(|(other, _)| other == name));
            assert_eq!(canonical(spelling).unwrap().as_str(), *name);
            let row = |line: &&str| {
                line.starts_with("//! |")
                    && line.contains(&format!("`{name}`"))
                    && line.contains(&format!("`{spelling}`"))
            };
            assert!(
                docs.lines().any(|line| row(&line)),
                "{spelling} is not documented"
            );
        }
    }

    #[test]
    fn spellings() {
        for (spelling, name) in [
            ("read", "read"),
            ("SYS_read", "read"),
            ("__NR_read", "read"),
            ("sys_read", "read"),
            ("__x64_sys_newfstatat", "newfstatat"),
            ("sys_newstat", "stat"),
            ("SYS_467", "syscall_467"),
            ("syscall_467", "syscall_467"),
            ("syscall_0x1d3", "syscall_467"),
            ("syscall_0467", "syscall_467"),
            ("__ARM_NR_cacheflush", "cacheflush"),
            ("a_call_of_linux_9", "a_call_of_linux_9"),
            ("sys_", "sys_"),
            ("stat64", "stat64"),
            ("sendfile64", "sendfile64"),
        ] {
            assert_eq!(canonical(spelling).unwrap().as_str(), name, "{spelling}");
        }
        for no_call in [
            "",
            "12",
            "read(",
            "re ad",
            "réad",
            "syscall_99999999999",
            "SYS_0x1ffffffff",
            &"a".repeat(65),
        ] {
            assert_eq!(canonical(no_call), None, "{no_call}");
        }
    }

    proptest! {
        #[test]
        fn canonical_is_idempotent(
            spelling in "(SYS_|__NR_|sys_|syscall_|__x64_sys_){0,3}[a-z0-9_x]{0,12}"
        ) {
            if let Some(name) = canonical(&spelling) {
                prop_assert_eq!(canonical(name.as_str()), Some(name));
            }
        }

        #[test]
        fn canonical_takes_any_text(text in ".{0,80}") {
            if let Some(name) = canonical(&text) {
                prop_assert_eq!(canonical(name.as_str()), Some(name));
            }
        }

        #[test]
        fn a_number_of_any_size_has_a_name(n: u32) {
            for abi in Abi::ALL {
                let name = by_number(abi, n);
                prop_assert_eq!(canonical(name.as_str()), Some(name));
            }
        }
    }
}
