//! One file: found out, read, and judged.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::Abi;
use crate::read::alphabet::read_letters;
use crate::read::auditd::AuditdReader;
use crate::read::bpftrace::BpftraceReader;
use crate::read::detect::{self, Detected, HEAD_BYTES, Hints};
use crate::read::drive::{Driven, drive};
use crate::read::dtruss::DtrussReader;
use crate::read::events::EventReader;
use crate::read::falco::Falco;
use crate::read::gvisor::GvisorReader;
use crate::read::input::{Counted, Head, Meter, UnpackBound};
use crate::read::jsonl::JsonlReader;
use crate::read::line::LineReader;
use crate::read::lttng::LttngReader;
use crate::read::map::{JsonReader, TableReader};
use crate::read::perf_trace::PerfTraceReader;
use crate::read::skips::EXCERPT_BYTES;
use crate::read::strace::StraceReader;
use crate::read::sysdig::{SysdigJsonReader, SysdigReader};
use crate::read::tetragon::Tetragon;
use crate::read::tokens::{Words, read_words};
use crate::read::tracee::Tracee;
use crate::read::tracepoint::TracepointReader;
use crate::read::unm::{Plausibility, UnmReader};
use crate::read::{
    FileSkip, Foreign, Format, ReadError, ReadOptions, Sink, SkipKind, Source, SourceReport,
    Totals, escape,
};

/// Whether to go on; an error where reading failed.
pub(crate) type Flow = Result<ControlFlow<()>, ReadError>;

/// All that is being read in one call.
pub(crate) struct Reading<'a> {
    pub(crate) options: &'a ReadOptions,
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) totals: Totals,
    /// What speaks for and against the tables of UNM's numbers.
    pub(crate) unm: Plausibility,
}

/// One file, and how it was come by.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) origin: Arc<str>,
    /// Names of the folders that it lies in, the innermost last.
    pub(crate) folders: Vec<String>,
    /// Whether somebody named this very file: then it is an error if it is no trace.
    pub(crate) given: bool,
    /// What it was unpacked from.
    pub(crate) place: Place,
    /// Bounds of the archive that it is in.
    pub(crate) meter: Option<Meter>,
}

/// What a file was unpacked from; decides which archives it may itself be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing.
    Disk,
    /// A `.gz` that is no entry.
    Gzip,
    /// A `.zip` or `.tar`.
    Entry,
    /// A `.gz` in one of these.
    EntryGzip,
}

