//! How large a recording is and how fast it is written and read; `scripts/recording.sh` runs it.
//!
//!     recording write DIR EVENTS     writes a synthetic recording, with outcomes
//!     recording parquet FILE EVENTS  the same into one Parquet file, without a journal
//!     recording rows PATH            reads rows
//!     recording records PATH         reads records, as commands do
//!     recording lines FILE           counts the line ends in a file, the anchor
//!
//!     recording events EVENTS        makes the synthetic events and drops them
//!
//! Each prints one line: events, seconds that passed, seconds of processor time (of all threads), events a second of
//! that, bytes an event, peak memory in MiB.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use idiolect_record::{
    ParquetFile, ParquetWriter, Recording, RecordingInfo, RecordingOptions, Summary,
};
use idiolect_trace::read::{ReadOptions, Sink, read_path};
use idiolect_trace::{
    Abi, Call, Errno, Lifecycle, LifecycleKind, Outcome, Record, StreamId, table,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let began = Instant::now();
    let (events, bytes) = match args[..] {
        ["write", folder, events] => write(Path::new(folder), events.parse()?)?,
        ["parquet", file, events] => parquet(Path::new(file), events.parse()?)?,
        ["events", events] => generate(events.parse()?)?,
        ["rows", path] => rows(Path::new(path))?,
        ["records", path] => records(Path::new(path))?,
        ["lines", file] => lines(Path::new(file))?,
        _ => return Err("see the beginning of examples/recording.rs".into()),
    };
    let seconds = began.elapsed().as_secs_f64();
    let processor = processor_seconds()?;
    let rate = events as f64 / processor;
    let each = bytes as f64 / events as f64;
    println!(
        "{:8} {events:>10} events {seconds:>7.2} s {processor:>6.2} s of processor {rate:>11.0} /s {each:>6.2} \
         bytes each {:>4} MiB",
        args[0],
        peak()?
    );
    Ok(())
}

/// Processor time of the process so far, in its own code and in the system.
fn processor_seconds() -> Result<f64> {
    // What follows the name in brackets, which may hold spaces; ticks are of 10 ms on Linux (proc(5)).
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no name in /proc/self/stat")?;
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<std::result::Result<u64, _>>()?;
    Ok((ticks as f64 / 100.0).max(0.01))
}

/// Largest memory that the process had.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmHWM")?.parse::<u64>()? / 1024)
}

fn info() -> RecordingInfo {
    RecordingInfo {
        origin: "synthetic".to_owned(),
        host: Some("host".to_owned()),
        ..RecordingInfo::default()
    }
}

fn write(folder: &Path, events: u64) -> Result<(u64, u64)> {
    let mut recording = Recording::create(folder, info(), RecordingOptions::default())?;
    let mut source = Source::new();
    for _ in 0..events {
        match source.next() {
            Event::Call(call) => recording.push_call(
                call.time_ns,
                &source.threads[call.thread].id,
                Abi::X86_64,
                call.number,
                call.outcome,
            )?,
            Event::Other(record) => recording.push(&record)?,
        }
    }
    let finished = recording.finish(Summary::default())?;
    Ok((finished.records, finished.bytes))
}

fn parquet(file: &Path, events: u64) -> Result<(u64, u64)> {
    let mut writer = ParquetWriter::new(File::create(file)?, "file", info())?;
    let mut source = Source::new();
    for _ in 0..events {
        let record = match source.next() {
            Event::Call(call) => Record::Call(Call {
                time_ns: call.time_ns,
                stream: source.threads[call.thread].id.clone(),
                abi: Abi::X86_64,
                number: Some(call.number),
                name: table::by_number(Abi::X86_64, call.number),
                outcome: call.outcome,
            }),
            Event::Other(record) => *record,
        };
        writer.push(&record)?;
    }
    let (_, written) = writer.finish()?;
    Ok((written.records, written.bytes))
}

/// The source alone, to be taken off.
fn generate(events: u64) -> Result<(u64, u64)> {
    let mut source = Source::new();
    let mut last = 0;
    for _ in 0..events {
        if let Event::Call(call) = source.next() {
            last = std::hint::black_box(call.number).max(last);
        }
    }
    Ok((events, 0))
}

/// Parquet files of a recording, or the one that is named.
fn files(path: &Path) -> Result<Vec<std::path::PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|e| e == "parquet"));
    files.sort();
    Ok(files)
}

fn rows(path: &Path) -> Result<(u64, u64)> {
    let (mut events, mut bytes, mut sum) = (0, 0, 0_u64);
    for path in files(path)? {
        bytes += fs::metadata(&path)?.len();
        let mut file = ParquetFile::open(&path)?;
        while let Some(batch) = file.next_batch()? {
            events += batch.len() as u64;
            for row in &batch.rows {
                sum = sum.wrapping_add(row.time_ns ^ u64::from(row.item));
            }
            file.recycle(batch);
        }
    }
    std::hint::black_box(sum);
    Ok((events, bytes))
}

