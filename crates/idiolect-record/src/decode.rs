//! A column of a row group out of its bytes.

mod column;

use std::collections::HashMap;
use std::hash::Hash;

use parquet::basic::Type as Physical;
use zstd::bulk::Decompressor;

pub(crate) use self::column::{Coded, Codes, Numbers, Present};

use crate::columns::NONE;
use crate::encoding::hybrid::{Run, Runs};
use crate::encoding::{Malformed, bits, delta};
use crate::page::{Header, Packing, PageKind, take_page};

/// The numbers that the format gives to encodings.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const DELTA_BINARY_PACKED: i64 = 5;
const RLE_DICTIONARY: i64 = 8;

/// A column's bytes, and how to read them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) packing: Packing,
    pub(crate) physical: Physical,
    /// Whether values may be absent.
    pub(crate) optional: bool,
    /// Whether numbers are unsigned.
    pub(crate) unsigned: bool,
    /// Rows of the group.
    pub(crate) rows: usize,
}

/// Reads columns; keeps what can be used again.
pub(crate) struct Decoder {
    unpacker: Decompressor<'static>,
    page: Vec<u8>,
    levels: Vec<(bool, usize)>,
    packed: Vec<u32>,
    values: Vec<i64>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

/// What values of a page are.
enum Values<'a> {
    Codes(Runs<'a>),
    /// In [`Decoder::values`].
    Numbers,
    Texts(&'a [u8]),
}

impl Decoder {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Decoder {
            unpacker: Decompressor::new()?,
            page: Vec::new(),
            levels: Vec::new(),
            packed: Vec::new(),
            values: Vec::new(),
        })
    }

    /// A column of text.
    pub(crate) fn texts(&mut self, chunk: Chunk<'_>) -> Result<Coded<Box<str>>, Malformed> {
        let mut column = Coded::<Box<str>> {
            dictionary: Vec::new(),
            codes: Codes::Constant(NONE, 0),
        };
        let mut index: HashMap<Box<str>, u32> = HashMap::new();
        self.pages(chunk, &mut |part| match part {
            Part::Dictionary(mut bytes, entries) => {
                for _ in 0..entries {
                    column.dictionary.push(take_text(&mut bytes)?.into());
                }
                Ok(())
            }
            Part::Data(Values::Codes(runs), levels, packed) => take_codes(
                runs,
                levels,
                packed,
                column.dictionary.len(),
                &mut column.codes,
            ),
            Part::Data(Values::Texts(mut bytes), levels, _) => {
                if index.is_empty() {
                    index = indexed(&column.dictionary);
                }
                for &(present, count) in levels {
                    if !present {
                        column.codes.push(NONE, count);
                        continue;
                    }
                    for _ in 0..count {
                        let text = take_text(&mut bytes)?;
                        let code = match index.get(text) {
                            Some(&code) => code,
                            None => intern(text.into(), &mut column.dictionary, &mut index)?,
                        };
                        column.codes.push(code, 1);
                    }
                }
                Ok(())
            }
            Part::Data(Values::Numbers, ..) => Err(Malformed("numbers in a column of text")),
        })?;
        check_rows(column.codes.len(), chunk)?;
        Ok(column)
    }

    /// A column of numbers of which few are different.
    pub(crate) fn coded(&mut self, chunk: Chunk<'_>) -> Result<Coded<i64>, Malformed> {
        let mut column = Coded::<i64> {
            dictionary: Vec::new(),
            codes: Codes::Constant(NONE, 0),
        };
        let mut index: HashMap<i64, u32> = HashMap::new();
        let mut numbers = std::mem::take(&mut self.values);
        let result = self.pages_with(&mut numbers, chunk, &mut |part, numbers| match part {
            Part::Dictionary(bytes, entries) => {
                take_plain(bytes, entries, chunk, &mut column.dictionary)
            }
            Part::Data(Values::Codes(runs), levels, packed) => take_codes(
                runs,
                levels,
                packed,
                column.dictionary.len(),
                &mut column.codes,
            ),
            Part::Data(_, levels, _) => {
                if index.is_empty() {
                    index = indexed(&column.dictionary);
                }
                let mut numbers = numbers.iter();
                for &(present, count) in levels {
                    if !present {
                        column.codes.push(NONE, count);
                        continue;
                    }
                    for &number in numbers.by_ref().take(count) {
                        let code = match index.get(&number) {
                            Some(&code) => code,
                            None => intern(number, &mut column.dictionary, &mut index)?,
                        };
                        column.codes.push(code, 1);
                    }
                }
                Ok(())
            }
        });
        self.values = numbers;
        result?;
        check_rows(column.codes.len(), chunk)?;
        Ok(column)
    }