impl Reading<'_> {
    /// Reads a source that begins with `head`.
    pub(crate) fn source(&mut self, item: &Item, mut head: Head, rest: &mut dyn Read) -> Flow {
        let label = detect::adfa_label(item.folders.iter().map(String::as_str));
        let (bytes, whole) = (&head.bytes, head.whole);
        if bytes.is_empty() && !whole {
            // It failed before its first byte.
            let failed = read_all(&mut head.then(rest));
            return failed
                .map(|()| ControlFlow::Continue(()))
                .map_err(|error| failure(item, error, Progress::default()));
        }
        let detected = match self.options.format {
            Some(_) if bytes.trim_ascii().is_empty() && whole => Detected::Empty,
            Some(format) => Detected::Known(format),
            None => {
                let hints = Hints {
                    whole,
                    in_adfa: label.is_some(),
                    other_abi: self.options.abi.is_some_and(|abi| abi != Abi::I386),
                    numbering: self.options.numbering.is_some(),
                };
                self.by_options(bytes)
                    .unwrap_or_else(|| detect::detect(bytes, hints))
            }
        };
        let origin = item.origin.clone();
        let format = match detected {
            Detected::Known(format) => format,
            _ if !item.given => {
                let reason = match detected {
                    Detected::Foreign(foreign) => FileSkip::Foreign(foreign),
                    Detected::Empty => FileSkip::Empty,
                    _ => FileSkip::Unrecognised,
                };
                return Ok(self.skip_file(&origin, &reason));
            }
            Detected::Foreign(Foreign::NumberPairs) => {
                let advice = Plausibility::advice(bytes);
                return Err(ReadError::NoNumbering { origin, advice });
            }
            Detected::Foreign(foreign) => return Err(ReadError::Foreign { origin, foreign }),
            Detected::Empty => return Err(ReadError::Empty { origin }),
            Detected::Unrecognised => {
                let excerpt = escape(&bytes[..bytes.len().min(EXCERPT_BYTES)]);
                return Err(ReadError::Unrecognised { origin, excerpt });
            }
        };
        if let Some(option) = self.needs(format) {
            return Err(ReadError::Needs {
                origin,
                format,
                option,
            });
        }
        let source = Source {
            origin,
            format,
            label: label.filter(|_| format == Format::Adfa),
        };
        self.known_source(item, &source, &mut head.then(rest))
    }

    /// The format that the options speak of, where one of them describes this text.
    fn by_options(&self, head: &[u8]) -> Option<Detected> {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let is_text = detect::by_magic(text).is_none() && !detect::is_binary(text);
        if !is_text || text.trim_ascii().is_empty() {
            return None;
        }
        if self.options.map.is_some() {
            let first = text.trim_ascii_start();
            let format = match first.first() {
                Some(b'{' | b'[') => Format::Json,
                _ => Format::Csv,
            };
            return Some(Detected::Known(format));
        }
        let alphabet = self.options.alphabet.as_ref()?;
        alphabet
            .fits(text)
            .then_some(Detected::Known(Format::Letters))
    }

    /// The option without which a format says nothing, where it is not given.
    fn needs(&self, format: Format) -> Option<&'static str> {
        match format {
            Format::Csv | Format::Json if self.options.map.is_none() => Some(
                "--map, which says where the parts of a call stand (--map name=syscall,pid=PID)",
            ),
            Format::Letters if self.options.alphabet.is_none() => {
                Some("--alphabet FILE, which says what each character stands for")
            }
            _ => None,
        }
    }

    fn known_source(&mut self, item: &Item, source: &Source, input: &mut dyn Read) -> Flow {
        if self.sink.begin(source).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut report = SourceReport::default();
        let mut input = Counted {
            inner: input,
            bytes: 0,
        };
        let driven = self.read_as(source, &mut input, &mut report);
        let driven = driven.map_err(|error| {
            let progress = Progress {
                bytes: input.bytes,
                line: report.lines + 1,
                calls: report.calls,
            };
            failure(item, error, progress)
        })?;
        if let Some(reason) = driven.refusal {
            return Err(ReadError::Refused {
                origin: source.origin.clone(),
                line: report.lines.max(1),
                reason,
            });
        }
        if driven.flow.is_break() {
            self.totals.lines += report.lines;
            self.totals.calls += report.calls;
            return Ok(ControlFlow::Break(()));
        }
        judge(source, &report, driven.units)?;
        report.selection = report.seen.selection(source.format, report.calls);
        self.totals.add(source, &report);
        Ok(self.sink.end(source, &report))
    }

    fn read_as(
        &mut self,
        source: &Source,
        input: &mut dyn Read,
        report: &mut SourceReport,
    ) -> io::Result<Driven> {
        let origin = &source.origin;
        let limit = self.options.limits.line_bytes;
        let sink = &mut *self.sink;
        let options = self.options;
        let mut reader: Box<dyn LineReader + '_> = match source.format {
            Format::Adfa => return read_words(Words::Adfa, input, origin, report, sink),
            Format::Plain => {
                let words = Words::Plain(options.abi);
                return read_words(words, input, origin, report, sink);
            }
            Format::Jsonl => Box::new(JsonlReader::new(origin.clone())),
            Format::Unm => Box::new(UnmReader::new(origin.clone(), options, &mut self.unm)),
            Format::Strace => Box::new(StraceReader::new(source, options)),
            Format::Sysdig => Box::new(SysdigReader::new(source, options)),
            Format::SysdigJson => Box::new(SysdigJsonReader::new(source, options)),
            Format::PerfTrace => Box::new(PerfTraceReader::new(source, options)),
            Format::PerfScript | Format::Ftrace => Box::new(TracepointReader::new(source, options)),
            Format::Bpftrace => Box::new(BpftraceReader::new(source, options)),
            Format::Lttng => Box::new(LttngReader::new(source, options)),
            Format::Parquet | Format::Recording => {
                let reason = match source.format {
                    Format::Recording => "a recording is a folder: name that",
                    _ => {
                        "a Parquet file is read from a file of its own: not from a pipe or an archive"
                    }
                };
                return Ok(Driven {
                    flow: ControlFlow::Continue(()),
                    units: 0,
                    refusal: Some(reason.to_owned()),
                });
            }
            Format::Auditd => Box::new(AuditdReader::new(origin.clone(), options)),
            Format::Falco => {
                let tool = Falco::new(options.abi);
                Box::new(EventReader::new(tool, origin.clone(), options))
            }
            Format::Tracee => {
                let tool = Tracee::new(options.abi);
                Box::new(EventReader::new(tool, origin.clone(), options))
            }
            Format::Tetragon => {
                let tool = Tetragon::new(options.abi);
                Box::new(EventReader::new(tool, origin.clone(), options))
            }
            Format::Gvisor => Box::new(GvisorReader::new(origin.clone(), options)),
            Format::Dtruss => Box::new(DtrussReader::new(origin.clone(), options)),
            Format::Csv => {
                let map = options.map.clone().unwrap_or_default();
                Box::new(TableReader::new(origin.clone(), map, options))
            }
            Format::Json => {
                let map = options.map.clone().unwrap_or_default();
                Box::new(JsonReader::new(origin.clone(), map, options))
            }
            Format::Letters => {
                return match &options.alphabet {
                    Some(alphabet) => {
                        read_letters(alphabet, options.abi, input, origin, report, sink)
                    }
                    None => Ok(Driven::nothing()),
                };
            }
        };
        drive(&mut *reader, input, origin, limit, report, sink)
    }

    /// Tells the sink of a file that is passed over whole.
    pub(crate) fn skip_file(&mut self, origin: &str, reason: &FileSkip) -> ControlFlow<()> {
        self.totals.skipped_files += 1;
        self.sink.skipped_file(origin, reason)
    }

    /// The first bytes of a file, as many as are needed to tell what it is.
    pub(crate) fn head(&self, input: &mut dyn Read) -> Head {
        Head::read(input, self.head_bytes())
    }

    fn head_bytes(&self) -> usize {
        // Where the format is named only archives are looked for, so that a pipe that fills slowly is
        // read as it comes; a tar header is 512 bytes.
        match self.options.format {
            Some(_) => 512,
            None => HEAD_BYTES,
        }
    }
}

