//! What traces are written to: a file of lines, or a folder of files. Each is made aside and appears when
//! it is whole.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use idiolect_trace::Record;
use idiolect_trace::read::write_jsonl;
use idiolect_trace::write::StraceWriter;
use tempfile::TempDir;

use crate::input::Begun;
use crate::output::{self, WholeFile, aside, cannot_write, folder_of};
use crate::ui;

/// Takes what was read, in a format of its own.
pub(super) trait Target {
    fn record(&mut self, _record: &Record) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self, _key: u64, _begun: &Begun<'_>) {}

    fn call(&mut self, _key: u64, _word: &str) -> Result<()> {
        Ok(())
    }

    fn end(&mut self, _key: u64) -> Result<()> {
        Ok(())
    }

    /// Puts what was written in its place, and says where that is.
    fn finish(self: Box<Self>) -> Result<String>;
}

/// One file, or standard output.
enum Output {
    Stdout(BufWriter<io::StdoutLock<'static>>),
    File(WholeFile, String),
}

impl Output {
    fn create(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Output::Stdout(output::out()));
        }
        let shown = path.display().to_string();
        Ok(Output::File(WholeFile::create(path)?, shown))
    }

    /// What a failure names: the file that was asked for, not the one that is made aside.
    fn named<T>(&self, result: io::Result<T>) -> io::Result<T> {
        match self {
            Output::Stdout(_) => result,
            Output::File(_, shown) => result.map_err(|error| {
                let kind = error.kind();
                io::Error::new(kind, format!("{}: {error}", cannot_write(Path::new(shown))))
            }),
        }
    }

    fn finish(self) -> Result<String> {
        match self {
            Output::Stdout(out) => {
                output::finish(out)?;
                Ok("standard output".to_owned())
            }
            Output::File(file, shown) => {
                file.finish()?;
                Ok(shown)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Output::Stdout(out) => out.write(bytes),
            Output::File(file, _) => file.write(bytes),
        };
        self.named(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match self {
            Output::Stdout(out) => out.flush(),
            Output::File(file, _) => file.flush(),
        };
        self.named(flushed)
    }
}

/// Records as they are, one a line.
pub(super) struct Records(Output);

impl Records {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Output::create(path).map(Records)
    }
}

impl Target for Records {
    fn record(&mut self, record: &Record) -> Result<()> {
        Ok(write_jsonl(record, &mut self.0)?)
    }

    fn finish(self: Box<Self>) -> Result<String> {
        self.0.finish()
    }
}

/// A whole file of records, in columns.
#[cfg(feature = "parquet")]
pub(super) struct Parquet {
    writer: idiolect_record::ParquetWriter<WholeFile>,
    shown: String,
}

#[cfg(feature = "parquet")]
impl Parquet {
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            bail!("a Parquet file is gone to and fro in: name a file to write it to");
        }
        let shown = path.display().to_string();
        let info = idiolect_record::RecordingInfo {
            source: "convert".to_owned(),
            ..idiolect_record::RecordingInfo::default()
        };
        let writer = idiolect_record::ParquetWriter::new(WholeFile::create(path)?, &shown, info)?;
        Ok(Parquet { writer, shown })
    }
}

#[cfg(feature = "parquet")]
impl Target for Parquet {
    fn record(&mut self, record: &Record) -> Result<()> {
        Ok(self.writer.push(record)?)
    }

    fn finish(self: Box<Self>) -> Result<String> {
        let (file, _) = self.writer.finish()?;
        file.finish()?;
        Ok(self.shown)
    }
}

/// Text like that of strace.
pub(super) struct Strace(StraceWriter<Output>);

impl Strace {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Output::create(path).map(|out| Strace(StraceWriter::new(out)))
    }
}

impl Target for Strace {
    fn record(&mut self, record: &Record) -> Result<()> {
        Ok(self.0.push(record)?)
    }

    fn finish(self: Box<Self>) -> Result<String> {
        let (out, unsaid) = self.0.finish()?;
        let written = out.finish()?;
        for (count, what) in [
            (unsaid.lifecycles, "fork, exec or exit"),
            (unsaid.numbers, "number of a call"),
            (unsaid.times, "time by a clock of days"),
        ] {
            if count > 0 {
                ui::say(&format!(
                    "left out, since text cannot say it: {} of {what}",
                    ui::plural(count, "record")
                ));
            }
        }
        Ok(written)
    }
}

/// A stream's number and a call a line. A number that was another stream's before becomes one that is free.
pub(super) struct Lines {
    out: Output,
    open: HashMap<u64, u32>,
    used: HashSet<u32>,
    /// No number from here on is used.
    next: u32,
}

