//! One character a call: text in which each character stands for a call, by a file that says which.
//!
//! Published sequences often come so, since tools for text and for proteins then take them. The file of the
//! alphabet has a line a character: the character, white space, and the call's name or number. Lines that
//! begin with `#` are comments. White space in the trace itself is passed over; a file is one stream.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

use crate::read::drive::{CHUNK_BYTES, Driven, read_chunk, unreadable};
use crate::read::line::Emitter;
use crate::read::tokens::parse_number;
use crate::read::{Sink, SkipKind, SourceReport};
use crate::{Abi, Call, CallName, Record, StreamId, table};

/// Characters that an alphabet may have.
const MAX_LETTERS: usize = 4_096;

/// What each character stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alphabet {
    letters: HashMap<char, Letter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Letter {
    Name(CallName),
    Number(u32),
}

/// The text is no alphabet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAlphabet {
    /// A line is not a character and a call.
    #[error(
        "line {line}: it is not a character, white space and a call's name or number: {text:?}"
    )]
    Line {
        /// Which, from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// A character comes twice.
    #[error("line {line}: {letter:?} stands for a call already")]
    Twice {
        /// Which, from 1.
        line: usize,
        /// The character.
        letter: char,
    },
    /// There are too many.
    #[error("it has more than {MAX_LETTERS} characters")]
    TooMany,
    /// There is none.
    #[error("there is no character in it")]
    Empty,
}

impl FromStr for Alphabet {
    type Err = BadAlphabet;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut letters = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || BadAlphabet::Line {
                line: index + 1,
                text: line.chars().take(40).collect(),
            };
            let mut words = line.split_whitespace();
            let (Some(letter), Some(call), None) = (words.next(), words.next(), words.next())
            else {
                return Err(bad());
            };
            let mut chars = letter.chars();
            let (Some(letter), None) = (chars.next(), chars.next()) else {
                return Err(bad());
            };
            let call = match parse_number(call) {
                Some(number) => Letter::Number(number),
                None => Letter::Name(table::canonical(call).ok_or_else(bad)?),
            };
            if letters.insert(letter, call).is_some() {
                return Err(BadAlphabet::Twice {
                    line: index + 1,
                    letter,
                });
            }
            if letters.len() > MAX_LETTERS {
                return Err(BadAlphabet::TooMany);
            }
        }
        if letters.is_empty() {
            return Err(BadAlphabet::Empty);
        }
        Ok(Alphabet { letters })
    }
}

impl Alphabet {
    /// Whether four of five characters of a text are its own.
    pub(crate) fn fits(&self, head: &[u8]) -> bool {
        let (mut own, mut all) = (0_u64, 0_u64);
        for chunk in head.utf8_chunks() {
            for c in chunk.valid().chars().filter(|c| !c.is_whitespace()) {
                all += 1;
                own += u64::from(self.letters.contains_key(&c));
            }
            all += u64::from(!chunk.invalid().is_empty());
        }
        own > 0 && own * 5 >= all * 4
    }
}

