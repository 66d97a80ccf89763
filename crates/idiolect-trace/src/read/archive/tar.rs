//! The headers of a tar archive (POSIX.1-1988 ustar, with the long names of GNU tar and of pax).
//!
//! Read here rather than by a library because a trace archive is hostile input: what describes an entry
//! (a GNU long name, a pax record) may claim any size, and must not be kept in memory whole.

use std::io::{self, Read};

use crate::read::input::Exactly;

/// Bytes of a header, and the unit to which contents are padded.
pub(super) const BLOCK: usize = 512;

/// Longest name or set of pax records that is read, in bytes.
const MAX_EXTENSION: u64 = 64 << 10;

/// Whether a file's first bytes are a tar header.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK>()
        .is_some_and(|block| &block[257..262] == b"ustar" && checksum_holds(block))
}

/// What comes next in an archive.
pub(super) enum Next {
    /// An entry; its content follows, padded to whole blocks.
    Entry(Entry),
    /// The end, with the two blocks of zeros that mark it.
    End,
    /// The input ends without the mark.
    Missing,
}

/// One entry of an archive.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// Reads up to the next entry's content.
///
/// # Errors
/// `InvalidData`, with a text that says what, where it is no tar header; `UnexpectedEof` where the input
/// ends inside one; what the input reports.
pub(super) fn next(input: &mut dyn Read) -> io::Result<Next> {
    let mut long_name = None;
    loop {
        let mut block = [0_u8; BLOCK];
        if !read_block(input, &mut block)? {
            return Ok(Next::Missing);
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(Next::End);
        }
        if !checksum_holds(&block) {
            return Err(invalid("a header's checksum does not hold"));
        }
        let size = parse_number(&block[124..136]).ok_or_else(|| invalid("an entry has no size"))?;
        match block[156] {
            b'L' => {
                let mut name = extension(input, size)?;
                while name.last() == Some(&0) {
                    name.pop();
                }
                long_name = Some(name);
            }
            b'x' => {
                let records = extension(input, size)?;
                if pax_value(&records, b"size").is_some() {
                    return Err(invalid("a pax header that changes sizes is not supported"));
                }
                if let Some(name) = pax_value(&records, b"path") {
                    long_name = Some(name.to_vec());
                }
            }
            // Long targets of links, and settings for all that follows: neither matters here.
            b'K' | b'g' => skip_content(input, size)?,
            flag => {
                let kind = match flag {
                    0 | b'0' | b'7' => Kind::File,
                    b'5' => Kind::Folder,
                    b'1' | b'2' => Kind::Link,
                    _ => Kind::Other,
                };
                let name = long_name.unwrap_or_else(|| short_name(&block));
                // Before ustar a folder was a file whose name ends in a slash.
                let kind = if kind == Kind::File && name.ends_with(b"/") {
                    Kind::Folder
                } else {
                    kind
                };
                return Ok(Next::Entry(Entry { name, size, kind }));
            }
        }
    }
}

/// Bytes between the end of a content and the next header.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// False at the end of the input.
fn read_block(input: &mut dyn Read, block: &mut [u8; BLOCK]) -> io::Result<bool> {
    let first = loop {
        match input.read(block) {
            Ok(n) => break n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    if first == 0 {
        return Ok(false);
    }
    input.read_exact(&mut block[first..])?;
    Ok(true)
}

fn extension(input: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    if size > MAX_EXTENSION {
        return Err(invalid("an entry's name is too long"));
    }
    let mut content = Vec::new();
    Exactly::new(&mut *input, size).read_to_end(&mut content)?;
    Exactly::new(input, padding(size)).skip_rest()?;
    Ok(content)
}

fn skip_content(input: &mut dyn Read, size: u64) -> io::Result<()> {
    let padded = size
        .checked_add(padding(size))
        .ok_or_else(|| invalid("an entry has an impossible size"))?;
    Exactly::new(input, padded).skip_rest()
}

/// The sum of a header's bytes, its checksum field taken as spaces; some old writers summed signed bytes.
fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let Some(wanted) = parse_number(&block[148..156]) else {
        return false;
    };
    let bytes = || {
        block.iter().enumerate().map(|(at, byte)| {
            if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            }
        })
    };
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    wanted == unsigned || i64::try_from(wanted) == Ok(signed)
}

/// A number in octal digits, or (GNU tar) in base 256 if its first bit is set.
fn parse_number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(value);
    }
    let text = field.split(|byte| *byte == 0).next()?.trim_ascii();
    let mut value = 0_u64;
    for byte in text {
        if !(b'0'..=b'7').contains(byte) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(value)
}

fn short_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let until_zero = |field: &[u8]| -> Vec<u8> {
        field
            .iter()
            .copied()
            .take_while(|byte| *byte != 0)
            .collect()
    };
    let name = until_zero(&block[..100]);
    // GNU tar's magic ends in spaces, and has times where POSIX has the name's beginning.
    let prefix = if &block[257..263] == b"ustar\0" {
        until_zero(&block[345..500])
    } else {
        Vec::new()
    };
    if prefix.is_empty() {
        return name;
    }
    [prefix, name].join(&b'/')
}

/// The last record of this key: `LENGTH KEY=VALUE\n`, the length in decimal and counting itself.
fn pax_value<'a>(mut records: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    while let Some(space) = records.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..length)?;
        records = &records[length..];
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        if let Some(equals) = record.iter().position(|byte| *byte == b'=')
            && &record[..equals] == key
        {
            found = Some(&record[equals + 1..]);
        }
    }
    found
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_bases() {
        assert_eq!(parse_number(b"0000644\0"), Some(0o644));
        assert_eq!(parse_number(b"  12 \0\0\0"), Some(0o12));
        assert_eq!(parse_number(b"12x\0"), None);
        assert_eq!(parse_number(&[0x80, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(parse_number(&[0xff; 12]), None);
    }

    #[test]
    fn pax_records() {
        let records = b"15 path=a b c\n\n9 size=1\n";
        assert_eq!(pax_value(records, b"path"), Some(&b"a b c\n"[..]));
        assert_eq!(pax_value(records, b"size"), Some(&b"1"[..]));
        assert_eq!(pax_value(b"999 path=x\n", b"path"), None);
        assert_eq!(pax_value(b"0 path=x\n", b"path"), None);
        assert_eq!(padding(0), 0);
        assert_eq!(padding(513), 511);
    }
}