impl Lines {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Lines {
            out: Output::create(path)?,
            open: HashMap::new(),
            used: HashSet::new(),
            next: 1,
        })
    }
}

impl Target for Lines {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) {
        let own = begun.id.tid.or(begun.id.tgid);
        let number = match own.filter(|number| *number > 0 && !self.used.contains(number)) {
            Some(number) => number,
            None => {
                while self.used.contains(&self.next) {
                    self.next = self.next.wrapping_add(1).max(1);
                }
                self.next
            }
        };
        self.used.insert(number);
        self.open.insert(key, number);
    }

    fn call(&mut self, key: u64, word: &str) -> Result<()> {
        if let Some(number) = self.open.get(&key) {
            writeln!(self.out, "{number} {word}")?;
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        self.open.remove(&key);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<String> {
        self.out.finish()
    }
}

/// Bytes of a stream to hold before they go to its file.
const HELD: usize = 64 << 10;

/// A folder with a file of words for each stream, in the order in which streams began.
pub(super) struct Words {
    aside: TempDir,
    path: PathBuf,
    separator: &'static str,
    begun: u64,
    written: u64,
    open: HashMap<u64, Held>,
}

/// A stream's file, and what is not in it yet.
struct Held {
    file: PathBuf,
    text: String,
}

impl Held {
    fn write(&mut self) -> Result<()> {
        if !self.text.is_empty() {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.file);
            file.and_then(|mut file| file.write_all(self.text.as_bytes()))
                .with_context(|| cannot_write(&self.file))?;
            self.text.clear();
        }
        Ok(())
    }
}

impl Words {
    pub(super) fn create(path: &Path, separator: &'static str) -> Result<Self> {
        let shown = path.display();
        if path.as_os_str() == "-" {
            bail!("this format is a file for each stream: name a folder to write them to");
        }
        if path.exists() && !path.is_dir() {
            bail!("{shown}: it is a file, and this format is a folder with a file for each stream");
        }
        if path.is_dir() && fs::read_dir(path)?.next().is_some() {
            bail!("{shown}: the folder is not empty: name one that is, or a new one");
        }
        let aside = aside()
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(folder_of(path))
            .with_context(|| cannot_write(path))?;
        Ok(Words {
            aside,
            path: path.to_owned(),
            separator,
            begun: 0,
            written: 0,
            open: HashMap::new(),
        })
    }
}

/// A name that is safe for a file, from any text.
fn file_name(number: u64, text: &str) -> String {
    // The end of a path says more than its beginning.
    const LONGEST: usize = 100;
    let name = text.rsplit('/').next().unwrap_or(text);
    let safe: Vec<char> = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '-',
        })
        .collect();
    let tail: String = safe[safe.len().saturating_sub(LONGEST)..].iter().collect();
    format!("{number:06}-{}.txt", tail.trim_matches('-'))
}

impl Target for Words {
    fn begin(&mut self, key: u64, begun: &Begun<'_>) {
        self.begun += 1;
        let file = self.aside.path().join(file_name(self.begun, &begun.name()));
        let text = String::new();
        self.open.insert(key, Held { file, text });
    }

    fn call(&mut self, key: u64, word: &str) -> Result<()> {
        if let Some(held) = self.open.get_mut(&key) {
            held.text.push_str(word);
            held.text.push_str(self.separator);
            if held.text.len() >= HELD {
                held.write()?;
            }
        }
        Ok(())
    }

    fn end(&mut self, key: u64) -> Result<()> {
        if let Some(mut held) = self.open.remove(&key) {
            held.write()?;
            self.written += u64::from(held.file.exists());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<String> {
        let shown = self.path.display().to_string();
        let cannot = || cannot_write(&self.path);
        File::open(self.aside.path())
            .and_then(|folder| folder.sync_all())
            .with_context(cannot)?;
        // A folder takes the place of an empty one, and of nothing else.
        fs::rename(self.aside.path(), &self.path).with_context(cannot)?;
        // Nothing is left where it was made.
        drop(self.aside.keep());
        Ok(format!("{} in {shown}", ui::plural(self.written, "file")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe() {
        assert_eq!(file_name(7, "a/b.strace[12]"), "000007-b.strace-12.txt");
        assert_eq!(file_name(1, "../../etc/passwd\n"), "000001-passwd.txt");
        assert_eq!(file_name(1, ".."), "000001-...txt");
        assert_eq!(file_name(1, "é"), "000001-.txt");
        assert!(file_name(1, &"x".repeat(500)).len() < 120);
    }
}
