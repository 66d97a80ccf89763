//! The pages of a column: their headers, which nobody has vouched for, and their bytes unpacked.

use zstd::bulk::Decompressor;

use crate::encoding::{Malformed, take_varint, unzigzag};

/// Most bytes that a page may unpack to. Writers make pages of about 1 MiB; ours are below 2.
const MAX_PAGE: usize = 64 << 20;

/// How deep values of a header may lie.
const MAX_DEPTH: usize = 8;

/// How a page's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Zstd,
}

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    Dictionary,
    Data {
        /// Bytes of repetition and definition levels at its beginning, where they are counted there and
        /// not packed.
        levels: Option<(usize, usize)>,
    },
    /// Of no use here.
    Other,
}

/// A page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: PageKind,
    /// Rows, or entries of a dictionary.
    pub(crate) values: usize,
    /// By the number that the format gives it.
    pub(crate) encoding: i64,
    packed: usize,
    unpacked: usize,
    crc: Option<u32>,
    is_packed: bool,
}

/// Takes a page off the front of a column's bytes: its header and its unpacked bytes. None at the end.
pub(crate) fn take_page(
    bytes: &mut &[u8],
    packing: Packing,
    unpacker: &mut Decompressor<'static>,
    page: &mut Vec<u8>,
) -> Result<Option<Header>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = take_header(bytes)?;
    let (packed, rest) = bytes
        .split_at_checked(header.packed)
        .ok_or(Malformed("a page is longer than its column"))?;
    *bytes = rest;
    if header.crc.is_some_and(|crc| crc != crc32fast::hash(packed)) {
        return Err(Malformed("a page's check sum is wrong"));
    }
    if header.unpacked > MAX_PAGE {
        return Err(Malformed("a page unpacks to more than 64 MiB"));
    }
    page.clear();
    let levels = match header.kind {
        PageKind::Data {
            levels: Some((repetition, definition)),
        } => repetition.saturating_add(definition),
        _ => 0,
    };
    let (levels, packed) = packed
        .split_at_checked(levels)
        .ok_or(Malformed("a page is shorter than its levels"))?;
    page.extend_from_slice(levels);
    if packing == Packing::Zstd && header.is_packed && header.unpacked > levels.len() {
        let mut rest = Vec::with_capacity(header.unpacked - levels.len());
        unpacker
            .decompress_to_buffer(packed, &mut rest)
            .map_err(|_| Malformed("a page cannot be unpacked"))?;
        if page.is_empty() {
            *page = rest;
        } else {
            page.append(&mut rest);
        }
    } else {
        page.extend_from_slice(packed);
    }
    if page.len() != header.unpacked {
        return Err(Malformed("a page is not as long as it says"));
    }
    Ok(Some(header))
}

/// Takes a page's header, `PageHeader` of the format's `parquet.thrift`, in Thrift's compact protocol.
fn take_header(bytes: &mut &[u8]) -> Result<Header, Malformed> {
    let (mut kind, mut unpacked, mut packed, mut crc) = (None, None, None, None);
    let (mut v1, mut dictionary, mut v2) =
        (Fields::default(), Fields::default(), Fields::default());
    fields(bytes, 0, &mut |id, value, bytes| {
        match (id, value) {
            (1, Wire::Int(value)) => kind = Some(value),
            (2, Wire::Int(value)) => unpacked = size(value),
            (3, Wire::Int(value)) => packed = size(value),
            (4, Wire::Int(value)) => crc = Some(value as u32),
            (5, Wire::Struct) => v1 = Fields::take(bytes)?,
            (7, Wire::Struct) => dictionary = Fields::take(bytes)?,
            (8, Wire::Struct) => v2 = Fields::take(bytes)?,
            (_, value) => skip(value, bytes, 1)?,
        }
        Ok(())
    })?;
    let (Some(packed), Some(unpacked)) = (packed, unpacked) else {
        return Err(Malformed("a page's header has no sizes"));
    };
    let (kind, values, encoding, is_packed) = match kind {
        Some(0) => (PageKind::Data { levels: None }, v1.get(1), v1.get(2), true),
        Some(2) => (
            PageKind::Dictionary,
            dictionary.get(1),
            dictionary.get(2),
            true,
        ),
        Some(3) => {
            let levels = size(v2.get(6).unwrap_or(0)).zip(size(v2.get(5).unwrap_or(0)));
            if levels.is_none() {
                return Err(Malformed("a page's levels have no size"));
            }
            let is_packed = v2.get(7) != Some(0);
            (PageKind::Data { levels }, v2.get(1), v2.get(4), is_packed)
        }
        _ => (PageKind::Other, Some(0), Some(0), true),
    };
    let (Some(values), Some(encoding)) = (values.and_then(size), encoding) else {
        return Err(Malformed("a page's header is not whole"));
    };
    Ok(Header {
        kind,
        values,
        encoding,
        packed,
        unpacked,
        crc,
        is_packed,
    })
}

