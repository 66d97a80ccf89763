//! `idiolect try`: learn a command from a few runs, then see what a difference does.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use idiolect_detect::FitError;

use super::explain;
use crate::args::{Reading, SplitName, Try};
use crate::collect;
use crate::exit;
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::learn;
use crate::output::{finish, out};
use crate::ui;

pub(crate) fn run(args: &Try) -> Result<u8> {
    let (command, appended) = split_then(&args.command)?;
    let workshop = Workshop::new(args.keep.as_deref())?;
    let strace = Strace::find()?;
    let interrupt = Interrupt::listen();
    let mut out = out();

    let bar = ui::bar(u64::from(args.runs), "running");
    let mut learned_from = Vec::new();
    for number in 1..=args.runs {
        let file = workshop.path(&format!("run-{number:03}.strace"));
        let recorded = strace.record(command, &file, args.output);
        // The signal reached strace too, and what it left is no run.
        if interrupt.asked() {
            return Ok(exit::INTERRUPTED);
        }
        recorded?;
        learned_from.push(file);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let reading = Reading::default();
    let collected = collect::read(&learned_from, &reading, &[])?;
    writeln!(
        out,
        "ran {} times: {} in {}",
        args.runs,
        ui::plural(collected.streams.calls(), "call"),
        ui::plural(collected.streams.len(), "stream"),
    )?;
    out.flush()?;
    let config = learn::config(&args.learning, &collected.streams, Some(SplitName::InTurn))?;
    let mut learned = match learn::fit(
        &collected.streams,
        &config,
        args.learning.threads(),
        None,
        &learn::keep_nothing,
    ) {
        Ok(learned) => learned,
        Err(FitError::Interrupted { .. }) => return Ok(exit::INTERRUPTED),
        Err(error) => return Err(error.into()),
    };
    learned.sign(
        learned_from
            .iter()
            .map(|p| p.display().to_string())
            .collect(),
    );
    write!(out, "{}", learn::summary(&learned))?;

    let mut changed: Vec<OsString> = command.to_vec();
    changed.extend_from_slice(appended);
    let file = workshop.path("then.strace");
    let recorded = strace.record(&changed, &file, args.output);
    if interrupt.asked() {
        return Ok(exit::INTERRUPTED);
    }
    recorded?;
    let shown: Vec<_> = changed.iter().map(|word| word.to_string_lossy()).collect();
    writeln!(out, "\nonce more, as: {}\n", shown.join(" "))?;
    let judge = explain::own_judge(&learned.profile)?;
    let explaining = explain::explain(&judge, Input::Paths(&[file]), &reading, 3, 5)?;
    out.write_all(explaining.as_text(&judge).as_bytes())?;
    if explaining.anomalous == 0 {
        writeln!(
            out,
            "Nothing stands out: the last run says what the first {} said.",
            args.runs
        )?;
    }
    if let Some(folder) = &args.keep {
        learned.profile.save(&workshop.path("profile.idio"))?;
        writeln!(
            out,
            "kept the recordings and profile.idio in {}",
            folder.display()
        )?;
    }
    finish(out)?;
    Ok(exit::OK)
}

/// The command, and what comes after `--then`.
fn split_then(words: &[OsString]) -> Result<(&[OsString], &[OsString])> {
    let (command, appended) = match words.iter().position(|word| word == "--then") {
        Some(place) => (&words[..place], &words[place + 1..]),
        None => (words, &words[words.len()..]),
    };
    if command.is_empty() {
        bail!("there is no command before --then: idiolect try -- CMD ARGS --then MORE");
    }
    Ok((command, appended))
}

/// Where the recordings go: a folder that is kept, or one that goes away.
enum Workshop {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Workshop {
    fn new(keep: Option<&Path>) -> Result<Self> {
        Ok(match keep {
            Some(folder) => {
                fs::create_dir(folder)
                    .with_context(|| format!("{}: cannot make this folder", folder.display()))?;
                Workshop::Kept(folder.to_owned())
            }
            None => Workshop::Temporary(
                tempfile::Builder::new()
                    .prefix("idiolect-try-")
                    .tempdir()
                    .context("cannot make a temporary folder")?,
            ),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        match self {
            Workshop::Kept(folder) => folder.join(name),
            Workshop::Temporary(folder) => folder.path().join(name),
        }
    }
}

/// The strace on this machine.
struct Strace {
    program: PathBuf,
}

impl Strace {
    fn find() -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join("strace"))
            .find(|program| program.is_file());
        match found {
            Some(program) => Ok(Strace { program }),
            None => bail!(
                "there is no strace on this machine, and try records with it: install it (apt install \
                 strace, dnf install strace, apk add strace or pacman -S strace)"
            ),
        }
    }

    /// Runs a command once and records it. What strings it passes to the kernel is left out.
    fn record(&self, command: &[OsString], file: &Path, show_output: bool) -> Result<()> {
        let mut strace = Command::new(&self.program);
        strace
            .args(["-f", "-q", "-ttt", "-s", "0", "-o"])
            .arg(file)
            .arg("--")
            .args(command)
            .stdin(Stdio::null());
        if !show_output {
            strace.stdout(Stdio::null()).stderr(Stdio::piped());
        }
        let output = strace
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if recorded_nothing(file)? {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().last().unwrap_or("it said nothing");
            bail!(
                "strace recorded nothing of {}: {}. Does the command exist, and may this user trace?",
                quoted(&command[0]),
                idiolect_trace::read::escape(said.as_bytes()),
            );
        }
        Ok(())
    }
}

fn recorded_nothing(file: &Path) -> Result<bool> {
    match fs::metadata(file) {
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn quoted(word: &OsStr) -> String {
    format!("{:?}", word.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn then_divides_the_command() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let all = words("ls /usr --then -R --then");
        let (command, appended) = split_then(&all).unwrap();
        assert_eq!(command, words("ls /usr"));
        assert_eq!(appended, words("-R --then"));
        let all = words("ls");
        assert_eq!(split_then(&all).unwrap().1.len(), 0);
        assert!(split_then(&words("--then x")).is_err());
    }
}
