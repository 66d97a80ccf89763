//! Records and throws away, for `scripts/capture-cost.sh`: what recording costs by itself.
//!
//! `consume BACKEND[+outcomes|+fast] comm=NAME | pid=PID | cgroup=PATH | all | CMD ARGS` prints `ready` on standard
//! error once it records, and at the end a line of JSON: events, what was lost, and seconds. It ends with what it
//! records, or when its standard input does.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::error::Error;
use std::ffi::OsString;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use idiolect_capture::{Options, State, Target, open};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let how = arguments.next().ok_or("which backend?")?;
    let how = how.to_str().ok_or("not a backend")?;
    let (backend, option) = how.split_once('+').unwrap_or((how, ""));
    let options = Options {
        outcomes: option == "outcomes",
        fast: option == "fast",
        ..Options::default()
    };
    let target = target(arguments.collect())?;
    let is_command = matches!(target, Target::Command(_));
    let mut source = open(&target, Some(backend.parse()?), options)?.source;
    eprintln!("ready");

    let stop = Arc::new(AtomicBool::new(false));
    if !is_command {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.store(true, Ordering::Release);
        });
    }
    let began = Instant::now();
    let (mut events, mut batch, mut is_stopped) = (0, Vec::new(), false);
    while source.poll(&mut batch, Duration::from_millis(100))? == State::Running {
        events += batch.len();
        batch.clear();
        if stop.load(Ordering::Acquire) && !is_stopped {
            source.stop()?;
            is_stopped = true;
        }
    }
    println!(
        "{{\"events\": {events}, \"lost\": {}, \"seconds\": {:.3}}}",
        source.losses().total(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn target(arguments: Vec<OsString>) -> Result<Target, Box<dyn Error>> {
    let first = arguments.first().and_then(|first| first.to_str());
    let first = first.ok_or("record what?")?;
    Ok(match first.split_once('=') {
        Some(("comm", name)) => Target::Comm(name.to_owned()),
        Some(("pid", pid)) => Target::Pid(pid.parse()?),
        Some(("cgroup", path)) => Target::Cgroup(path.into()),
        _ if first == "all" => Target::All,
        _ => Target::Command(arguments),
    })
}
