//! `idiolect convert`.

mod target;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use idiolect_trace::read::{Numbering, escape};
use idiolect_trace::{Abi, Record, table};

use crate::args::Reading;
use crate::exit;
use crate::input::{self, Begun, Handler, Input};
use crate::interrupt::Interrupt;
use crate::ui;
use target::{Lines, Records, Strace, Target, Words};

/// Write traces in another format
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect convert run.strace -o run.jsonl
  idiolect convert logs/ -o names/ --to names
  idiolect convert web.rec -o web.parquet
  idiolect convert web.rec -o web.strace
  idiolect convert sendmail/ --numbering sunos0 -o sendmail.jsonl
  idiolect convert run.strace -o run.int --to unm --to-numbering i386 --drop
  idiolect convert run.strace -o - | jq .name

What each format keeps:
  jsonl    all that is read, one record a line (docs/record-format.md)
  parquet  all that is read, in a file for pandas and DuckDB (docs/recording-format.md)
  strace   text like strace's: calls, outcomes, times, programs, exits; not arguments, users or gaps
  names    the names of calls; a folder with a file for each stream
  numbers  their numbers by --to-abi; a folder with a file for each stream
  adfa     the numbers of calls on i386; a folder with a file for each stream
  unm      a process and a call a line, interleaved as they were: numbers by --to-numbering, else names
Calls go from one ABI's numbers to another's by their names. What is there already is replaced if it
is a file; a folder has to be new or empty. Nothing is there until all of it is.")]
pub(crate) struct Convert {
    /// Files, folders, .zip, .tar.gz or .gz archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Where to write: a file, a folder, or - for standard output
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,

    /// The format to write [default: parquet and strace by the name of the file, else jsonl]
    #[arg(long, value_name = "FORMAT", value_enum)]
    to: Option<To>,

    /// Whose numbers --to numbers writes: x86_64, i386, x32, aarch64, arm, riscv64 or sunos [default: this
    /// machine's]
    #[arg(long, value_name = "ABI")]
    to_abi: Option<Abi>,

    /// What numbers are to mean in UNM's format: sunos0, sunos1 or i386
    #[arg(long, value_name = "TABLE")]
    to_numbering: Option<Numbering>,

    /// Leave out calls that have no number in the table, instead of failing
    #[arg(long)]
    drop: bool,

    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    Jsonl,
    #[cfg(feature = "parquet")]
    Parquet,
    Strace,
    #[value(alias = "plain")]
    Names,
    Numbers,
    Adfa,
    Unm,
}

impl To {
    /// What the name of a file asks for.
    fn of_name(path: &Path) -> To {
        match path.extension().and_then(|end| end.to_str()) {
            #[cfg(feature = "parquet")]
            Some("parquet") => To::Parquet,
            Some("strace") => To::Strace,
            _ => To::Jsonl,
        }
    }

    /// Whether the format can say that calls are missing.
    fn keeps_gaps(self) -> bool {
        match self {
            To::Jsonl => true,
            #[cfg(feature = "parquet")]
            To::Parquet => true,
            _ => false,
        }
    }
}

pub(crate) fn run(args: &Convert) -> Result<u8> {
    let to = args.to.unwrap_or_else(|| To::of_name(&args.output));
    if args.to_numbering.is_some() && to != To::Unm {
        bail!("--to-numbering is the table of UNM's format: give --to unm with it");
    }
    if args.to_abi.is_some() && to != To::Numbers {
        bail!("--to-abi is the table of numbers: give --to numbers with it");
    }
    let spelling = match to {
        To::Adfa => Spelling::Number(Numbering::I386),
        To::Unm => args.to_numbering.map_or(Spelling::Name, Spelling::Number),
        To::Numbers => match args.to_abi.or_else(Abi::native) {
            Some(abi) => Spelling::Abi(abi),
            None => bail!("there is no table for this machine's calls: name one (--to-abi)"),
        },
        _ => Spelling::Name,
    };
    let output = &args.output;
    let target: Box<dyn Target> = match to {
        To::Jsonl => Box::new(Records::create(output)?),
        #[cfg(feature = "parquet")]
        To::Parquet => Box::new(target::Parquet::create(output)?),
        To::Strace => Box::new(Strace::create(output)?),
        To::Unm => Box::new(Lines::create(output)?),
        To::Names | To::Numbers => Box::new(Words::create(output, "\n")?),
        To::Adfa => Box::new(Words::create(output, " ")?),
    };
    let mut converting = Converting {
        spelling,
        target,
        keeps_gaps: to.keeps_gaps(),
        spelled: HashMap::new(),
        streams: 0,
        calls: 0,
        gaps: 0,
        unspelled: BTreeMap::new(),
        interrupt: Interrupt::listen(),
    };
    let parts = &args.reading.part;
    let read = input::read(
        Input::Paths(&args.paths),
        &args.reading,
        parts,
        &mut converting,
    );
    let read = match read {
        Err(error) if error.is::<Interrupted>() => {
            ui::say("interrupted: nothing was written");
            return Ok(exit::INTERRUPTED);
        }
        read => read?,
    };
    converting.finish(read.sources, args.drop)
}

