//! Numbers of a fixed count of bits, the lowest bit first.

/// The least width in bits that holds a value.
pub(crate) fn width(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// The `width` lowest bits.
pub(crate) fn mask(width: u32) -> u64 {
    match width {
        0 => 0,
        width => u64::MAX >> (u64::BITS - width.min(u64::BITS)),
    }
}

/// Appends values of `width` bits each. Values have no bit above it.
pub(crate) fn pack(out: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u64>) {
    let (mut held, mut bits) = (0_u128, 0_u32);
    for value in values {
        held |= u128::from(value) << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            bits -= 64;
        }
    }
    let bytes = bits.div_ceil(8) as usize;
    out.extend_from_slice(&held.to_le_bytes()[..bytes]);
}

/// Calls `take` with each of `count` values of `width` bits (at most 64). `bytes` holds at least that
/// many, rounded up to bytes.
pub(crate) fn unpack(bytes: &[u8], width: u32, count: usize, mut take: impl FnMut(u64)) {
    let mask = mask(width);
    let step = width as usize;
    let mut at = 0;
    let mut left = count;
    if width <= 56 {
        // Any value lies within eight bytes of the byte that it begins in.
        while left > 0 {
            let Some(window) = bytes.get(at / 8..at / 8 + 8) else {
                break;
            };
            let word = u64::from_le_bytes(window.try_into().expect("a window of eight bytes"));
            take(word >> (at % 8) & mask);
            at += step;
            left -= 1;
        }
    }
    for _ in 0..left {
        let mut window = [0; 16];
        let rest = bytes.get(at / 8..).unwrap_or_default();
        let n = rest.len().min(16);
        window[..n].copy_from_slice(&rest[..n]);
        take((u128::from_le_bytes(window) >> (at % 8)) as u64 & mask);
        at += step;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_read_back(width in 0_u32..=64, values: Vec<u64>) {
            let values: Vec<u64> = values.iter().map(|value| value & mask(width)).collect();
            let mut bytes = Vec::new();
            pack(&mut bytes, width, values.iter().copied());
            prop_assert_eq!(bytes.len(), (values.len() * width as usize).div_ceil(8));
            let mut back = Vec::new();
            unpack(&bytes, width, values.len(), |value| back.push(value));
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn widths() {
        assert_eq!(
            [0, 1, 2, 255, 256, u64::MAX].map(width),
            [0, 1, 2, 8, 9, 64]
        );
    }
}