/// Reads to the end and keeps nothing.
pub(crate) fn read_all(input: &mut dyn Read) -> io::Result<()> {
    io::copy(input, &mut io::sink()).map(drop)
}

/// More than half of a source in another form means that it was read as the wrong format.
fn judge(source: &Source, report: &SourceReport, units: u64) -> Result<(), ReadError> {
    let unparsed = report.skips.count(SkipKind::Unparsed);
    let Some(first) = report.skips.get(SkipKind::Unparsed) else {
        return Ok(());
    };
    if unparsed.saturating_mul(2) <= units {
        return Ok(());
    }
    Err(ReadError::MostlyUnparsed {
        origin: source.origin.clone(),
        format: source.format,
        unparsed,
        total: units,
        units: match source.format {
            Format::Adfa | Format::Plain => "words",
            Format::Parquet | Format::Recording => "rows",
            Format::Letters => "characters",
            _ => "lines",
        },
        first_line: first.first_line,
        excerpt: first.excerpt.clone(),
    })
}

/// How far the reading of a file got.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) bytes: u64,
    pub(crate) line: u64,
    pub(crate) calls: u64,
}

/// What an error of the input means.
pub(crate) fn failure(item: &Item, error: io::Error, progress: Progress) -> ReadError {
    let origin = item.origin.clone();
    let Progress { bytes, line, calls } = progress;
    let bound = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<UnpackBound>());
    if let Some(&UnpackBound { what, bound }) = bound {
        return ReadError::OverBound {
            origin,
            what,
            bound,
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated {
            origin,
            bytes,
            calls,
        },
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ReadError::Archive {
            origin,
            bytes,
            reason: escape(error.to_string().as_bytes()),
        },
        _ => ReadError::Io {
            origin,
            line,
            calls,
            source: error,
        },
    }
}
