//! How the tokens of a chunk lie in memory.
//!
//! The lanes of a chunk are ordered by the number of steps they have left, longest first, so that the rows
//! of step t are the first `counts[t]` of them, and the rows of all steps lie one after the other without
//! padding: a lane whose sequence has ended costs nothing.

use std::ops::Range;

use super::corpus::IGNORE;
use super::lanes::Lane;

/// The rows of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Lanes of the chunk, longest first.
    pub(crate) order: Vec<usize>,
    /// Rows of each step.
    pub(crate) counts: Vec<usize>,
    /// Token of each row.
    pub(crate) tokens: Vec<u32>,
    /// The token that comes after it.
    pub(crate) targets: Vec<u32>,
    /// Rows that have a target, if they are few; else none are picked, and all are put out.
    pub(crate) picked: Option<Picked>,
}

/// The rows that the output is computed for.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// Which.
    pub(crate) rows: Vec<usize>,
    /// The target of each.
    pub(crate) targets: Vec<u32>,
}

/// Rows of a step, and in the states (which begin with the first state) the rows before it.
pub(crate) struct StepRows {
    pub(crate) rows: Range<usize>,
    pub(crate) before: Range<usize>,
}

impl Rows {
    /// Puts the lanes in order and their tokens in rows.
    pub(crate) fn arrange(&mut self, lanes: &[Lane], steps: usize) {
        self.order.clear();
        self.counts.clear();
        self.tokens.clear();
        self.targets.clear();
        self.order
            .extend((0..lanes.len()).filter(|&lane| lanes[lane].remaining() > 0));
        self.order
            .sort_unstable_by_key(|&lane| (usize::MAX - lanes[lane].remaining().min(steps), lane));
        for step in 0..steps {
            let count = self
                .order
                .iter()
                .take_while(|&&lane| lanes[lane].remaining() > step)
                .count();
            if count == 0 {
                break;
            }
            self.counts.push(count);
            for &lane in &self.order[..count] {
                let lane = &lanes[lane];
                self.tokens.push(lane.inputs[lane.position + step]);
                self.targets.push(lane.targets[lane.position + step]);
            }
        }
        self.pick();
    }

    /// The target of each row that the output is computed for.
    pub(crate) fn scored(&self) -> &[u32] {
        match &self.picked {
            Some(picked) => &picked.targets,
            None => &self.targets,
        }
    }

    /// Picks the rows with a target if they are at most half of all: with more, copying them together
    /// costs what it saves.
    fn pick(&mut self) {
        let mut picked = self.picked.take().unwrap_or_default();
        picked.rows.clear();
        picked.targets.clear();
        let targets = self.targets.iter().enumerate();
        for (row, &target) in targets.filter(|&(_, &target)| target != IGNORE) {
            picked.rows.push(row);
            picked.targets.push(target);
        }
        self.picked = (2 * picked.rows.len() <= self.targets.len()).then_some(picked);
    }

    /// Calls `each` for each step in turn.
    pub(crate) fn each_step(&self, mut each: impl FnMut(StepRows)) {
        let counts = &self.counts;
        let (mut start, mut before) = (0, 0);
        for (step, &count) in counts.iter().enumerate() {
            each(StepRows {
                rows: start..start + count,
                before: before..before + count,
            });
            before += if step == 0 {
                counts[0]
            } else {
                counts[step - 1]
            };
            start += count;
        }
    }

    /// Calls `each` for each step, the last first.
    pub(crate) fn each_step_backward(&self, mut each: impl FnMut(StepRows)) {
        let counts = &self.counts;
        let mut end: usize = counts.iter().sum();
        for (step, &count) in counts.iter().enumerate().rev() {
            let start = end - count;
            // The states begin with one more step, as long as the first.
            let before = match step {
                0 => 0,
                _ => counts[0] + start - counts[step - 1],
            };
            each(StepRows {
                rows: start..end,
                before: before..before + count,
            });
            end = start;
        }
    }
}

/// A range of rows as one of numbers.
pub(crate) fn scaled(rows: &Range<usize>, width: usize) -> Range<usize> {
    rows.start * width..rows.end * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_backward_are_the_steps_reversed() {
        for counts in [vec![3, 3, 3], vec![4, 2, 2, 1], vec![1], vec![5, 1]] {
            let rows = Rows {
                counts: counts.clone(),
                ..Rows::default()
            };
            let (mut forward, mut backward) = (Vec::new(), Vec::new());
            rows.each_step(|s| forward.push((s.rows, s.before)));
            rows.each_step_backward(|s| backward.push((s.rows, s.before)));
            backward.reverse();
            assert_eq!(forward, backward);
            assert_eq!(forward[0].1, 0..counts[0]);
            if counts.len() > 1 {
                assert_eq!(forward[1].1, counts[0]..counts[0] + counts[1]);
            }
        }
    }

    #[test]
    fn rows_with_a_target_are_picked_where_they_are_few() {
        let lane = |targets: &[u32]| Lane {
            inputs: vec![0; targets.len()],
            targets: targets.to_vec(),
            ..Lane::default()
        };
        let mut rows = Rows::default();
        // Rows go step by step: 0 and 1 are the lanes' first, 4 is what the longer one has left.
        rows.arrange(&[lane(&[IGNORE, 5]), lane(&[IGNORE, IGNORE, 7])], 9);
        let picked = rows.picked.as_ref().unwrap();
        // The longer lane comes first.
        assert_eq!(
            (&picked.rows[..], rows.scored()),
            (&[3, 4][..], &[5, 7][..])
        );
        rows.arrange(&[lane(&[2, IGNORE, 3])], 9);
        assert!(rows.picked.is_none());
        assert_eq!(rows.scored(), [2, IGNORE, 3]);
        rows.arrange(&[lane(&[IGNORE])], 9);
        assert_eq!(
            rows.picked.as_ref().map(|picked| picked.rows.len()),
            Some(0)
        );
    }
}