/// Reads every character of `input` as a call of one stream.
///
/// A character that stands for nothing is counted; since a call stood there, a gap stands in its place.
pub(crate) fn read_letters(
    alphabet: &Alphabet,
    abi: Option<Abi>,
    input: &mut dyn Read,
    origin: &Arc<str>,
    report: &mut SourceReport,
    sink: &mut dyn Sink,
) -> io::Result<Driven> {
    let mut reader = LetterReader {
        alphabet,
        abi: abi.or_else(Abi::native),
        stream: StreamId::whole(origin.clone()),
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

struct LetterReader<'a> {
    alphabet: &'a Alphabet,
    abi: Option<Abi>,
    stream: StreamId,
    units: u64,
    out: Emitter<'a>,
}

impl LetterReader<'_> {
    fn run(&mut self, input: &mut dyn Read) -> io::Result<ControlFlow<()>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        // Bytes of a character that the chunk before has cut, at its beginning.
        let mut kept = 0;
        let mut in_line = false;
        loop {
            let n = read_chunk(input, &mut chunk[kept..])?;
            let bytes = &chunk[..kept + n];
            let end = if n == 0 {
                bytes.len()
            } else {
                whole_end(bytes)
            };
            for part in bytes[..end].utf8_chunks() {
                for c in part.valid().chars() {
                    in_line = c != '\n';
                    if self.letter(c).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                if !part.invalid().is_empty() && self.unknown(part.invalid()).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if n == 0 {
                break;
            }
            let total = kept + n;
            kept = total - end;
            chunk.copy_within(end..total, 0);
        }
        self.out.report.lines += u64::from(in_line);
        Ok(ControlFlow::Continue(()))
    }

    fn letter(&mut self, c: char) -> ControlFlow<()> {
        if c == '\n' {
            self.out.report.lines += 1;
            self.out.line_number = self.out.report.lines + 1;
        }
        if c.is_whitespace() || (c == '\u{feff}' && self.units == 0) {
            return ControlFlow::Continue(());
        }
        let Some(letter) = self.alphabet.letters.get(&c) else {
            return self.unknown(c.encode_utf8(&mut [0; 4]).as_bytes());
        };
        self.units += 1;
        let (abi, number, name) = match letter {
            Letter::Name(name) => {
                let abi = self.abi.unwrap_or(Abi::X86_64);
                (abi, table::number(abi, name), name.clone())
            }
            Letter::Number(number) => match self.abi {
                Some(abi) => (abi, Some(*number), table::by_number(abi, *number)),
                None => {
                    return self.out.refuse(
                        "the alphabet has call numbers, which mean nothing without an ABI: name one (--abi)",
                    );
                }
            },
        };
        self.out.record(Record::Call(Call {
            time_ns: None,
            stream: self.stream.clone(),
            abi,
            number,
            name,
            outcome: None,
        }))
    }

    fn unknown(&mut self, text: &[u8]) -> ControlFlow<()> {
        self.units += 1;
        self.out.skip(SkipKind::Unparsed, text);
        self.out.record(unreadable(&self.stream.origin))
    }
}

/// Where the last whole character of a chunk ends.
fn whole_end(bytes: &[u8]) -> usize {
    let back = bytes
        .iter()
        .rev()
        .take(4)
        .take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000)
        .count();
    let Some(lead) = bytes.len().checked_sub(back + 1) else {
        return bytes.len();
    };
    let wanted = match bytes[lead] {
        0b1100_0000..=0b1101_1111 => 2,
        0b1110_0000..=0b1110_1111 => 3,
        0b1111_0000..=0b1111_0111 => 4,
        _ => 1,
    };
    if wanted > back + 1 { lead } else { bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabets() {
        let alphabet: Alphabet = "# letters\na read\nb SYS_pwrite\né 57\n".parse().unwrap();
        assert_eq!(alphabet.letters.len(), 3);
        assert_eq!(
            alphabet.letters[&'b'],
            Letter::Name(CallName::from_static("pwrite64"))
        );
        assert_eq!(alphabet.letters[&'é'], Letter::Number(57));
        assert!(alphabet.fits("ab é\nab".as_bytes()));
        assert!(!alphabet.fits(b"read write"));
        assert!(!alphabet.fits(b" \n"));
        for (text, message) in [
            ("", "there is no character in it"),
            ("a read\na write", "line 2: 'a' stands for a call already"),
            (
                "ab read",
                "line 1: it is not a character, white space and a call's name or number: \"ab read\"",
            ),
            (
                "a re.ad",
                "line 1: it is not a character, white space and a call's name or number: \"a re.ad\"",
            ),
        ] {
            assert_eq!(text.parse::<Alphabet>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn characters_are_cut_nowhere() {
        for (bytes, end) in [
            (&b"ab"[..], 2),
            ("é".as_bytes(), 2),
            (&"é".as_bytes()[..1], 0),
            (&"a€".as_bytes()[..3], 1),
            (b"\x80\x80\x80\x80\x80", 5),
            (b"", 0),
        ] {
            assert_eq!(whole_end(bytes), end, "{bytes:?}");
        }
    }
}
