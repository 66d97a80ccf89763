//! A made-up program under strace, and the built binary to run on its logs.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The built binary, away from whatever colours and dates this terminal and day have.
pub fn idiolect() -> Command {
    let mut command = Command::cargo_bin("idiolect").expect("the binary was built");
    command
        .env("NO_COLOR", "1")
        .env("SOURCE_DATE_EPOCH", "1800000000");
    command
}

/// Where the built binary is.
pub fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin("idiolect")
}

/// The built binary as a process of which the caller chooses the pipes.
pub fn idiolect_process() -> std::process::Command {
    let mut command = std::process::Command::new(binary());
    command
        .env("NO_COLOR", "1")
        .env("SOURCE_DATE_EPOCH", "1800000000");
    command
}

/// What a run printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i32,
}

/// Runs the binary with these arguments.
pub fn run(args: &[&str]) -> Ran {
    let output = idiolect().args(args).output().expect("it starts");
    Ran {
        out: String::from_utf8(output.stdout).expect("output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Runs it and insists that it succeeds.
pub fn succeed(args: &[&str]) -> Ran {
    let ran = run(args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

/// Runs it and insists that it fails with this in its message.
pub fn fail(args: &[&str], message: &str) {
    let ran = run(args);
    assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
    assert!(ran.err.contains(message), "{args:?}: {}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

/// A generator of numbers, so that logs differ from each other and are the same every time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// The calls of one run of the made-up program: it opens files, reads them in pieces, and sometimes
/// answers over a socket.
pub fn normal_calls(seed: u64) -> Vec<&'static str> {
    let mut dice = Dice::new(seed);
    let mut calls = vec!["brk", "mmap", "access", "openat", "fstat", "mmap", "close"];
    for _ in 0..3 + dice.roll(6) {
        match dice.roll(4) {
            0 => calls.extend(["socket", "connect", "sendto", "recvfrom", "close"]),
            1 => calls.extend(["newfstatat", "openat", "fstat"]),
            _ => calls.push("openat"),
        }
        let reads = 1 + dice.roll(5) as usize;
        calls.extend(std::iter::repeat_n("read", reads));
        calls.extend(["write", "close"]);
    }
    calls.push("exit_group");
    calls
}

/// Calls that the program makes too, in an order in which it never makes them, and calls it never makes.
pub fn odd_calls(seed: u64) -> Vec<&'static str> {
    let mut calls = normal_calls(seed);
    let middle = calls.len() / 2;
    let odd = [
        "dup2", "dup2", "dup2", "setuid", "execveat", "ptrace", "close", "connect", "write",
    ];
    calls.splice(middle..middle, odd);
    calls
}

/// The text that strace would write of these calls.
pub fn strace_text(calls: &[&str]) -> String {
    let mut text = String::from(
        "1700000000.000000 execve(\"/usr/bin/made-up\", [\"made-up\"], 0x7ffd /* 9 vars */) = 0\n",
    );
    for (place, call) in calls.iter().enumerate() {
        let result = if *call == "exit_group" { "?" } else { "3" };
        let _ = writeln!(
            text,
            "1700000000.{:06} {call}(1, \"x\") = {result}",
            (place + 1) * 100
        );
    }
    text.push_str("1700000001.000000 +++ exited with 0 +++\n");
    text
}

/// A folder with logs of normal runs in `normal/`.
pub struct Workplace {
    pub folder: tempfile::TempDir,
}

impl Workplace {
    /// With so many normal logs.
    pub fn new(logs: u64) -> Self {
        let workplace = Workplace {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        fs::create_dir(workplace.at("normal")).expect("a folder in it");
        for seed in 0..logs {
            workplace.write(
                &format!("normal/{seed:04}.strace"),
                strace_text(&normal_calls(seed)),
            );
        }
        workplace
    }

    /// Path of a file in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn path(&self, name: &str) -> String {
        self.at(name).to_str().expect("a UTF-8 path").to_owned()
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.at(name), content).expect("a writable folder");
        self.path(name)
    }

    /// A profile trained on the normal logs.
    pub fn train(&self, name: &str, more: &[&str]) -> String {
        let profile = self.path(name);
        let normal = self.path("normal");
        let mut args = vec!["train", &normal, "-o", &profile, "--epochs", "12"];
        args.extend(more);
        succeed(&args);
        profile
    }
}

/// The folder of public data sets, or a word on why a test is skipped.
pub fn public_data(below: &str) -> Option<PathBuf> {
    match std::env::var_os("IDIOLECT_DATA") {
        Some(folder) => Some(Path::new(&folder).join(below)),
        None => {
            println!("skipped: IDIOLECT_DATA is not set");
            None
        }
    }
}

/// A text with `#` for each of its numbers, of which a model's differ from one kind of processor to
/// another, and the blanks before one taken together.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut in_number = false;
    for (place, c) in text.char_indices() {
        let next = text[place + c.len_utf8()..].chars().next();
        let goes_on =
            in_number && matches!(c, '.' | ',') && next.is_some_and(|c| c.is_ascii_digit());
        if c.is_ascii_digit() || goes_on {
            if !in_number {
                let kept = out.trim_end_matches(' ').len();
                let blank = if kept < out.len() { " " } else { "" };
                out.truncate(kept);
                out.push_str(blank);
                out.push('#');
            }
            in_number = true;
        } else {
            in_number = false;
            out.push(c);
        }
    }
    out
}
