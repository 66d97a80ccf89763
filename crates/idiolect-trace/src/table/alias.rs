//! Names of one call that differ between tools and ABIs.

/// Every spelling that is not the canonical one, with the canonical one, sorted by spelling.
///
/// The rule and the reasons are in the documentation of [the module above](super).
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("_newselect", "select"),
    ("arm_fadvise64_64", "fadvise64_64"),
    ("arm_sync_file_range", "sync_file_range"),
    ("fstatat", "newfstatat"),
    ("fstatat64", "newfstatat"),
    ("llseek", "_llseek"),
    ("madvise1", "madvise"),
    ("mmap_pgoff", "mmap2"),
    ("newfstat", "fstat"),
    ("newlstat", "lstat"),
    ("newselect", "select"),
    ("newstat", "stat"),
    ("newuname", "uname"),
    ("old_getrlimit", "getrlimit"),
    ("old_mmap", "mmap"),
    ("old_readdir", "readdir"),
    ("old_select", "select"),
    ("oldmmap", "mmap"),
    ("oldselect", "select"),
    ("oldumount", "umount2"),
    ("pread", "pread64"),
    ("prlimit", "prlimit64"),
    ("pselect", "pselect6"),
    ("pwrite", "pwrite64"),
    ("sync_file_range2", "sync_file_range"),
    ("sysctl", "_sysctl"),
    ("timerfd", "timerfd_create"),
    ("umount", "umount2"),
];

/// What tools and sources put before a call's name: libc and headers (`SYS_`, `__NR_`, `__ARM_NR_`),
/// the functions of the kernel that ftrace, perf and kprobes show.
pub(super) const PREFIXES: &[&str] = &[
    "SYS_",
    "__NR_",
    "__ARM_NR_",
    "__x64_sys_",
    "__ia32_sys_",
    "__x32_sys_",
    "__arm64_sys_",
    "__riscv_sys_",
    "__se_sys_",
    "__do_sys_",
    "sys_",
];