fn size(value: i64) -> Option<usize> {
    usize::try_from(value).ok()
}

/// The numbers and truths of a structure's first fields, by id.
#[derive(Default)]
struct Fields([Option<i64>; 8]);

impl Fields {
    fn take(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let mut all = Fields::default();
        fields(bytes, 1, &mut |id, value, bytes| {
            match (
                usize::try_from(id).ok().and_then(|id| all.0.get_mut(id)),
                value,
            ) {
                (Some(field), Wire::Int(value)) => *field = Some(value),
                (Some(field), Wire::Bool(value)) => *field = Some(value.into()),
                (_, value) => skip(value, bytes, 2)?,
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn get(&self, id: usize) -> Option<i64> {
        self.0[id]
    }
}

/// A value, or what is to be read next.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Bool(bool),
    Int(i64),
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

type OnField<'a> = &'a mut dyn FnMut(i64, Wire, &mut &[u8]) -> Result<(), Malformed>;

/// Calls `take` with each field of a structure; it reads what is no number or truth, or skips it.
fn fields(bytes: &mut &[u8], depth: usize, take: OnField<'_>) -> Result<(), Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed("a page's header is nested too deep"));
    }
    let mut id = 0_i64;
    loop {
        let byte = take_byte(bytes)?;
        if byte == 0 {
            return Ok(());
        }
        id = match byte >> 4 {
            0 => unzigzag(take_varint(bytes)?),
            step => id.wrapping_add(i64::from(step)),
        };
        let value = wire(byte & 0xf, bytes, true)?;
        take(id, value, bytes)?;
    }
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Malformed> {
    let (&first, rest) = bytes
        .split_first()
        .ok_or(Malformed("a page's header is cut off"))?;
    *bytes = rest;
    Ok(first)
}

/// A value of a type. The truths of fields are their types; those of lists are bytes.
fn wire(kind: u8, bytes: &mut &[u8], is_field: bool) -> Result<Wire, Malformed> {
    Ok(match kind {
        1 | 2 if is_field => Wire::Bool(kind == 1),
        1 | 2 => Wire::Bool(take_byte(bytes)? == 1),
        3 => Wire::Int(i64::from(take_byte(bytes)? as i8)),
        4..=6 => Wire::Int(unzigzag(take_varint(bytes)?)),
        7 => Wire::Double,
        8 => Wire::Binary,
        9 | 10 => Wire::List,
        11 => Wire::Map,
        12 => Wire::Struct,
        13 => Wire::Uuid,
        _ => return Err(Malformed("a page's header has a value of no known type")),
    })
}

/// Passes over a value.
fn skip(value: Wire, bytes: &mut &[u8], depth: usize) -> Result<(), Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed("a page's header is nested too deep"));
    }
    let length = match value {
        Wire::Bool(_) | Wire::Int(_) => 0,
        Wire::Double => 8,
        Wire::Uuid => 16,
        Wire::Binary => take_varint(bytes)?,
        Wire::Struct => {
            return fields(bytes, depth, &mut |_, value, bytes| {
                skip(value, bytes, depth + 1)
            });
        }
        Wire::List => {
            let head = take_byte(bytes)?;
            let count = match head >> 4 {
                15 => take_varint(bytes)?,
                count => u64::from(count),
            };
            return skip_many(&[head & 0xf], count, bytes, depth);
        }
        Wire::Map => {
            let count = take_varint(bytes)?;
            if count == 0 {
                return Ok(());
            }
            let kinds = take_byte(bytes)?;
            return skip_many(&[kinds >> 4, kinds & 0xf], count, bytes, depth);
        }
    };
    *bytes = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.get(length..))
        .ok_or(Malformed("a page's header is cut off"))?;
    Ok(())
}

fn skip_many(kinds: &[u8], count: u64, bytes: &mut &[u8], depth: usize) -> Result<(), Malformed> {
    // Every value of a list takes a byte at least.
    if count > bytes.len() as u64 {
        return Err(Malformed("a page's header is cut off"));
    }
    for _ in 0..count {
        for &kind in kinds {
            let value = wire(kind, bytes, false)?;
            skip(value, bytes, depth + 1)?;
        }
    }
    Ok(())
}
