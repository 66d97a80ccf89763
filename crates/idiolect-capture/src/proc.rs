//! What `/proc` says of processes.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes read of one file of `/proc`: all that we want stands in the first few hundred.
const MOST: u64 = 1 << 16;

/// The content of a small file, without the line feed at its end.
pub(crate) fn line(path: impl AsRef<Path>) -> Option<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.truncate(text.trim_end_matches('\n').len());
    Some(text)
}

/// The process that a thread belongs to.
pub(crate) fn thread_group(tid: u32) -> Option<u32> {
    status(tid, "Tgid:")?.parse().ok()
}

/// The effective user of a process.
pub(crate) fn uid(pid: u32) -> Option<u32> {
    status(pid, "Uid:")?.split_whitespace().nth(1)?.parse().ok()
}

/// The name of a process.
pub(crate) fn comm(pid: u32) -> Option<String> {
    line(format!("/proc/{pid}/comm"))
}

/// A field of `/proc/PID/status`.
pub(crate) fn status(pid: u32, field: &str) -> Option<String> {
    let text = line(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(value.trim().to_owned())
}

/// When a process started, in nanoseconds since boot, in whole clock ticks.
pub(crate) fn start_ns(pid: u32) -> Option<u64> {
    /// After the name, which is in brackets and may hold anything, the next field is the third.
    const FIELD: usize = 22 - 3;
    let text = line(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = text.rsplit_once(')')?;
    let ticks: u64 = after_name.split_whitespace().nth(FIELD)?.parse().ok()?;
    ticks.checked_mul(TICK_NS)
}

/// A time in whole clock ticks, as `/proc` tells it.
pub(crate) fn in_ticks(ns: u64) -> u64 {
    ns / TICK_NS * TICK_NS
}

/// Field 22 of `/proc/PID/stat` counts in `USER_HZ`, which is 100 on every architecture that we know.
const TICK_NS: u64 = 10_000_000;

/// The path of the program that a process runs.
pub(crate) fn executable(pid: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().into_owned())
}

/// Whether a thread is one of this process.
pub(crate) fn is_thread_of(tid: u32, process: u32) -> bool {
    Path::new(&format!("/proc/{process}/task/{tid}")).exists()
}

/// The path by which a process executed its program, as it was given to the kernel: of a script, the script's.
/// Where it cannot be read, the path of the file that it runs, or its name.
///
/// The kernel puts it into the new program's memory (`AT_EXECFN` of its auxiliary vector), where the program has
/// not been yet when a tracer is told of the exec.
pub(crate) fn executed(pid: u32) -> Option<String> {
    given_path(pid)
        .or_else(|| executable(pid))
        .or_else(|| comm(pid))
}

fn given_path(pid: u32) -> Option<String> {
    /// The kernel's `PATH_MAX`.
    const PATH_MAX: usize = 4096;
    const AT_EXECFN: u64 = 31;
    let mut vector = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/auxv")).ok()?;
    file.take(MOST).read_to_end(&mut vector).ok()?;
    let address = entry::<8>(&vector, AT_EXECFN).or_else(|| entry::<4>(&vector, AT_EXECFN))?;
    let memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut text = [0; PATH_MAX];
    // It may end with the last page of the stack.
    let read = memory.read_at(&mut text, address).ok()?;
    let text = text[..read].split(|&byte| byte == 0).next()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

/// The value of an auxiliary vector's entry, of a program whose words have so many bytes.
fn entry<const WORD: usize>(vector: &[u8], wanted: u64) -> Option<u64> {
    let word = |bytes: &[u8]| -> u64 {
        match WORD {
            4 => bytes
                .try_into()
                .map_or(0, |word| u32::from_ne_bytes(word).into()),
            _ => bytes.try_into().map_or(0, u64::from_ne_bytes),
        }
    };
    let mut pairs = vector.chunks_exact(2 * WORD);
    let found = pairs.find(|pair| word(&pair[..WORD]) == wanted)?;
    Some(word(&found[WORD..]))
}

/// The path of its control group in the unified hierarchy.
pub(crate) fn cgroup(pid: u32) -> Option<Arc<str>> {
    let text = line(format!("/proc/{pid}/cgroup"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(Into::into)
}

/// The threads of a process, in the order of their numbers.
pub(crate) fn threads(pid: u32) -> Option<Vec<u32>> {
    numbers(PathBuf::from(format!("/proc/{pid}/task")))
}

/// The processes of the machine.
pub(crate) fn processes() -> Vec<u32> {
    numbers(PathBuf::from("/proc")).unwrap_or_default()
}

fn numbers(folder: PathBuf) -> Option<Vec<u32>> {
    let mut numbers: Vec<u32> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ourselves() {
        let pid = std::process::id();
        assert_eq!(thread_group(pid), Some(pid));
        assert!(threads(pid).unwrap().contains(&pid));
        assert!(processes().contains(&pid));
        assert_eq!(uid(pid), Some(rustix::process::geteuid().as_raw()));
        let own = std::env::current_exe().unwrap();
        assert_eq!(executable(pid).unwrap(), own.to_str().unwrap());
        // Cargo may give another path to the same file.
        let given = given_path(pid).unwrap();
        let file = own.file_name().unwrap().to_str().unwrap();
        assert!(given.ends_with(file), "{given}");
        assert!(is_thread_of(pid, pid) && !is_thread_of(1, pid));
        let now = crate::record::now_ns();
        let start = start_ns(pid).unwrap();
        assert!(
            start <= now && now - start < 3_600_000_000_000,
            "{start} {now}"
        );
    }

    #[test]
    fn auxiliary_vectors_of_both_widths() {
        let wide: Vec<u8> = [6u64, 4096, 31, 0x7fff_0000_1234, 0, 0]
            .into_iter()
            .flat_map(u64::to_ne_bytes)
            .collect();
        assert_eq!(entry::<8>(&wide, 31), Some(0x7fff_0000_1234));
        let narrow: Vec<u8> = [6u32, 4096, 31, 0xffff_1234, 0, 0]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        assert_eq!(entry::<8>(&narrow, 31), None);
        assert_eq!(entry::<4>(&narrow, 31), Some(0xffff_1234));
        assert_eq!(entry::<8>(&[1, 2, 3], 31), None);
    }

    #[test]
    fn nobody() {
        // The kernel's largest process number is 2^22.
        let nobody = 1 << 23;
        assert_eq!(thread_group(nobody), None);
        assert_eq!(start_ns(nobody), None);
        assert_eq!(executable(nobody), None);
        assert_eq!(threads(nobody), None);
    }
}
