//! Real logs of others: every file reads, and its calls agree with a count made in another way.

use std::fs;
use std::path::PathBuf;

use idiolect_trace::Abi;
use idiolect_trace::read::{ReadOptions, SkipKind};

use crate::read::try_read;

/// Files, their calls, their ABI.
///
/// The calls were counted by hand with `grep -cE '^(\[pid +[0-9]+\] )?([0-9:.]+ )?[a-z_0-9]+\('`, to
/// which come, in the aarch64 file, the two calls that stand behind a program's output (lines 2720 and
/// 2822). The nscd file ends in strace's own count of 61, which leaves out `exit_group`.
const FILES: [(&str, u64, Abi); 8] = [
    ("eyal670_gnome-calculator_first4000.txt", 4000, Abi::X86_64),
    ("nscd_a.out_stdout-interleaved.txt", 62, Abi::X86_64),
    ("perl6_strace.txt", 1158, Abi::X86_64),
    (
        "strace-parser_tests_samples_ttt_T_y_xx.txt",
        153,
        Abi::X86_64,
    ),
    ("strace-parser_ttt_xx.txt", 105, Abi::X86_64),
    ("thttpd_i386_old_strace.txt", 394, Abi::I386),
    ("tritonserver_aarch64_tt_first4000.txt", 3725, Abi::Aarch64),
    ("zookeeper-4311.txt", 70, Abi::X86_64),
];

#[test]
fn every_capture_reads_whole() {
    let Some(folder) = captures() else { return };
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, FILES.map(|(name, ..)| name));
    for (name, calls, abi) in FILES {
        let text = fs::read(folder.join(name)).unwrap();
        let read = try_read(name, &text, &ReadOptions::default()).unwrap();
        assert_eq!(read.report.calls, calls, "{name}");
        assert_eq!(count(&text), calls, "{name}");
        let skips = &read.report.skips;
        for kind in [
            SkipKind::Unparsed,
            SkipKind::OrphanResumed,
            SkipKind::OverBound,
        ] {
            assert_eq!(skips.count(kind), 0, "{name}: {skips:?}");
        }
        for call in read.calls() {
            assert_eq!(call.abi, abi, "{name}: {}", call.name);
            // strace shows i386's socketcall as the call that it stands for.
            let numbered = call.number.is_some() || matches!(call.name.as_str(), "accept" | "send");
            assert!(numbered, "{name}: {}", call.name);
        }
    }
}

/// What a line of the aarch64 file has to say: it has times, threads and glued output.
#[test]
fn times_and_threads_of_a_capture() {
    let Some(folder) = captures() else { return };
    let name = "tritonserver_aarch64_tt_first4000.txt";
    let text = fs::read(folder.join(name)).unwrap();
    let read = try_read(name, &text, &ReadOptions::default()).unwrap();
    let first = ((22 * 60 + 30) * 60 + 34) * 1_000_000_000 + 764_563_000;
    assert_eq!(read.calls()[0].time_ns, Some(first));
    assert!(read.calls().iter().all(|call| call.time_ns >= Some(first)));
    let mut threads: Vec<_> = read.calls().iter().map(|call| call.stream.tid).collect();
    threads.sort_unstable();
    threads.dedup();
    let numbers = [
        None,
        Some(416),
        Some(417),
        Some(418),
        Some(419),
        Some(420),
        Some(421),
    ];
    assert_eq!(threads, numbers);
}

/// Counts calls without knowing the grammar: a name and a bracket, where a line, or what follows `] ` or
/// the time on it, begins.
fn count(text: &[u8]) -> u64 {
    let mut calls = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = match line.find("[pid ") {
            Some(at) => &line[at + "[pid ".len()..],
            None => &line,
        };
        let mut words = line.split(' ');
        let word =
            words.find(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()));
        let name = word
            .and_then(|word| word.split_once('('))
            .map_or("", |(name, _)| name);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        calls += u64::from(!name.is_empty() && name.chars().all(is_name));
    }
    calls
}

#[expect(
    clippy::print_stderr,
    reason = "a skipped test must not pass in silence"
)]
fn captures() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("IDIOLECT_DATA") else {
        eprintln!("skipped: IDIOLECT_DATA is not set");
        return None;
    };
    Some(PathBuf::from(data).join("captures/strace"))
}
