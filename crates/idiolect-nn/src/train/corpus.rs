//! Where the sequences come from.

use crate::Rng;

/// The target that is not learned and not counted.
pub const IGNORE: u32 = u32::MAX;

/// Sequences to learn from or to measure on.
pub trait Corpus: Sync {
    /// Number of sequences, below 2^32.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many targets sequence `index` has: for progress, and for schedules that go by the share
    /// of the training done. Must always give the same answer.
    fn size_hint(&self, index: usize) -> usize;

    /// Writes sequence `index`: what goes in, and for each of it what should come next (the same number
    /// of tokens; [`IGNORE`] where that is not to be learned). Both arrive empty. An empty sequence is
    /// passed over.
    ///
    /// `rng` depends on the seed, the epoch and `index` alone: an augmentation drawn from it is repeatable,
    /// and a resumed training sees what the uninterrupted one would have seen. When measuring it is the
    /// same every time.
    fn sequence(&self, index: usize, rng: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>);
}

/// Streams whose first token is the start: each token is to be predicted from those before it.
impl Corpus for Vec<Vec<u32>> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn size_hint(&self, index: usize) -> usize {
        self[index].len().saturating_sub(1)
    }

    fn sequence(&self, index: usize, _: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        if let [before @ .., _] = self[index].as_slice() {
            inputs.extend_from_slice(before);
            targets.extend_from_slice(&self[index][1..]);
        }
    }
}
