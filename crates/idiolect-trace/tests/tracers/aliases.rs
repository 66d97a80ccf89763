//! Each tool's spellings of calls become the canonical names.

use idiolect_trace::Record;
use idiolect_trace::read::Format;

use crate::story::tell_as;

/// Reads one line for each spelling, `{}` in it, and compares the names.
fn assert_names(format: Format, line: &str, spellings: &[(&str, &str)]) {
    for (spelling, name) in spellings {
        // Some lines before it, so that the layout is clear.
        let text = format!(
            "{}{}",
            line.replace("{}", "read"),
            line.replace("{}", spelling)
        );
        let story = tell_as(&text, format);
        let names: Vec<&str> = story
            .records
            .iter()
            .filter_map(|record| match record {
                Record::Call(call) => Some(call.name.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["read", name], "{format}: {spelling}");
    }
}

#[test]
fn names_of_sysdig() {
    let spellings = [
        ("pread", "pread64"),
        ("pwrite", "pwrite64"),
        ("prlimit", "prlimit64"),
        ("llseek", "_llseek"),
        ("fstatat", "newfstatat"),
        ("umount", "umount2"),
        ("newfstatat", "newfstatat"),
        ("sendfile", "sendfile"),
    ];
    for line in [
        "132 16:17:57.881753570 0 cat (20072) > {} fd=1 \n",
        "1470327477881753570 0 20072 cat 20072 {} > fd=1 \n",
        "132 16:17:57.881753570 0 1000 cat 20072 > {} fd=1 \n",
    ] {
        assert_names(Format::Sysdig, line, &spellings);
    }
    let json = "{\"evt.dir\":\">\",\"evt.type\":\"{}\",\"thread.tid\":7}\n";
    assert_names(Format::SysdigJson, json, &spellings);
}

/// The kernel's own functions.
const FUNCTIONS: [(&str, &str); 9] = [
    ("newfstat", "fstat"),
    ("newstat", "stat"),
    ("newlstat", "lstat"),
    ("newuname", "uname"),
    ("umount", "umount2"),
    ("sendfile64", "sendfile"),
    ("llseek", "_llseek"),
    ("pread64", "pread64"),
    ("uretprobe", "uretprobe"),
];

#[test]
fn names_of_tracepoints() {
    let perf = "cat 7 [000] 5.000001: syscalls:sys_enter_{}: fd: 0x3\n";
    assert_names(Format::PerfScript, perf, &FUNCTIONS);
    let trace_cmd = "cat-7 [000] 5.000001: sys_enter_{}: fd: 0x3\n";
    assert_names(Format::Ftrace, trace_cmd, &FUNCTIONS);
    let ftrace = "cat-7 [000] ..... 5.000001: sys_{}(fd: 3)\n";
    assert_names(Format::Ftrace, ftrace, &FUNCTIONS);
    let lttng = "[09:40:47.5] (+0.1) h syscall_entry_{}: { cpu_id = 2 }, { tid = 7 }, { }\n";
    assert_names(Format::Lttng, lttng, &FUNCTIONS);
}

#[test]
fn names_of_perf_trace() {
    let line = "     0.071 ( 0.020 ms): cat/3030 {}(fd: 3)  = 0\n";
    let spellings = [
        ("umount", "umount2"),
        ("sysctl", "_sysctl"),
        ("newfstatat", "newfstatat"),
    ];
    assert_names(Format::PerfTrace, line, &spellings);
}

#[test]
fn numbers() {
    let numbers = [
        ("262", "newfstatat"),
        ("166", "umount2"),
        ("9999", "syscall_9999"),
    ];
    for (format, line) in [
        (
            Format::PerfScript,
            "cat 7 [000] 5.000001: raw_syscalls:sys_enter: NR {} (3)\n",
        ),
        (
            Format::Ftrace,
            "cat-7 [000] 5.000001: sys_enter: NR {} (3)\n",
        ),
        (Format::Bpftrace, "5 7 7 enter {} cat\n"),
    ] {
        for (number, name) in numbers {
            let text = format!("{}{}", line.replace("{}", "0"), line.replace("{}", number));
            let story = tell_as(&text, format);
            assert_eq!(
                story.lines(),
                ["7 read=?".to_owned(), format!("7 {name}=?")]
            );
        }
    }
}
