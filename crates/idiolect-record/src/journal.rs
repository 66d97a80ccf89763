//! The journal: what was recorded and is in no closed segment yet, append-only.
//!
//! A file of frames after eight bytes that name the format. Each frame is a mark, the payload's length
//! and CRC-32 (both little-endian, four bytes), and the payload: a few thousand records, in postcard
//! 1's encoding of [`Frame`]. Frames stand for themselves: what damages one leaves the others readable.

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use idiolect_trace::{Abi, Gap, GapCause, GapScope, Record, table};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, CallKind, Row, RowKind, checked, checked_stream};
use crate::error::{RecordError, shown};

/// First bytes of the file; the last one is the version.
const MAGIC: [u8; 8] = *b"IDIOJNL\x01";

/// First bytes of a frame.
const MARK: [u8; 4] = *b"\xf1JF\n";

/// Bytes of a frame before its payload.
const HEAD: usize = 12;

/// Longest payload that is read, in bytes. Writers flush at some hundred kilobytes.
const MAX_PAYLOAD: usize = 64 << 20;

/// Most records of a frame that is read.
const MAX_ROWS: usize = 1 << 20;

/// Records as they are written: tables as JSON, which is where [`Record`]s are described, and rows column
/// by column.
#[derive(Serialize, Deserialize)]
struct Frame {
    /// Streams as JSON.
    streams: Vec<String>,
    /// ABI, number and name of each different call.
    calls: Vec<(String, Option<u32>, String)>,
    /// Lifecycles and gaps as JSON.
    others: Vec<String>,
    /// What each row is: a `KIND_...`, and [`HAS_TIME`].
    kinds: Vec<u8>,
    /// The times of those that have one, each as the difference from the one before.
    times: Vec<i64>,
    /// The stream of each call.
    stream_places: Vec<u32>,
    /// The place of each row in `calls` or `others`.
    items: Vec<u32>,
    /// What calls returned or failed with, of those that say so.
    values: Vec<i64>,
}

const KINDS: [RowKind; 4] = [
    RowKind::Call,
    RowKind::Returned,
    RowKind::Failed,
    RowKind::Other,
];
const KIND_BITS: u8 = 3;
const HAS_TIME: u8 = 4;

impl Frame {
    fn new(batch: &Batch) -> Result<Self, serde_json::Error> {
        let rows = batch.rows.len();
        let mut frame = Frame {
            streams: batch
                .streams
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<_, _>>()?,
            calls: batch
                .calls
                .iter()
                .map(|call| {
                    let abi = call.abi.as_str().to_owned();
                    (abi, call.number, call.name.as_str().to_owned())
                })
                .collect(),
            others: batch
                .others
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<_, _>>()?,
            kinds: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            stream_places: Vec::with_capacity(rows),
            items: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
        };
        let mut before = 0;
        for row in &batch.rows {
            let time = if row.has_time { HAS_TIME } else { 0 };
            frame.kinds.push(row.kind as u8 | time);
            if row.has_time {
                frame.times.push(row.time_ns.wrapping_sub(before) as i64);
                before = row.time_ns;
            }
            frame.items.push(row.item);
            if row.kind != RowKind::Other {
                frame.stream_places.push(row.stream);
            }
            if matches!(row.kind, RowKind::Returned | RowKind::Failed) {
                frame.values.push(row.value);
            }
        }
        Ok(frame)
    }

