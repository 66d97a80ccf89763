//! ADFA-LD and plain text: calls as words, one stream a file.
//!
//! Words and not lines are what is read here, since a whole trace may be one line of any length.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::read::drive::{CHUNK_BYTES, Driven, read_chunk, unreadable};
use crate::read::line::Emitter;
use crate::read::{Sink, SkipKind, SourceReport};
use crate::{Abi, Call, CallName, Record, StreamId, table};

/// Largest number that is taken for a call's, so that a number out of something else is not; the
/// largest of Linux are arm's own, just below this (0xf0001 and following).
pub(crate) const MAX_NUMBER: u32 = 1 << 20;

/// What the words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Numbers of i386, as in ADFA-LD.
    Adfa,
    /// Names, or numbers of this ABI if there is one; `#` begins a comment.
    Plain(Option<Abi>),
}

/// Reads every word of `input` as a call of one stream.
///
/// A word that is no call is counted; since a call stood there, a gap stands in its place.
pub(crate) fn read_words(
    words: Words,
    input: &mut dyn Read,
    origin: &Arc<str>,
    report: &mut SourceReport,
    sink: &mut dyn Sink,
) -> io::Result<Driven> {
    let mut reader = WordReader {
        words,
        stream: StreamId::whole(origin.clone()),
        word: Vec::with_capacity(MAX_WORD + 1),
        in_comment: false,
        units: 0,
        out: Emitter {
            line_number: 1,
            report,
            sink,
            refusal: None,
        },
    };
    let flow = reader.run(input)?;
    Ok(Driven {
        flow,
        units: reader.units,
        refusal: reader.out.refusal,
    })
}

/// Longest word that is kept: a call's name with a prefix. Of a longer one only this much is kept.
const MAX_WORD: usize = CallName::MAX_LEN + 16;

struct WordReader<'a> {
    words: Words,
    stream: StreamId,
    word: Vec<u8>,
    in_comment: bool,
    units: u64,
    out: Emitter<'a>,
}

impl WordReader<'_> {
    fn run(&mut self, input: &mut dyn Read) -> io::Result<ControlFlow<()>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut at_line_start = true;
        loop {
            let n = read_chunk(input, &mut chunk)?;
            if n == 0 {
                break;
            }
            for &byte in &chunk[..n] {
                if self.byte(byte).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            at_line_start = chunk[n - 1] == b'\n';
        }
        self.out.report.lines += u64::from(!at_line_start);
        Ok(self.end_word())
    }

    fn byte(&mut self, byte: u8) -> ControlFlow<()> {
        if byte == b'\n' {
            self.end_word()?;
            self.in_comment = false;
            self.out.report.lines += 1;
            self.out.line_number = self.out.report.lines + 1;
        } else if self.in_comment {
        } else if byte.is_ascii_whitespace() {
            self.end_word()?;
        } else if byte == b'#' && matches!(self.words, Words::Plain(_)) {
            self.end_word()?;
            self.in_comment = true;
        } else if self.word.len() <= MAX_WORD {
            self.word.push(byte);
        }
        ControlFlow::Continue(())
    }

    fn end_word(&mut self) -> ControlFlow<()> {
        let word = std::mem::take(&mut self.word);
        let flow = self.take_word(&word);
        self.word = word;
        self.word.clear();
        flow
    }

    fn take_word(&mut self, word: &[u8]) -> ControlFlow<()> {
        let word = match word.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.units == 0 => rest,
            _ => word,
        };
        if word.is_empty() {
            return ControlFlow::Continue(());
        }
        self.units += 1;
        let text = match std::str::from_utf8(word) {
            Ok(text) if word.len() <= MAX_WORD => text,
            Ok(_) => return self.no_call(SkipKind::TooLong, word),
            Err(_) => return self.no_call(SkipKind::Unparsed, word),
        };
        let call = match self.words {
            Words::Adfa => parse_decimal(text).map(|number| by_number(Abi::I386, number)),
            Words::Plain(abi) => match parse_number(text) {
                Some(number) => match abi.or_else(Abi::native) {
                    Some(abi) => Some(by_number(abi, number)),
                    None => {
                        return self.out.refuse(
                            "call numbers mean nothing without an ABI, and there is no table for \
                             this machine's; name one (--abi x86_64, i386, x32, aarch64, arm or \
                             riscv64)",
                        );
                    }
                },
                None => by_name(abi.or_else(Abi::native).unwrap_or(Abi::X86_64), text),
            },
        };
        match call {
            Some((abi, number, name)) => self.out.record(Record::Call(Call {
                time_ns: None,
                stream: self.stream.clone(),
                abi,
                number,
                name,
                outcome: None,
            })),
            None => self.no_call(SkipKind::Unparsed, word),
        }
    }

    fn no_call(&mut self, kind: SkipKind, word: &[u8]) -> ControlFlow<()> {
        self.out.skip(kind, word);
        self.out.record(unreadable(&self.stream.origin))
    }
}

type Parsed = (Abi, Option<u32>, CallName);

fn by_number(abi: Abi, number: u32) -> Parsed {
    (abi, Some(number), table::by_number(abi, number))
}

fn by_name(abi: Abi, text: &str) -> Option<Parsed> {
    let name = lower_name(text)?;
    Some((abi, table::number(abi, &name), name))
}

/// The call that a word names. All names are in small letters, so a word that is not is prose.
pub(crate) fn lower_name(text: &str) -> Option<CallName> {
    let prose = |name: &CallName| name.as_str().bytes().any(|byte| byte.is_ascii_uppercase());
    table::canonical(text).filter(|name| !prose(name))
}

/// A call's number.
pub(crate) fn parse_decimal(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= MAX_NUMBER)
}

/// A call's number, in decimal or after `0x` in hexadecimal.
pub(crate) fn parse_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16)
                .ok()
                .filter(|number| *number <= MAX_NUMBER)
        }
        Some(_) => None,
        None => parse_decimal(text),
    }
}
