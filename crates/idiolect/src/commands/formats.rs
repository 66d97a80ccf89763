//! `idiolect formats`.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use idiolect_trace::read::{About, Format};
use serde::Serialize;

use crate::exit;
use crate::output::{finish, out};

/// List the formats that are read, with what each holds and the command that records it
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: time, pid, tid, abi (of each call), ends (how calls ended), lives (forks, execs and exits), lost
(marks where events were lost): yes, no, or some, by how a file was recorded. calls: all, some (those that
rules choose), or asked (all, unless whoever recorded them asked for some; what is in a file shows it).

Examples:
  idiolect formats
  idiolect formats --json | jq 'select(.lost != \"no\") | .format'")]
pub(crate) struct Formats {
    /// Print a JSON object a format
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct JsonLine {
    format: &'static str,
    #[serde(flatten)]
    about: About,
}

pub(crate) fn run(args: &Formats) -> Result<u8> {
    let mut out = out();
    if args.json {
        for format in Format::ALL {
            let line = JsonLine {
                format: format.as_str(),
                about: format.about(),
            };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        finish(out)?;
        return Ok(exit::OK);
    }
    writeln!(
        out,
        "{:<9} time pid  tid  abi  ends lives lost calls  what it is",
        "format"
    )?;
    for format in Format::ALL {
        let about = format.about();
        writeln!(
            out,
            "{:<9} {:<4} {:<4} {:<4} {:<4} {:<4} {:<5} {:<4} {:<6} {}",
            format.as_str(),
            about.time,
            about.process,
            about.thread,
            about.abi,
            about.outcome,
            about.lifecycles,
            about.loss,
            about.calls,
            about.title,
        )?;
        writeln!(out, "{:10}by {}", "", about.writer)?;
        if !about.record.is_empty() {
            writeln!(out, "{:10}$ {}", "", about.record)?;
        }
    }
    finish(out)?;
    Ok(exit::OK)
}