    /// The records again; none where the frame is not what [`Frame::new`] makes.
    fn batch(self) -> Option<Batch> {
        if self.kinds.len() > MAX_ROWS || self.items.len() != self.kinds.len() {
            return None;
        }
        let mut batch = Batch::default();
        for json in &self.streams {
            let id = serde_json::from_str(json).ok()?;
            batch.streams.push(checked_stream(id)?);
        }
        for (abi, number, name) in &self.calls {
            batch.calls.push(CallKind {
                abi: abi.parse::<Abi>().ok()?,
                number: *number,
                name: table::canonical(name)?,
            });
        }
        for json in &self.others {
            let record = serde_json::from_str(json).ok()?;
            batch.others.push(checked(record)?);
        }
        let (mut times, mut values) = (self.times.into_iter(), self.values.into_iter());
        let mut streams = self.stream_places.into_iter();
        let (mut before, mut others) = (0_u64, 0);
        for (byte, item) in self.kinds.into_iter().zip(self.items) {
            let kind = KINDS[usize::from(byte & KIND_BITS)];
            let has_time = byte & HAS_TIME != 0;
            if byte > KIND_BITS | HAS_TIME {
                return None;
            }
            if has_time {
                before = before.wrapping_add(times.next()? as u64);
            }
            let value = match kind {
                RowKind::Returned => values.next()?,
                RowKind::Failed => values.next().filter(|errno| (1..=4095).contains(errno))?,
                RowKind::Call | RowKind::Other => 0,
            };
            let stream = match kind {
                RowKind::Other => {
                    // Each stands in one row.
                    (item == others).then_some(())?;
                    others += 1;
                    0
                }
                _ => streams
                    .next()
                    .filter(|place| (*place as usize) < batch.streams.len())?,
            };
            let table = match kind {
                RowKind::Other => batch.others.len(),
                _ => batch.calls.len(),
            };
            if item as usize >= table {
                return None;
            }
            batch.rows.push(Row {
                time_ns: if has_time { before } else { 0 },
                value,
                stream,
                item,
                kind,
                has_time,
            });
        }
        (others as usize == batch.others.len()).then_some(batch)
    }
}

/// Writes a journal.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl JournalWriter {
    /// Makes a new file.
    pub(crate) fn create(path: &Path) -> Result<Self, RecordError> {
        let failed = RecordError::io(path, "cannot create");
        let create = || {
            let mut file = File::create_new(path)?;
            file.write_all(&MAGIC)?;
            Ok(file)
        };
        Ok(JournalWriter {
            file: create().map_err(failed)?,
            path: path.to_owned(),
            bytes: MAGIC.len() as u64,
        })
    }

    /// Appends a frame; the system has it when this returns, and the disk when it is synced.
    ///
    /// What a full disk takes of it only in part is cut off again.
    pub(crate) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let mut frame = [&MARK[..], &[0; 8]].concat();
        frame = postcard::to_extend(&Frame::new(batch)?, frame).map_err(io::Error::other)?;
        let payload = &frame[HEAD..];
        let too_long = || io::Error::other("records of more than 4 GB in one frame");
        let length = u32::try_from(payload.len()).map_err(|_| too_long())?;
        let crc = crc32fast::hash(payload);
        frame[4..8].copy_from_slice(&length.to_le_bytes());
        frame[8..HEAD].copy_from_slice(&crc.to_le_bytes());
        let written = self.file.write_all(&frame);
        match written {
            Ok(()) => self.bytes += frame.len() as u64,
            // If it cannot be cut, its check sum tells.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written
    }

    /// The file again, to be synced elsewhere.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What was wrong with a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes at its end that are no whole frame: what was being written when it was cut off.
    pub cut_bytes: u64,
    /// Bytes before that which are no frame. A gap stands in the place of each stretch.
    pub broken_bytes: u64,
    /// Such stretches.
    pub broken_places: u64,
}

