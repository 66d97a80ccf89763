//! `idiolect repair`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use idiolect_record::{Repaired, repair};
use serde::Serialize;

use crate::exit;
use crate::output;
use crate::ui;

/// Close a recording that was cut off: by a kill, a crash or a full disk
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect repair web.rec
  idiolect repair web.rec --json | jq .records

The whole records of its journal become a segment, and what is no whole record is counted. Nothing is
removed before what replaces it is on the disk. A recording can be read without being repaired; what
reads it says what was cut off.")]
pub(crate) struct Repair {
    /// The recording
    #[arg(value_name = "DIR")]
    recording: PathBuf,

    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    was_whole: bool,
    records: u64,
    calls: u64,
    segments_before: u64,
    records_rescued: u64,
    cut_bytes: u64,
    broken_bytes: u64,
    broken_places: u64,
}

pub(crate) fn run(args: &Repair) -> Result<u8> {
    let bar = ui::counter("repairing");
    let repaired = repair(&args.recording);
    bar.finish_and_clear();
    let repaired = repaired?;
    if args.json {
        let mut out = output::out();
        serde_json::to_writer(&mut out, &report(&repaired))?;
        writeln!(out)?;
        output::finish(out)?;
        return Ok(exit::OK);
    }
    say(&repaired);
    Ok(exit::OK)
}

fn report(repaired: &Repaired) -> Report {
    let damage = repaired.damage;
    Report {
        was_whole: repaired.was_whole,
        records: repaired.records_before + repaired.records_rescued,
        calls: repaired.calls,
        segments_before: repaired.segments,
        records_rescued: repaired.records_rescued,
        cut_bytes: damage.cut_bytes,
        broken_bytes: damage.broken_bytes,
        broken_places: damage.broken_places,
    }
}

fn say(repaired: &Repaired) {
    let Report {
        records,
        records_rescued,
        cut_bytes,
        broken_bytes,
        broken_places,
        ..
    } = report(repaired);
    if repaired.was_whole {
        ui::say(&format!(
            "the recording is whole: {} in {}",
            ui::plural(records, "record"),
            ui::plural(repaired.segments, "segment")
        ));
        return;
    }
    ui::say(&format!(
        "closed: {}, of which {} were in the journal alone",
        ui::plural(records, "record"),
        ui::count(records_rescued)
    ));
    if cut_bytes > 0 {
        ui::say(&format!(
            "cut off: the last {} of the journal are no whole records",
            ui::plural(cut_bytes, "byte")
        ));
    }
    if broken_bytes > 0 {
        ui::say(&format!(
            "damaged: {} of the journal in {}, where a gap stands now",
            ui::plural(broken_bytes, "byte"),
            ui::plural(broken_places, "place")
        ));
    }
}
