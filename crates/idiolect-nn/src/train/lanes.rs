//! Which sequence each lane reads, and how far.

use super::corpus::{Corpus, IGNORE};
use super::report::TrainError;
use super::shard::Shard;
use crate::Rng;

/// One place in the batch: the sequence it reads and how far it has come.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) inputs: Vec<u32>,
    pub(crate) targets: Vec<u32>,
    /// Tokens read.
    pub(crate) position: usize,
    /// Whether the sequence has just begun, so that the state must be cleared.
    pub(crate) fresh: bool,
}

impl Lane {
    /// Tokens of the sequence that are still to be read.
    pub(crate) fn remaining(&self) -> usize {
        self.inputs.len() - self.position
    }
}

/// Hands the sequences of a pass to the lanes: whichever lane has finished its own takes the next, at the
/// boundary of a chunk.
pub(crate) struct Feeder<'a> {
    corpus: &'a dyn Corpus,
    /// Sequences in the order of the pass.
    order: Vec<u32>,
    next: usize,
    /// What the generator of a sequence is made of, besides its index.
    key: [u64; 2],
    vocab: u32,
}

impl<'a> Feeder<'a> {
    /// A pass in the given order.
    pub(crate) fn new(
        corpus: &'a dyn Corpus,
        order: Vec<u32>,
        key: [u64; 2],
        vocab: usize,
    ) -> Self {
        Feeder {
            corpus,
            order,
            next: 0,
            key,
            vocab: vocab as u32,
        }
    }

    /// Gives every lane that has finished its sequence the next one. Says how many targets the next
    /// `steps` steps hold, or `None` when the pass is over.
    pub(crate) fn feed(
        &mut self,
        shards: &mut [Shard],
        steps: usize,
    ) -> Result<Option<u64>, TrainError> {
        let mut any = false;
        let mut targets = 0;
        for lane in shards.iter_mut().flat_map(|shard| &mut shard.lanes) {
            while lane.remaining() == 0 && self.next < self.order.len() {
                self.load(lane)?;
            }
            let read = lane.remaining().min(steps);
            any |= read > 0;
            let ahead = &lane.targets[lane.position..][..read];
            targets += ahead.iter().filter(|&&target| target != IGNORE).count() as u64;
        }
        Ok(any.then_some(targets))
    }

    fn load(&mut self, lane: &mut Lane) -> Result<(), TrainError> {
        let index = self.order[self.next] as usize;
        self.next += 1;
        lane.inputs.clear();
        lane.targets.clear();
        lane.position = 0;
        lane.fresh = true;
        let mut rng = Rng::from_parts(&[self.key[0], self.key[1], index as u64]);
        self.corpus
            .sequence(index, &mut rng, &mut lane.inputs, &mut lane.targets);
        let token = |&token: &u32| token < self.vocab;
        let good = lane.inputs.len() == lane.targets.len()
            && lane.inputs.iter().all(token)
            && lane.targets.iter().all(|t| *t == IGNORE || token(t));
        if good {
            Ok(())
        } else {
            lane.inputs.clear();
            lane.targets.clear();
            Err(TrainError::BadSequence(index))
        }
    }
}

/// Takes their sequences from all lanes, so that a new pass can begin.
pub(crate) fn clear(shards: &mut [Shard]) {
    for lane in shards.iter_mut().flat_map(|shard| &mut shard.lanes) {
        lane.inputs.clear();
        lane.targets.clear();
        lane.position = 0;
    }
}
