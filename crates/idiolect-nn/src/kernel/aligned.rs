//! Numbers that begin at a cache line.
//!
//! A vector of 64 bytes that lies across two lines costs two reads: a network that is read from the
//! second-level cache at each step takes half as long again.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;
/// 4-byte numbers of one.
const NUMBERS: usize = LINE / 4;

/// A run of f32 or i32, the first at the beginning of a cache line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aligned<T> {
    lines: Vec<Line<T>>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line<T>([T; NUMBERS]);

/// A 4-byte number.
pub(crate) trait Number: Copy + Default {}
impl Number for f32 {}
impl Number for i32 {}

impl<T: Number> Aligned<T> {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Aligned {
            lines: vec![Line([T::default(); NUMBERS]); len.div_ceil(NUMBERS)],
            len,
        }
    }
}

impl<T: Number> From<&[T]> for Aligned<T> {
    fn from(numbers: &[T]) -> Self {
        let mut aligned = Aligned::zeros(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
    }
}

impl<T: Number> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        const { assert!(size_of::<Line<T>>() == LINE && size_of::<[T; NUMBERS]>() == LINE) };
        // SAFETY: a line is nothing but its numbers, as asserted above, so the lines, which lie one after the
        // other, are at least `len` numbers that do.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Number> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the lines are borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_line_and_holds_what_it_is_given() {
        for len in [0, 1, 16, 17, 1000] {
            let numbers: Vec<i32> = (0..len).collect();
            let mut aligned = Aligned::from(numbers.as_slice());
            assert_eq!(&*aligned, numbers);
            assert_eq!(aligned.as_ptr().addr() % LINE, 0);
            aligned.fill(7);
            assert_eq!(&*aligned.clone(), vec![7; numbers.len()]);
        }
    }
}
