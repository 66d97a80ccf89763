//! `idiolect doctor`.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use clap::Args;
use idiolect_capture::doctor::{self, Diagnosis, SUPPORT};

use crate::output::{finish, out};

/// Say what this machine lets us record, and what the rest would take
///
/// Every backend is tried: programs are loaded into the kernel and trace points opened, where that is allowed, and let
/// go of at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect doctor
  sudo idiolect doctor
  idiolect doctor --json | jq -r '.backends[] | select(.works).backend'")]
pub(crate) struct Doctor {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Doctor) -> Result<u8> {
    let diagnosis = doctor::examine();
    let text = if args.json {
        format!("{:#}\n", serde_json::to_value(&diagnosis)?)
    } else {
        as_text(&diagnosis)
    };
    let mut out = out();
    out.write_all(text.as_bytes())?;
    finish(out)?;
    Ok(crate::exit::OK)
}

fn as_text(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    let mut line = |label: &str, mark: &str, value: &str| {
        let _ = writeln!(text, "{label:<20} {mark:<2} {value}");
    };
    for fact in &diagnosis.facts {
        let mark = if fact.is_hindrance { "!" } else { "" };
        line(fact.name, mark, &fact.value);
    }
    for examined in &diagnosis.backends {
        line("", "", "");
        let verdict = match (examined.works, examined.lacks.is_empty()) {
            (true, true) => "works",
            (true, false) => "works, with limits:",
            (false, _) => "does not work:",
        };
        line(examined.backend.as_str(), "", verdict);
        for lack in &examined.lacks {
            line("", "-", &lack.what);
            line("", "", &lack.remedy);
        }
    }
    line("", "", "");
    for row in SUPPORT {
        let applies = row == diagnosis.row;
        let (label, mark) = if applies {
            ("this machine", ">")
        } else {
            ("", "")
        };
        line(label, mark, row.machine);
        line("", "", &format!("  {}", row.support));
    }
    line("", "", "");
    for (place, spot) in diagnosis.blind_spots.iter().enumerate() {
        line(if place == 0 { "not seen" } else { "" }, "-", spot);
    }
    // No line ends with the blanks that stand for what it lacks.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