fn records(path: &Path) -> Result<(u64, u64)> {
    struct Count(u64);
    impl Sink for Count {
        fn record(&mut self, record: Record) -> ControlFlow<()> {
            std::hint::black_box(&record);
            self.0 += 1;
            ControlFlow::Continue(())
        }
    }
    idiolect_record::register();
    let mut bytes = 0;
    for path in files(path)? {
        bytes += fs::metadata(&path)?.len();
    }
    let mut count = Count(0);
    read_path(path, &ReadOptions::default(), &mut count)?;
    Ok((count.0, bytes))
}

fn lines(path: &Path) -> Result<(u64, u64)> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    let (mut lines, mut bytes) = (0, 0);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((lines, bytes));
        }
        lines += buffer[..n].iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += n as u64;
    }
}

/// Eight processes of four threads, on two processors. Each thread goes through the loop of a server of
/// its own, with chance detours; some calls fail; mappings are at different addresses. Times are those of two
/// processors that take turns being seen. Now and then a process ends and another begins.
struct Source {
    random: u64,
    now: u64,
    threads: Vec<Thread>,
    running: usize,
    turns: u64,
    next_pid: u32,
    pending: Vec<Record>,
}

struct Thread {
    id: StreamId,
    place: usize,
}

struct Made {
    time_ns: Option<u64>,
    thread: usize,
    number: u32,
    outcome: Option<Outcome>,
}

enum Event {
    Call(Made),
    Other(Box<Record>),
}

/// Calls of a loop, by x86_64 number: epoll_wait, accept4, recvfrom, openat, newfstatat, sendfile, close,
/// writev, setsockopt, read, write, futex, clock_gettime and their like.
const LOOP: [u32; 24] = [
    232, 288, 233, 45, 257, 262, 40, 3, 20, 54, 0, 1, 202, 228, 232, 45, 257, 5, 17, 3, 44, 202,
    232, 0,
];

impl Source {
    fn new() -> Self {
        let mut source = Source {
            random: 0x9e37_79b9_7f4a_7c15,
            now: 1_700_000_000_000_000_000,
            threads: Vec::new(),
            running: 0,
            turns: 0,
            next_pid: 1_000,
            pending: Vec::new(),
        };
        (0..32).for_each(|thread| source.threads.push(source.thread(thread)));
        source
    }

    fn thread(&self, thread: usize) -> Thread {
        let tgid = self.next_pid + 8 * (thread as u32 / 4);
        Thread {
            id: StreamId {
                host: Some("host".into()),
                boot: Some("0d7b".into()),
                tgid: Some(tgid),
                start_ns: Some(5_000_000_000 + u64::from(tgid) * 10_000_000),
                ..StreamId::thread("synthetic".into(), tgid + thread as u32 % 4)
            },
            place: thread,
        }
    }

    /// xorshift64* (Vigna 2016).
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    fn next(&mut self) -> Event {
        if let Some(record) = self.pending.pop() {
            return Event::Other(Box::new(record));
        }
        if self.turns == 0 {
            self.running = self.random(32) as usize;
            self.turns = 1 + self.random(40);
            if self.random(2_000) == 0 {
                self.replace();
            }
        }
        self.turns -= 1;
        // 0.3 to 1.3 us between calls, and now and then a wait.
        self.now += 300 + self.random(1_000);
        if self.random(60) == 0 {
            self.now += self.random(200_000);
        }
        let detour = self.random(12);
        let thread = self.running;
        let place = self.threads[thread].place;
        let number = match detour {
            0 => LOOP[self.random(24) as usize],
            1 => 9,
            _ => LOOP[place % LOOP.len()],
        };
        self.threads[thread].place = place + 1;
        let outcome = match (self.random(12), number) {
            (0, _) => Outcome::Failed(Errno([11, 2, 4, 110][self.random(4) as usize])),
            (_, 9) => Outcome::Returned(0x7f00_0000_0000 + 4_096 * self.random(1 << 20) as i64),
            (_, 0 | 1 | 45 | 44 | 20 | 40) => Outcome::Returned(match self.random(3) {
                0 => self.random(16_384) as i64,
                _ => 4_096,
            }),
            (_, 257 | 288) => Outcome::Returned(3 + self.random(40) as i64),
            _ => Outcome::Returned(0),
        };
        Event::Call(Made {
            time_ns: Some(self.now),
            thread,
            number,
            outcome: Some(outcome),
        })
    }

    /// A process ends, and another one takes its place.
    fn replace(&mut self) {
        let thread = self.running;
        let old = self.threads[thread].id.clone();
        self.next_pid += 64;
        self.threads[thread] = self.thread(thread);
        let new = self.threads[thread].id.clone();
        let life = |stream: &StreamId, kind| Lifecycle {
            time_ns: Some(self.now),
            stream: stream.clone(),
            kind,
            parent: None,
            executable: None,
            uid: None,
            cgroup: None,
            status: None,
        };
        self.pending = vec![
            Record::Lifecycle(Lifecycle {
                parent: Some(old.clone()),
                executable: Some("/usr/sbin/server".to_owned()),
                uid: Some(33),
                cgroup: Some("/system.slice/server.service".to_owned()),
                ..life(&new, LifecycleKind::Fork)
            }),
            Record::Lifecycle(life(&old, LifecycleKind::Exit)),
        ];
    }
}
