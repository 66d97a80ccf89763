//! From a path to the files in it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, Read, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::read::archive::is_zip;
use crate::read::recordings;
use crate::read::source::{Flow, Item, Place, Reading};
use crate::read::unm::Plausibility;
use crate::read::{FileSkip, Format, ReadError, ReadOptions, Sink, Totals, escape};

/// Reads all that is in a path: a file, a folder, an archive, or standard input (`-`).
///
/// Folders are read with all that is in them, by name in the order of bytes; links to folders are not
/// followed.
///
/// # Errors
/// See [`ReadError`]. Records that came before have then been given to the sink.
pub fn read_path(
    path: &Path,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<Totals, ReadError> {
    read_paths([path], options, sink)
}

/// Reads several paths, as [`read_path`] does one, in the order given.
///
/// # Errors
/// Those of [`read_path`]; nothing is read after the first.
pub fn read_paths<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<Totals, ReadError> {
    let mut reading = Reading {
        options,
        sink,
        totals: Totals::default(),
        unm: Plausibility::default(),
    };
    for path in paths {
        if reading.path(path.as_ref())?.is_break() {
            reading.totals.stopped = true;
            break;
        }
    }
    reading.finish()
}

/// Reads bytes as if they were a file of this name.
///
/// # Errors
/// Those of [`read_path`].
pub fn read_bytes(
    name: &str,
    bytes: &[u8],
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<Totals, ReadError> {
    let mut reading = Reading {
        options,
        sink,
        totals: Totals::default(),
        unm: Plausibility::default(),
    };
    let item = Item {
        origin: escape(name.as_bytes()).into(),
        folders: folders_above(Path::new(name)),
        given: true,
        place: Place::Disk,
        meter: None,
    };
    let flow = if is_zip(bytes) {
        reading.zip(&item, Cursor::new(bytes), bytes.len() as u64)?
    } else {
        reading.stream(&item, &mut &bytes[..])?
    };
    reading.totals.stopped = flow.is_break();
    reading.finish()
}

/// Whether a file or folder of this name is one that systems and editors leave behind.
pub(crate) fn is_left_behind(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[b".DS_Store", b"__MACOSX", b"Thumbs.db", b"desktop.ini"];
    NAMES.contains(&name)
        || name.starts_with(b"._")
        || name.ends_with(b"~")
        || name.ends_with(b".swp")
        || (name.len() > 2 && name.starts_with(b"#") && name.ends_with(b"#"))
}

impl Reading<'_> {
    fn finish(self) -> Result<Totals, ReadError> {
        if !self.totals.stopped
            && let Some(numbering) = self.options.numbering
        {
            self.unm.judge(numbering)?;
        }
        Ok(self.totals)
    }

    fn path(&mut self, path: &Path) -> Flow {
        if path.as_os_str() == "-" {
            let item = Item {
                origin: "-".into(),
                folders: Vec::new(),
                given: true,
                place: Place::Disk,
                meter: None,
            };
            return self.stream(&item, &mut io::stdin().lock());
        }
        let metadata = fs::metadata(path).map_err(|error| open_failure(path, error))?;
        if !metadata.is_dir() {
            return self.file(path, &metadata, true);
        }
        let (sources, skipped) = (self.totals.sources, self.totals.skipped_files);
        let mut entries = 0;
        let flow = self.folder(path, 0, &mut entries)?;
        if flow.is_continue() && self.totals.sources == sources {
            return Err(ReadError::NoTrace {
                origin: origin(path),
                skipped_files: self.totals.skipped_files - skipped,
            });
        }
        Ok(flow)
    }

    fn folder(&mut self, path: &Path, depth: usize, entries: &mut usize) -> Flow {
        let limits = &self.options.limits;
        let over = |what, bound: usize| ReadError::OverBound {
            origin: origin(path),
            what,
            bound: bound as u64,
        };
        if depth > limits.depth {
            return Err(over("folders lie too deep", limits.depth));
        }
        if recordings::is_recording(path) {
            return self.recording(path, origin(path), Format::Recording);
        }
        let mut names: Vec<OsString> = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| open_failure(path, error))? {
            *entries += 1;
            if *entries > limits.entries {
                return Err(over("there are too many files in it", limits.entries));
            }
            names.push(
                entry
                    .map_err(|error| open_failure(path, error))?
                    .file_name(),
            );
        }
        names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        for name in names {
            let path = path.join(&name);
            let flow = if is_left_behind(name.as_encoded_bytes()) {
                self.skip_file(&origin(&path), &FileSkip::LeftBehind)
            } else {
                self.folder_entry(&path, depth, entries)?
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn folder_entry(&mut self, path: &Path, depth: usize, entries: &mut usize) -> Flow {
        let own = fs::symlink_metadata(path).map_err(|error| open_failure(path, error))?;
        if own.is_dir() {
            return self.folder(path, depth + 1, entries);
        }
        let metadata = if own.is_symlink() {
            match fs::metadata(path) {
                Ok(target) if target.is_file() => target,
                Ok(_) | Err(_) => return Ok(self.skip_file(&origin(path), &FileSkip::Link)),
            }
        } else {
            own
        };
        if !metadata.is_file() {
            return Ok(self.skip_file(&origin(path), &FileSkip::Special));
        }
        self.file(path, &metadata, false)
    }

    fn file(&mut self, path: &Path, metadata: &Metadata, given: bool) -> Flow {
        let item = Item {
            origin: origin(path),
            folders: folders_above(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
            given,
            place: Place::Disk,
            meter: None,
        };
        let fail = |error| open_failure(path, error);
        let mut file = File::open(path).map_err(fail)?;
        // Only a regular file can be gone to and fro in, as a zip archive needs.
        if metadata.is_file() {
            let mut magic = Vec::new();
            (&mut file).take(4).read_to_end(&mut magic).map_err(fail)?;
            file.rewind().map_err(fail)?;
            let wanted = self.options.format;
            if wanted == Some(Format::Parquet)
                || (wanted.is_none() && recordings::is_parquet(&magic))
            {
                return self.recording(path, item.origin, Format::Parquet);
            }
            if is_zip(&magic) {
                return self.zip(&item, io::BufReader::new(file), metadata.len());
            }
        }
        self.stream(&item, &mut file)
    }
}

fn origin(path: &Path) -> Arc<str> {
    escape(path.as_os_str().as_encoded_bytes()).into()
}

fn open_failure(path: &Path, source: io::Error) -> ReadError {
    ReadError::Open {
        origin: origin(path),
        source,
    }
}

/// Names of the folders above a file, the innermost last.
fn folders_above(path: &Path) -> Vec<String> {
    let mut folders: Vec<String> = PathBuf::from(path)
        .components()
        .map(|part| escape(part.as_os_str().as_encoded_bytes()))
        .collect();
    folders.pop();
    folders
}