/// How a call is written.
#[derive(Clone, Copy)]
enum Spelling {
    Name,
    Number(Numbering),
    Abi(Abi),
}

impl Spelling {
    fn of(self, name: &str) -> Option<String> {
        match self {
            Spelling::Name => Some(name.to_owned()),
            Spelling::Number(numbering) => {
                let number = table::number(numbering.abi(), &table::canonical(name)?)?;
                numbering.from_abi(number).map(|number| number.to_string())
            }
            Spelling::Abi(abi) => {
                table::number(abi, &table::canonical(name)?).map(|number| number.to_string())
            }
        }
    }
}

struct Converting {
    spelling: Spelling,
    target: Box<dyn Target>,
    /// Whether the format can say that calls are missing.
    keeps_gaps: bool,
    /// What each name becomes.
    spelled: HashMap<String, Option<String>>,
    streams: u64,
    calls: u64,
    gaps: u64,
    /// Calls without a number, by name.
    unspelled: BTreeMap<String, u64>,
    interrupt: Interrupt,
}

/// Somebody asked to stop.
#[derive(Debug)]
struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Handler for Converting {
    fn record(&mut self, record: &Record) -> Result<()> {
        // What was made aside is removed as this returns.
        ensure!(!self.interrupt.asked(), Interrupted);
        self.target.record(record)
    }

    fn begin(&mut self, key: u64, begun: &Begun<'_>) -> Result<()> {
        self.streams += 1;
        self.target.begin(key, begun);
        Ok(())
    }

    fn call(&mut self, key: u64, token: &str, _time_ns: Option<u64>) -> Result<()> {
        self.calls += 1;
        // A token may begin with the ABI that this one call was made by.
        let name = token.rsplit(':').next().unwrap_or(token);
        if !self.spelled.contains_key(name) {
            self.spelled.insert(name.to_owned(), self.spelling.of(name));
        }
        match &self.spelled[name] {
            Some(word) => self.target.call(key, word),
            None => {
                *self.unspelled.entry(name.to_owned()).or_default() += 1;
                Ok(())
            }
        }
    }

    fn gap(&mut self, _key: u64) -> Result<()> {
        self.gaps += 1;
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        self.target.end(key)
    }
}

impl Converting {
    fn finish(self, sources: u64, drop: bool) -> Result<u8> {
        if self.calls == 0 {
            bail!("there is no call in what was read");
        }
        let dropped: u64 = self.unspelled.values().sum();
        if dropped > 0 {
            let lost = self.unspelled_in_words(dropped);
            if !drop {
                bail!("{lost}: leave them out with --drop, or write --to jsonl or names");
            }
            if dropped == self.calls {
                bail!("{lost}: nothing would be left");
            }
            ui::say(&format!("left out: {lost}"));
        }
        if self.gaps > 0 && !self.keeps_gaps {
            ui::say(&format!(
                "{} where calls are missing cannot be said in this format: what stands on either side now \
                 follows one another",
                ui::plural(self.gaps, "place")
            ));
        }
        let written = self.target.finish()?;
        ui::say(&format!(
            "wrote {} of {} from {} to {written}",
            ui::plural(self.calls - dropped, "call"),
            ui::plural(self.streams, "stream"),
            ui::plural(sources, "file"),
        ));
        Ok(exit::OK)
    }

    /// Which calls have no number, the commonest first.
    fn unspelled_in_words(&self, dropped: u64) -> String {
        let abi = match self.spelling {
            Spelling::Number(numbering) => numbering.abi(),
            Spelling::Abi(abi) => abi,
            Spelling::Name => Abi::I386,
        };
        let mut names: Vec<(&String, &u64)> = self.unspelled.iter().collect();
        names.sort_by_key(|&(name, &count)| (std::cmp::Reverse(count), name));
        let shown: Vec<String> = names
            .iter()
            .take(3)
            .map(|(name, count)| format!("{} {}", escape(name.as_bytes()), ui::count(**count)))
            .collect();
        format!(
            "{} of {} are of {} that have no number on {abi} ({}{})",
            ui::count(dropped),
            ui::plural(self.calls, "call"),
            ui::plural(names.len(), "name"),
            shown.join(", "),
            if names.len() > shown.len() {
                ", ..."
            } else {
                ""
            },
        )
    }
}
