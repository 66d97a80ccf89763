//! The shape of a Parquet footer, checked before the library decodes it.
//!
//! A footer is one struct in Thrift's compact protocol (apache/thrift, `doc/specs/thrift-compact-protocol.md`). A list
//! says how many elements follow, and the library goes through so many even where they take no bytes: a hundred bytes
//! could keep it busy for hours. Here every element takes at least one byte, so that work is bounded by length.

/// Deepest nesting: Parquet's own is six.
const DEEPEST: usize = 32;

/// Whether the bytes begin with a struct each of whose elements is there; what no footer holds (sets, maps, lists of
/// booleans) is refused.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    let mut rest = Rest(bytes);
    rest.structure(DEEPEST).is_some()
}

/// What has not been walked over yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn pass(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn structure(&mut self, deeper: usize) -> Option<()> {
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            if head >> 4 == 0 {
                self.varint()?;
            }
            match head & 0x0f {
                // The value is in the head.
                1 | 2 => {}
                kind => self.value(kind, deeper)?,
            }
        }
    }

    /// A value, of at least one byte.
    fn value(&mut self, kind: u8, deeper: usize) -> Option<()> {
        match kind {
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(usize::try_from(length).ok()?)
            }
            9 => self.list(deeper.checked_sub(1)?),
            12 => self.structure(deeper.checked_sub(1)?),
            _ => None,
        }
    }

    fn list(&mut self, deeper: usize) -> Option<()> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            length => usize::from(length),
        };
        if length > self.0.len() {
            return None;
        }
        (0..length).try_for_each(|_| self.value(head & 0x0f, deeper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_there_and_take_bytes() {
        // A struct of an i32, a text, a list of two i32, a struct that ends at once.
        let sound = [0x15, 2, 0x18, 1, b'a', 0x19, 0x25, 4, 6, 0x1c, 0, 0];
        assert!(is_sound(&sound));
        for cut in 0..sound.len() {
            assert!(!is_sound(&sound[..cut]), "{cut}");
        }
        // A list of 2^31 booleans, of 2^31 structs, a map, nothing but beginnings.
        assert!(!is_sound(&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0]));
        assert!(!is_sound(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7, 0]));
        assert!(!is_sound(&[0x1b, 0, 0]));
        assert!(!is_sound(&[0x1c; 1000]));
    }
}
