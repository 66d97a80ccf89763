//! The encodings of Parquet that records are kept in, over slices.
//!
//! Written after the specification (apache/parquet-format, `Encodings.md`). Decoders take bytes that
//! nobody has vouched for: they never take more values than they are asked for, and a shortage is an
//! error.

pub(crate) mod bits;
pub(crate) mod delta;
pub(crate) mod hybrid;

/// Bytes that are no such encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Reads an unsigned LEB128 number off the front.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if place == 9 && bits > 1 {
            break;
        }
        value |= bits << (7 * place);
        if byte & 0x80 == 0 {
            *bytes = &bytes[place + 1..];
            return Ok(value);
        }
    }
    Err(Malformed("a number without an end"))
}

/// Writes an unsigned LEB128 number.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Signed numbers as unsigned ones, small where they are near zero.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Back from [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value as u64);
            bytes.push(7);
            let mut rest = &bytes[..];
            prop_assert_eq!(take_varint(&mut rest), Ok(value as u64));
            prop_assert_eq!(rest, &[7]);
        }
    }

    #[test]
    fn numbers_have_an_end() {
        assert!(take_varint(&mut &[0x80; 20][..]).is_err());
        assert!(take_varint(&mut &b""[..]).is_err());
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert!(take_varint(&mut &too_large[..]).is_err());
    }
}
