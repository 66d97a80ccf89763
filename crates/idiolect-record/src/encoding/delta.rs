//! Differences from value to value, packed (`DELTA_BINARY_PACKED`).

use super::bits;
use super::{Malformed, put_varint, take_varint, unzigzag, zigzag};

/// Values in a block.
const BLOCK: usize = 128;
/// Parts of a block that are packed each with a width of their own.
const PARTS: usize = 4;
/// Values in a part.
const PART: usize = BLOCK / PARTS;

/// Largest block that is read; the specification has no bound, writers take 128 or 256.
const MAX_BLOCK: u64 = 1 << 16;

/// Appends all values.
pub(crate) fn encode(out: &mut Vec<u8>, values: &[i64]) {
    put_varint(out, BLOCK as u64);
    put_varint(out, PARTS as u64);
    put_varint(out, values.len() as u64);
    put_varint(out, zigzag(values.first().copied().unwrap_or(0)));
    let mut before = values.first().copied().unwrap_or(0);
    let mut deltas = [0_i64; BLOCK];
    for block in values.get(1..).unwrap_or_default().chunks(BLOCK) {
        for (delta, &value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(before);
            before = value;
        }
        let deltas = &deltas[..block.len()];
        let least = deltas.iter().copied().min().unwrap_or(0);
        let above = |delta: &i64| delta.wrapping_sub(least) as u64;
        put_varint(out, zigzag(least));
        let mut widths = [0; PARTS];
        for (width, part) in widths.iter_mut().zip(deltas.chunks(PART)) {
            *width = bits::width(part.iter().map(above).fold(0, |all, value| all | value));
        }
        out.extend(widths.map(|width| width as u8));
        for (width, part) in widths.into_iter().zip(deltas.chunks(PART)) {
            // A part that is begun is written whole.
            let zeros = std::iter::repeat_n(0, PART - part.len());
            bits::pack(out, width, part.iter().map(above).chain(zeros));
        }
    }
}

/// Appends exactly `count` values.
pub(crate) fn decode(mut bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), Malformed> {
    let block = take_varint(&mut bytes)?;
    let parts = take_varint(&mut bytes)?;
    let total = take_varint(&mut bytes)?;
    let mut value = unzigzag(take_varint(&mut bytes)?);
    if total != count as u64 {
        return Err(Malformed("not as many differences as values"));
    }
    if block == 0 || block > MAX_BLOCK || parts == 0 || !block.is_multiple_of(parts) {
        return Err(Malformed("blocks of differences of an impossible size"));
    }
    let (parts, part) = (parts as usize, (block / parts) as usize);
    if count == 0 {
        return Ok(());
    }
    out.push(value);
    let mut left = count - 1;
    while left > 0 {
        let least = unzigzag(take_varint(&mut bytes)?);
        let (widths, mut rest) = bytes
            .split_at_checked(parts)
            .ok_or(Malformed("a block of differences without its widths"))?;
        for &width in widths {
            if left == 0 {
                break;
            }
            let width = u32::from(width);
            if width > u64::BITS {
                return Err(Malformed("differences of more than 64 bits"));
            }
            let taken = part.min(left);
            if (taken * width as usize).div_ceil(8) > rest.len() {
                return Err(Malformed("fewer differences than announced"));
            }
            let whole = (part * width as usize).div_ceil(8).min(rest.len());
            let (packed, after) = rest.split_at(whole);
            bits::unpack(packed, width, taken, |above| {
                value = value.wrapping_add(least).wrapping_add(above as i64);
                out.push(value);
            });
            rest = after;
            left -= taken;
        }
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_read_back(values: Vec<i64>, steps in prop::collection::vec(0_i64..5_000, 0..1_000)) {
            let mut climbing: Vec<i64> = steps.iter().scan(values.first().copied().unwrap_or(9), |at, step| {
                *at = at.wrapping_add(*step);
                Some(*at)
            }).collect();
            climbing.extend(values);
            let mut bytes = Vec::new();
            encode(&mut bytes, &climbing);
            let mut back = Vec::new();
            decode(&bytes, climbing.len(), &mut back).unwrap();
            prop_assert_eq!(back, climbing);
        }

        #[test]
        fn any_bytes_give_values_or_an_error(mut bytes: Vec<u8>, count in 0_usize..300) {
            let mut head = vec![128, 1, 4];
            put_varint(&mut head, count as u64);
            head.append(&mut bytes);
            let mut values = Vec::new();
            if decode(&head, count, &mut values).is_ok() {
                prop_assert_eq!(values.len(), count);
            }
        }
    }

    /// The first example of the specification: 1, 2, 3, 4, 5 need no bits but for the first.
    #[test]
    fn steady_steps_need_no_bits() {
        let mut bytes = Vec::new();
        encode(&mut bytes, &[1, 2, 3, 4, 5]);
        assert_eq!(bytes, [128, 1, 4, 5, 2, 2, 0, 0, 0, 0]);
    }
}