/// Reads the whole frames of a journal, each as a batch, until `take` breaks.
///
/// Damage is no error: a gap stands where something was.
///
/// # Errors
/// The file cannot be read, or is no journal of a version that this one reads.
pub fn read_journal(
    path: &Path,
    take: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Result<Damage, RecordError> {
    let file = File::open(path).map_err(RecordError::io(path, "cannot open"))?;
    read_journal_from(BufReader::new(file), &shown(path), take)
}

/// The same as [`read_journal`] from any bytes; `what` names them in errors.
///
/// # Errors
/// Those of [`read_journal`].
pub fn read_journal_from(
    input: impl Read,
    what: &str,
    take: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Result<Damage, RecordError> {
    let mut input = Window::new(input);
    let failed = |error| RecordError::Io {
        path: what.into(),
        action: "cannot read",
        source: error,
    };
    let mut damage = Damage::default();
    let magic = input.peek(MAGIC.len()).map_err(failed)?;
    if magic != MAGIC {
        if MAGIC.starts_with(magic) {
            damage.cut_bytes = magic.len() as u64;
            return Ok(damage);
        }
        let reason = match magic.starts_with(&MAGIC[..7]) {
            true => "it is the journal of another version of idiolect",
            false => "it is no journal",
        };
        return Err(RecordError::damaged(what, reason));
    }
    input.consume(MAGIC.len());
    // Bytes passed over since the last frame.
    let mut passed = 0;
    loop {
        if let Some((length, batch)) = whole_frame(&mut input).map_err(failed)? {
            if std::mem::take(&mut passed) > 0 {
                damage.broken_places += 1;
                if take(gap()).is_break() {
                    return Ok(damage);
                }
            }
            input.consume(length);
            if take(batch).is_break() {
                return Ok(damage);
            }
            continue;
        }
        // Whatever is here is no frame: on to the next mark.
        let skipped = input.skip_to(MARK).map_err(failed)?;
        if skipped == 0 {
            damage.broken_bytes -= passed;
            damage.cut_bytes = passed;
            return Ok(damage);
        }
        passed += skipped;
        damage.broken_bytes += skipped;
    }
}

/// The frame that begins here, if one does and it is whole.
fn whole_frame(input: &mut Window<impl Read>) -> io::Result<Option<(usize, Batch)>> {
    let head = input.peek(HEAD)?;
    let (Some(mark), Some(length), Some(crc)) = (head.get(..4), word(head, 4), word(head, 8))
    else {
        return Ok(None);
    };
    let length = length as usize;
    if mark != MARK || length > MAX_PAYLOAD {
        return Ok(None);
    }
    let frame = input.peek(HEAD + length)?;
    let Some(payload) = frame.get(HEAD..HEAD + length) else {
        return Ok(None);
    };
    if crc32fast::hash(payload) != crc {
        return Ok(None);
    }
    let frame = postcard::from_bytes::<Frame>(payload).ok();
    Ok(frame
        .and_then(Frame::batch)
        .map(|batch| (HEAD + length, batch)))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// What stands in the place of broken frames.
fn gap() -> Batch {
    let mut builder = crate::BatchBuilder::new();
    builder.push(&Record::Gap(Gap {
        time_ns: None,
        scope: GapScope::Origin("".into()),
        lost: None,
        cause: GapCause::Unreadable,
    }));
    builder.take()
}

/// An input that can be looked ahead in.
struct Window<R> {
    input: R,
    held: Vec<u8>,
    /// Of `held`, what is consumed.
    start: usize,
}

impl<R: Read> Window<R> {
    fn new(input: R) -> Self {
        Window {
            input,
            held: Vec::new(),
            start: 0,
        }
    }

    /// The next bytes, fewer only at the end.
    fn peek(&mut self, want: usize) -> io::Result<&[u8]> {
        if self.held.len() - self.start < want {
            self.held.drain(..self.start);
            self.start = 0;
            let missing = (want - self.held.len()) as u64;
            // Grows as bytes come, whatever a damaged length claims.
            self.input
                .by_ref()
                .take(missing)
                .read_to_end(&mut self.held)?;
        }
        let end = self.held.len().min(self.start + want);
        Ok(&self.held[self.start..end])
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Consumes at least one byte, and all up to the next place where `mark` may begin; how many.
    fn skip_to(&mut self, mark: [u8; 4]) -> io::Result<u64> {
        const AT_ONCE: usize = 64 << 10;
        let mut skipped = 0;
        loop {
            let bytes = self.peek(AT_ONCE)?;
            let from = usize::from(skipped == 0);
            let Some(rest) = bytes.get(from..).filter(|_| !bytes.is_empty()) else {
                return Ok(skipped);
            };
            let found = rest.windows(4).position(|window| window == mark);
            let step = match found {
                Some(place) => from + place,
                None if bytes.len() < AT_ONCE => bytes.len(),
                // A mark may begin in the last three.
                None => bytes.len() - 3,
            };
            self.consume(step);
            skipped += step as u64;
            if found.is_some() || step == 0 {
                return Ok(skipped);
            }
        }
    }
}
