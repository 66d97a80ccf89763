//! RLE and bit-packing in turn: levels, and places in a dictionary.

use super::bits;
use super::{Malformed, put_varint, take_varint};

/// Repetitions from which a run is shorter than packed values.
const RUN: usize = 8;

/// Appends values of `width` bits.
pub(crate) fn encode(out: &mut Vec<u8>, width: u32, values: &[u32]) {
    // Values before `packed` are written; those up to `at` are to be packed.
    let (mut packed, mut at) = (0_usize, 0_usize);
    while at < values.len() {
        let value = values[at];
        let run = 1 + values[at + 1..]
            .iter()
            .take_while(|next| **next == value)
            .count();
        // Packed values come in eights: the run gives what is missing.
        let padding = (packed.wrapping_sub(at)) % RUN;
        if run >= RUN + padding {
            put_packed(out, width, &values[packed..at + padding]);
            put_run(out, width, value, run - padding);
            packed = at + run;
        }
        at += run;
    }
    put_packed(out, width, &values[packed..]);
}

/// Appends one value many times.
pub(crate) fn put_run(out: &mut Vec<u8>, width: u32, value: u32, count: usize) {
    put_varint(out, (count as u64) << 1);
    let bytes = width.div_ceil(8) as usize;
    out.extend_from_slice(&value.to_le_bytes()[..bytes]);
}

/// Appends values one by one, the last eight filled up with zeros.
fn put_packed(out: &mut Vec<u8>, width: u32, values: &[u32]) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    put_varint(out, (groups as u64) << 1 | 1);
    let zeros = std::iter::repeat_n(0, groups * 8 - values.len());
    bits::pack(
        out,
        width,
        values.iter().map(|value| u64::from(*value)).chain(zeros),
    );
}

/// A stretch of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run<'a> {
    /// One value so many times.
    Repeat(u32, usize),
    /// So many packed values.
    Packed(&'a [u8], usize),
}

/// Takes stretches off the front until `count` values are there.
#[derive(Clone, Debug)]
pub(crate) struct Runs<'a> {
    bytes: &'a [u8],
    width: u32,
    left: usize,
}

impl<'a> Runs<'a> {
    /// `width` is at most 32.
    pub(crate) fn new(bytes: &'a [u8], width: u32, count: usize) -> Result<Self, Malformed> {
        if width > u32::BITS {
            return Err(Malformed("values of more than 32 bits"));
        }
        Ok(Runs {
            bytes,
            width,
            left: count,
        })
    }

    /// Bits of a value.
    pub(crate) fn width(&self) -> u32 {
        self.width
    }

    /// The next stretch, never empty; none at the end.
    pub(crate) fn next_run(&mut self) -> Result<Option<Run<'a>>, Malformed> {
        while self.left > 0 {
            let header = take_varint(&mut self.bytes)?;
            let length = usize::try_from(header >> 1).unwrap_or(usize::MAX);
            if header & 1 == 0 {
                let bytes = self.width.div_ceil(8) as usize;
                let Some((value, rest)) = self.bytes.split_at_checked(bytes) else {
                    return Err(Malformed("a run without its value"));
                };
                let mut word = [0; 4];
                word[..bytes].copy_from_slice(value);
                self.bytes = rest;
                let count = length.min(self.left);
                self.left -= count;
                if count > 0 {
                    return Ok(Some(Run::Repeat(u32::from_le_bytes(word), count)));
                }
            } else {
                let count = length.saturating_mul(8).min(self.left);
                // Writers may leave out the end of the last group.
                let needed = (count * self.width as usize).div_ceil(8);
                let whole = length
                    .saturating_mul(self.width as usize)
                    .min(self.bytes.len());
                if needed > self.bytes.len() {
                    return Err(Malformed("fewer packed values than announced"));
                }
                let (packed, rest) = self.bytes.split_at(whole);
                self.bytes = rest;
                self.left -= count;
                if count > 0 {
                    return Ok(Some(Run::Packed(packed, count)));
                }
            }
        }
        Ok(None)
    }

    /// Appends all values.
    pub(crate) fn collect_into(mut self, out: &mut Vec<u32>) -> Result<(), Malformed> {
        while let Some(run) = self.next_run()? {
            match run {
                Run::Repeat(value, count) => out.extend(std::iter::repeat_n(value, count)),
                Run::Packed(bytes, count) => {
                    bits::unpack(bytes, self.width, count, |value| out.push(value as u32));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back(bytes: &[u8], width: u32, count: usize) -> Result<Vec<u32>, Malformed> {
        let mut values = Vec::new();
        Runs::new(bytes, width, count)?.collect_into(&mut values)?;
        Ok(values)
    }

    proptest! {
        #[test]
        fn values_read_back(
            width in 0_u32..=32,
            runs in prop::collection::vec((any::<u32>(), 1_usize..40), 0..40),
        ) {
            let mask = bits::mask(width) as u32;
            let values: Vec<u32> = runs.iter()
                .flat_map(|&(value, n)| std::iter::repeat_n(value & mask, n / 3 + 1))
                .collect();
            let mut bytes = Vec::new();
            encode(&mut bytes, width, &values);
            prop_assert_eq!(back(&bytes, width, values.len()), Ok(values));
        }

        #[test]
        fn any_bytes_give_values_or_an_error(bytes: Vec<u8>, width in 0_u32..=40, count in 0_usize..5_000) {
            if let Ok(values) = back(&bytes, width, count) {
                prop_assert_eq!(values.len(), count);
            }
        }
    }

    #[test]
    fn a_run_is_short() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 1, &[1; 1_000_000]);
        assert!(bytes.len() < 8, "{bytes:?}");
    }

    /// The example of the specification: 0 to 7 of three bits each.
    #[test]
    fn packed_as_specified() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 3, &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(bytes, [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }
}
