//! Cuts a stream of bytes into lines and feeds them to a [`LineReader`].

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::line::{Emitter, LineReader};
use crate::read::skips::EXCERPT_BYTES;
use crate::read::{Sink, SkipKind, SourceReport};
use crate::{Gap, GapCause, GapScope, Record};

/// Bytes that are read at once.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// How the reading of a source ended.
pub(crate) struct Driven {
    /// Whether it was stopped before the end.
    pub(crate) flow: ControlFlow<()>,
    /// Lines or words that should hold something, against which the unparsed are counted.
    pub(crate) units: u64,
    /// Why the reader will have nothing to do with the source.
    pub(crate) refusal: Option<String>,
}

impl Driven {
    /// Of a source of which nothing was read.
    pub(crate) fn nothing() -> Self {
        Driven {
            flow: ControlFlow::Continue(()),
            units: 0,
            refusal: None,
        }
    }
}

/// Feeds every line of `input` to `reader`, holding at most one line and one chunk in memory.
///
/// A line longer than `limit` bytes is counted and passed over; since it may have held a call, a [`Gap`]
/// stands in its place. `\r` at a line's end and a byte order mark at the beginning are left out.
pub(crate) fn drive(
    reader: &mut dyn LineReader,
    input: &mut dyn Read,
    origin: &Arc<str>,
    limit: usize,
    report: &mut SourceReport,
    sink: &mut dyn Sink,
) -> io::Result<Driven> {
    let mut lines = Lines {
        reader,
        origin,
        limit,
        held: Vec::new(),
        too_long: false,
        units: 0,
        out: Emitter {
            line_number: 0,
            report,
            sink,
            refusal: None,
        },
    };
    let flow = lines.run(input)?;
    Ok(Driven {
        flow,
        units: lines.units,
        refusal: lines.out.refusal,
    })
}

/// What stands in the place of something that could not be read and may have been a call.
pub(crate) fn unreadable(origin: &Arc<str>) -> Record {
    Record::Gap(Gap {
        time_ns: None,
        scope: GapScope::Origin(origin.clone()),
        lost: None,
        cause: GapCause::Unreadable,
    })
}

/// Fills a chunk, going on where a signal interrupted it; 0 at the end.
pub(crate) fn read_chunk(input: &mut dyn Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

struct Lines<'a> {
    reader: &'a mut dyn LineReader,
    origin: &'a Arc<str>,
    limit: usize,
    /// The beginning of a line whose end is not there yet; only its first bytes if it is too long.
    held: Vec<u8>,
    too_long: bool,
    units: u64,
    out: Emitter<'a>,
}

