//! Archives: each entry of them is a file of its own, read as it unpacks.
//!
//! An archive may hold `.gz` files, and a `.gz` may hold a `.tar`; anything deeper is passed over.

use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;

use flate2::bufread::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::read::input::{Exactly, Meter};
use crate::read::open::is_left_behind;
use crate::read::source::{Flow, Item, Place, Progress, Reading, failure, read_all};
use crate::read::{FileSkip, Foreign, ReadError, escape};

mod tar;

/// What holds other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Zip,
    Gzip,
    Tar,
}

/// Whether a file's first bytes are those of a zip archive, also of one without entries.
pub(crate) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

fn container(head: &[u8]) -> Option<Container> {
    if is_zip(head) {
        Some(Container::Zip)
    } else if head.starts_with(b"\x1f\x8b\x08") {
        Some(Container::Gzip)
    } else if tar::is_tar(head) {
        Some(Container::Tar)
    } else {
        None
    }
}

impl Reading<'_> {
    /// Reads whatever comes: a trace, or an archive that can be read from front to back.
    pub(crate) fn stream(&mut self, item: &Item, input: &mut dyn Read) -> Flow {
        let mut head = self.head(input);
        let place = item.place;
        match container(&head.bytes) {
            None => self.source(item, head, input),
            Some(Container::Gzip) if matches!(place, Place::Disk | Place::Entry) => {
                self.gzip(item, &mut head.then(input))
            }
            Some(Container::Tar) if matches!(place, Place::Disk | Place::Gzip) => {
                self.tar(item, &mut head.then(input))
            }
            Some(_) if !item.given => {
                Ok(self.skip_file(&item.origin.clone(), &FileSkip::NestedArchive))
            }
            Some(Container::Zip) if place == Place::Disk => Err(ReadError::Archive {
                origin: item.origin.clone(),
                bytes: 0,
                reason:
                    "a zip archive has its table at the end, so it cannot be read from a pipe; \
                         save it to a file and name that"
                        .to_owned(),
            }),
            Some(nested) => Err(ReadError::Foreign {
                origin: item.origin.clone(),
                foreign: match nested {
                    Container::Zip => Foreign::Zip,
                    Container::Gzip => Foreign::Gzip,
                    Container::Tar => Foreign::Tar,
                },
            }),
        }
    }

    fn gzip(&mut self, item: &Item, input: &mut dyn Read) -> Flow {
        let (meter, packed): (_, Box<dyn Read + '_>) = match &item.meter {
            Some(meter) => (meter.clone(), Box::new(input)),
            None => {
                let meter = Meter::new(self.options.limits);
                let packed = Box::new(meter.packed(input));
                (meter, packed)
            }
        };
        let mut unpacked = meter.unpacked(MultiGzDecoder::new(BufReader::new(packed)));
        let inner = Item {
            place: match item.place {
                Place::Entry => Place::EntryGzip,
                _ => Place::Gzip,
            },
            meter: Some(meter.clone()),
            ..item.clone()
        };
        let flow = self.stream(&inner, &mut unpacked)?;
        if flow.is_continue() {
            // What follows a tar archive's end is read too, for the checksum at the very end.
            read_all(&mut unpacked).map_err(|error| {
                let bytes = meter.unpacked_bytes();
                failure(
                    item,
                    error,
                    Progress {
                        bytes,
                        ..Progress::default()
                    },
                )
            })?;
        }
        Ok(flow)
    }

    fn tar(&mut self, item: &Item, input: &mut dyn Read) -> Flow {
        let before = self.totals.clone();
        let mut bytes = 0;
        let mut entries = 0;
        loop {
            let calls = self.totals.calls - before.calls;
            let fail = |error, bytes| {
                let progress = Progress {
                    bytes,
                    line: 0,
                    calls,
                };
                failure(item, error, progress)
            };
            let entry = match tar::next(input).map_err(|error| fail(error, bytes))? {
                tar::Next::Entry(entry) => entry,
                tar::Next::End => break,
                tar::Next::Missing => {
                    return Err(fail(io::ErrorKind::UnexpectedEof.into(), bytes));
                }
            };
            entries += 1;
            self.check_entries(item, entries)?;
            let mut content = Exactly::new(&mut *input, entry.size);
            let inner = entry_item(item, &entry.name, item.meter.clone());
            let flow = match entry.kind {
                tar::Kind::Folder => ControlFlow::Continue(()),
                tar::Kind::Link => self.skip_file(&inner.origin, &FileSkip::Link),
                tar::Kind::Other => self.skip_file(&inner.origin, &FileSkip::Special),
                tar::Kind::File => self.entry(&inner, &entry.name, &mut content)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
            content
                .skip_rest()
                .and_then(|()| Exactly::new(&mut *input, tar::padding(entry.size)).skip_rest())
                .map_err(|error| fail(error, bytes))?;
            bytes += tar::BLOCK as u64 + entry.size + tar::padding(entry.size);
        }
        self.check_found(item, before.sources, before.skipped_files)
    }

    /// Reads a zip archive, which takes an input that can be gone to and fro in.
    pub(crate) fn zip<R: Read + Seek>(&mut self, item: &Item, input: R, length: u64) -> Flow {
        let (sources, skipped_files) = (self.totals.sources, self.totals.skipped_files);
        let mut archive =
            ZipArchive::new(input).map_err(|error| zip_failure(item, error, Some(length)))?;
        self.check_entries(item, archive.len())?;
        let meter = Meter::new(self.options.limits);
        let mut packed_left = length;
        for index in 0..archive.len() {
            let entry = archive
                .by_index(index)
                .map_err(|error| zip_failure(item, error, None))?;
            if entry.is_dir() {
                continue;
            }
            let name = entry.name_raw().to_vec();
            let inner = entry_item(item, &name, Some(meter.clone()));
            // Entries may claim to overlap; together they are never larger than the file.
            let packed = entry.compressed_size().min(packed_left);
            packed_left -= packed;
            meter.add_packed(packed);
            let flow = if entry.is_symlink() {
                self.skip_file(&inner.origin, &FileSkip::Link)
            } else {
                self.entry(&inner, &name, &mut meter.unpacked(entry))?
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.check_found(item, sources, skipped_files)
    }

    fn entry(&mut self, item: &Item, name: &[u8], content: &mut dyn Read) -> Flow {
        if name.split(|byte| *byte == b'/').any(is_left_behind) {
            return Ok(self.skip_file(&item.origin.clone(), &FileSkip::LeftBehind));
        }
        self.stream(item, content)
    }

    fn check_entries(&self, item: &Item, entries: usize) -> Result<(), ReadError> {
        let bound = self.options.limits.entries;
        if entries <= bound {
            return Ok(());
        }
        Err(ReadError::OverBound {
            origin: item.origin.clone(),
            what: "it has too many entries",
            bound: bound as u64,
        })
    }

    /// An archive that was named itself must hold a trace.
    fn check_found(&self, item: &Item, sources: u64, skipped_files: u64) -> Flow {
        if item.given && self.totals.sources == sources {
            return Err(ReadError::NoTrace {
                origin: item.origin.clone(),
                skipped_files: self.totals.skipped_files - skipped_files,
            });
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn entry_item(archive: &Item, name: &[u8], meter: Option<Meter>) -> Item {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let mut folders = archive.folders.clone();
    folders.extend(name.split(|byte| *byte == b'/').map(escape));
    folders.pop();
    Item {
        origin: format!("{}:{}", archive.origin, escape(name)).into(),
        folders,
        given: false,
        place: Place::Entry,
        meter,
    }
}

fn zip_failure(item: &Item, error: ZipError, length: Option<u64>) -> ReadError {
    let error = match error {
        ZipError::Io(error) => return failure(item, error, Progress::default()),
        other => other,
    };
    let mut reason = escape(error.to_string().as_bytes());
    if length.is_some() {
        // Its directory is what a zip archive ends with.
        reason.push_str(" (truncated or damaged: its directory, at the end, is not whole)");
    }
    ReadError::Archive {
        origin: item.origin.clone(),
        bytes: length.unwrap_or(0),
        reason,
    }
}