    /// A column of numbers that are mostly different.
    pub(crate) fn numbers(&mut self, chunk: Chunk<'_>) -> Result<Numbers, Malformed> {
        let mut dictionary = Vec::new();
        let mut column = Numbers {
            values: Vec::with_capacity(chunk.rows.min(1 << 20)),
            present: Present::All,
        };
        let mut numbers = std::mem::take(&mut self.values);
        let result = self.pages_with(&mut numbers, chunk, &mut |part, numbers| {
            let (values, levels, packed) = match part {
                Part::Dictionary(bytes, entries) => {
                    return take_plain(bytes, entries, chunk, &mut dictionary);
                }
                Part::Data(values, levels, packed) => (values, levels, packed),
            };
            if let Values::Codes(runs) = values {
                packed.clear();
                runs.collect_into(packed)?;
                numbers.clear();
                for code in packed.iter() {
                    let value = dictionary.get(*code as usize);
                    numbers.push(*value.ok_or(Malformed("a place beyond the dictionary"))?);
                }
            }
            column.push(numbers, levels);
            Ok(())
        });
        self.values = numbers;
        result?;
        check_rows(column.values.len(), chunk)?;
        Ok(column)
    }

    fn pages(
        &mut self,
        chunk: Chunk<'_>,
        take: &mut dyn FnMut(Part<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut numbers = Vec::new();
        self.pages_with(&mut numbers, chunk, &mut |part, _| take(part))
    }

    /// Calls `take` with the dictionary and with each page of data, and the numbers of that page.
    fn pages_with(
        &mut self,
        numbers: &mut Vec<i64>,
        chunk: Chunk<'_>,
        take: OnPart<'_>,
    ) -> Result<(), Malformed> {
        let mut bytes = chunk.bytes;
        let mut left = chunk.rows;
        let mut has_dictionary = false;
        while left > 0 {
            let page = take_page(
                &mut bytes,
                chunk.packing,
                &mut self.unpacker,
                &mut self.page,
            )?;
            let header = page.ok_or(Malformed("fewer pages than rows"))?;
            match header.kind {
                PageKind::Other => {}
                PageKind::Dictionary => {
                    if std::mem::replace(&mut has_dictionary, true) {
                        return Err(Malformed("two dictionaries in one column"));
                    }
                    if !matches!(header.encoding, PLAIN | PLAIN_DICTIONARY) {
                        return Err(Malformed("a dictionary in an encoding that is not read"));
                    }
                    take(Part::Dictionary(&self.page, header.values), numbers)?;
                }
                PageKind::Data { .. } => {
                    left = left
                        .checked_sub(header.values)
                        .ok_or(Malformed("more values than rows"))?;
                    if header.values == 0 {
                        continue;
                    }
                    let present = take_levels(&header, chunk, &self.page, &mut self.levels)?;
                    let values = page_values(&header, chunk, present, numbers, &self.page)?;
                    take(Part::Data(values, &self.levels, &mut self.packed), numbers)?;
                }
            }
        }
        Ok(())
    }
}

/// Takes a part of a column, and the numbers of its page.
type OnPart<'a> = &'a mut dyn FnMut(Part<'_>, &mut Vec<i64>) -> Result<(), Malformed>;

/// A part of a column.
enum Part<'a> {
    Dictionary(&'a [u8], usize),
    /// Values, which rows have one, and room.
    Data(Values<'a>, &'a [(bool, usize)], &'a mut Vec<u32>),
}

fn check_rows(rows: usize, chunk: Chunk<'_>) -> Result<(), Malformed> {
    match rows == chunk.rows {
        true => Ok(()),
        false => Err(Malformed("not as many values as rows")),
    }
}

fn indexed<V: Clone + Eq + Hash>(dictionary: &[V]) -> HashMap<V, u32> {
    dictionary.iter().cloned().zip(0..).collect()
}

fn intern<V: Clone + Eq + Hash>(
    value: V,
    dictionary: &mut Vec<V>,
    index: &mut HashMap<V, u32>,
) -> Result<u32, Malformed> {
    let code = u32::try_from(dictionary.len())
        .ok()
        .filter(|code| *code != NONE);
    let code = code.ok_or(Malformed("too many different values"))?;
    dictionary.push(value.clone());
    index.insert(value, code);
    Ok(code)
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    let cut = Malformed("a text is cut off");
    let (length, rest) = bytes.split_first_chunk().ok_or(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (text, rest) = rest.split_at_checked(length).ok_or(cut)?;
    *bytes = rest;
    std::str::from_utf8(text).map_err(|_| Malformed("a text is no UTF-8"))
}

/// Appends numbers as they lie in memory.
fn take_plain(
    bytes: &[u8],
    count: usize,
    chunk: Chunk<'_>,
    out: &mut Vec<i64>,
) -> Result<(), Malformed> {
    let before = out.len();
    match chunk.physical {
        Physical::INT32 => {
            let (numbers, _) = bytes.as_chunks();
            out.extend(numbers.iter().take(count).map(|bytes| {
                let number = i32::from_le_bytes(*bytes);
                match chunk.unsigned {
                    true => i64::from(number as u32),
                    false => i64::from(number),
                }
            }));
        }
        _ => {
            let (numbers, _) = bytes.as_chunks();
            out.extend(
                numbers
                    .iter()
                    .take(count)
                    .map(|bytes| i64::from_le_bytes(*bytes)),
            );
        }
    }
    match out.len() - before == count {
        true => Ok(()),
        false => Err(Malformed("fewer numbers than announced")),
    }
}

/// Which rows of a page have a value, in stretches; how many, and where the values begin.
fn take_levels(
    header: &Header,
    chunk: Chunk<'_>,
    page: &[u8],
    levels: &mut Vec<(bool, usize)>,
) -> Result<(usize, usize), Malformed> {
    levels.clear();
    let (from, to) = match header.kind {
        PageKind::Data {
            levels: Some((repetition, definition)),
        } => (repetition, repetition + definition),
        _ if chunk.optional => {
            let length = page
                .first_chunk()
                .ok_or(Malformed("a page is shorter than its levels"))?;
            (4, (u32::from_le_bytes(*length) as usize).saturating_add(4))
        }
        _ => (0, 0),
    };
    let bytes = page
        .get(from..to)
        .ok_or(Malformed("a page is shorter than its levels"))?;
    if !chunk.optional {
        levels.push((true, header.values));
        return Ok((header.values, to));
    }
    let mut push = |present: bool, count: usize| match levels.last_mut() {
        Some((last, run)) if *last == present => *run += count,
        _ => levels.push((present, count)),
    };
    let mut runs = Runs::new(bytes, 1, header.values)?;
    let mut present = 0;
    while let Some(run) = runs.next_run()? {
        match run {
            Run::Repeat(level, count) => {
                push(level == 1, count);
                present += if level == 1 { count } else { 0 };
            }
            Run::Packed(bytes, count) => bits::unpack(bytes, 1, count, |level| {
                push(level == 1, 1);
                present += level as usize;
            }),
        }
    }
    Ok((present, to))
}

fn page_values<'a>(
    header: &Header,
    chunk: Chunk<'_>,
    (present, start): (usize, usize),
    numbers: &mut Vec<i64>,
    page: &'a [u8],
) -> Result<Values<'a>, Malformed> {
    let bytes = page.get(start..).unwrap_or_default();
    let is_text = chunk.physical == Physical::BYTE_ARRAY;
    match header.encoding {
        _ if present == 0 => Ok(Values::Codes(Runs::new(&[], 0, 0)?)),
        PLAIN if is_text => Ok(Values::Texts(bytes)),
        PLAIN => {
            numbers.clear();
            take_plain(bytes, present, chunk, numbers)?;
            Ok(Values::Numbers)
        }
        DELTA_BINARY_PACKED if !is_text => {
            numbers.clear();
            delta::decode(bytes, present, numbers)?;
            if chunk.physical == Physical::INT32 {
                // Differences of 32-bit numbers wrap at 32 bits.
                for number in numbers.iter_mut() {
                    *number = match chunk.unsigned {
                        true => i64::from(*number as u32),
                        false => i64::from(*number as i32),
                    };
                }
            }
            Ok(Values::Numbers)
        }
        RLE_DICTIONARY | PLAIN_DICTIONARY => {
            let (&width, codes) = bytes
                .split_first()
                .ok_or(Malformed("a page is shorter than its values"))?;
            Ok(Values::Codes(Runs::new(codes, width.into(), present)?))
        }
        _ => Err(Malformed(
            "an encoding that is not read here (plain, dictionary and, of numbers, delta are): write the \
             file anew with dictionaries",
        )),
    }
}

/// Appends the codes of a page.
fn take_codes(
    mut runs: Runs<'_>,
    levels: &[(bool, usize)],
    packed: &mut Vec<u32>,
    entries: usize,
    out: &mut Codes,
) -> Result<(), Malformed> {
    let check = |most: u32| match (most as usize) < entries {
        true => Ok(()),
        false => Err(Malformed("a place beyond the dictionary")),
    };
    if let [(true, _)] = levels {
        while let Some(run) = runs.next_run()? {
            match run {
                Run::Repeat(code, count) => {
                    check(code)?;
                    out.push(code, count);
                }
                Run::Packed(bytes, count) => {
                    let each = out.each();
                    let mut most = 0;
                    bits::unpack(bytes, runs.width(), count, |code| {
                        most = most.max(code as u32);
                        each.push(code as u32);
                    });
                    check(most)?;
                }
            }
        }
        return Ok(());
    }
    packed.clear();
    runs.collect_into(packed)?;
    if let Some(&most) = packed.iter().max() {
        check(most)?;
    }
    let mut codes = packed.iter();
    for &(present, count) in levels {
        if present {
            out.each().extend(codes.by_ref().take(count));
        } else {
            out.push(NONE, count);
        }
    }
    Ok(())
}