impl Lines<'_> {
    fn run(&mut self, input: &mut dyn Read) -> io::Result<ControlFlow<()>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = read_chunk(input, &mut chunk)?;
            if n == 0 {
                break;
            }
            let mut rest = &chunk[..n];
            while let Some(end) = memchr::memchr(b'\n', rest) {
                if self.piece(&rest[..end]).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                rest = &rest[end + 1..];
            }
            self.hold(rest);
        }
        let cut_off = !self.held.is_empty() || self.too_long;
        if cut_off && self.piece(b"").is_break() {
            return Ok(ControlFlow::Break(()));
        }
        Ok(self.reader.finish(cut_off, &mut self.out))
    }

    /// Keeps the beginning of a line.
    fn hold(&mut self, piece: &[u8]) {
        if self.held.len() + piece.len() > self.limit {
            self.too_long = true;
        }
        let keep = if self.too_long {
            EXCERPT_BYTES.saturating_sub(self.held.len())
        } else {
            piece.len()
        };
        self.held.extend_from_slice(&piece[..keep.min(piece.len())]);
    }

    /// Takes the end of a line.
    fn piece(&mut self, end: &[u8]) -> ControlFlow<()> {
        self.out.report.lines += 1;
        self.out.line_number = self.out.report.lines;
        if !self.too_long && self.held.is_empty() && end.len() <= self.limit {
            return self.line(end);
        }
        self.hold(end);
        let line = std::mem::take(&mut self.held);
        let flow = if std::mem::take(&mut self.too_long) {
            self.units += 1;
            self.out.skip(SkipKind::TooLong, &line);
            self.out.record(unreadable(self.origin))
        } else {
            self.line(&line)
        };
        self.held = line;
        self.held.clear();
        // One long line should not hold its memory for the rest of the file.
        self.held.shrink_to(CHUNK_BYTES);
        flow
    }

    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.out.line_number == 1 => rest,
            _ => line,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.units += u64::from(!line.trim_ascii().is_empty());
        self.reader.line(line, &mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Keep {
        lines: Vec<Vec<u8>>,
        cut_off: Option<bool>,
    }

    impl LineReader for Keep {
        fn line(&mut self, line: &[u8], _: &mut Emitter<'_>) -> ControlFlow<()> {
            self.lines.push(line.to_vec());
            ControlFlow::Continue(())
        }
        fn finish(&mut self, cut_off: bool, _: &mut Emitter<'_>) -> ControlFlow<()> {
            self.cut_off = Some(cut_off);
            ControlFlow::Continue(())
        }
    }

    struct Gaps(u64);
    impl Sink for Gaps {
        fn record(&mut self, record: Record) -> ControlFlow<()> {
            self.0 += u64::from(matches!(record, Record::Gap(_)));
            ControlFlow::Continue(())
        }
    }

    /// Gives out a byte at a time, with an interruption before each.
    struct Trickle<'a>(&'a [u8], bool);
    impl Read for Trickle<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.read(&mut buf[..1])
        }
    }

    fn split(input: &mut dyn Read, limit: usize) -> (Keep, SourceReport, u64) {
        let (mut keep, mut report, mut gaps) = (Keep::default(), SourceReport::default(), Gaps(0));
        let origin = Arc::from("t");
        drive(&mut keep, input, &origin, limit, &mut report, &mut gaps).unwrap();
        (keep, report, gaps.0)
    }

    #[test]
    fn line_ends_and_marks() {
        let (keep, report, gaps) = split(&mut &b"\xef\xbb\xbfa\r\n\nb"[..], 100);
        assert_eq!(keep.lines, [&b"a"[..], b"", b"b"]);
        assert_eq!((keep.cut_off, report.lines, gaps), (Some(true), 3, 0));
        let (keep, ..) = split(&mut &b"a\n"[..], 100);
        assert_eq!(keep.cut_off, Some(false));
    }

    #[test]
    fn a_long_line_is_counted_and_leaves_a_gap() {
        let text = [&b"a\n"[..], &[b'x'; 10 << 20], b"\nb\n", &[b'y'; 200], b""].concat();
        let (keep, report, gaps) = split(&mut &text[..], 100);
        assert_eq!(keep.lines, [b"a", b"b"]);
        assert_eq!(gaps, 2);
        let skip = report.skips.get(SkipKind::TooLong).unwrap();
        assert_eq!(
            (skip.count, skip.first_line, skip.excerpt.len()),
            (2, 2, EXCERPT_BYTES)
        );
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[ab\\n]{0,300}", limit in 0_usize..20) {
            let (whole, report, gaps) = split(&mut text.as_bytes(), limit);
            let (piecewise, report_2, gaps_2) = split(&mut Trickle(text.as_bytes(), false), limit);
            prop_assert_eq!(&whole.lines, &piecewise.lines);
            prop_assert_eq!(whole.cut_off, piecewise.cut_off);
            prop_assert_eq!(gaps, gaps_2);
            prop_assert_eq!(report.lines, report_2.lines);
            let expected: Vec<_> = text.lines().filter(|l| l.len() <= limit).map(|l| l.as_bytes().to_vec()).collect();
            prop_assert_eq!(whole.lines, expected);
        }
    }
}
