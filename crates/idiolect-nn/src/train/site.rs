//! A place where signals are dropped: after the embedding, between layers, before the output.

use crate::Rng;
use crate::kernel::Level;
use crate::kernel::elementwise::Mask;

/// What goes into a layer or into the output, where that is not simply what the layer below gives.
#[derive(Debug, Default)]
pub(crate) struct Site {
    /// [rows, width]: what goes in.
    pub(crate) value: Vec<f32>,
    /// [rows, width]: 0, or what the kept are multiplied by; empty where nothing is dropped.
    pub(crate) mask: Vec<f32>,
}

impl Site {
    /// Drops from `value`, which holds what goes in.
    pub(crate) fn drop(&mut self, level: Level) {
        let Site { value, mask } = self;
        if !mask.is_empty() {
            level.run(Mask { to: value, mask });
        }
    }

    /// Fills `value` from what the layer below gives, if something is to be dropped from it.
    pub(crate) fn copy_dropped(&mut self, level: Level, from: &[f32]) {
        if !self.mask.is_empty() {
            self.value.clear();
            self.value.extend_from_slice(&from[..self.mask.len()]);
            self.drop(level);
        }
    }

    /// The gradient of what was dropped is 0, of what was scaled is scaled.
    pub(crate) fn mask_gradient(&self, level: Level, gradient: &mut [f32]) {
        if !self.mask.is_empty() {
            level.run(Mask {
                to: gradient,
                mask: &self.mask,
            });
        }
    }
}

/// Fills a mask: 0 with a probability of threshold / 65,536, else the inverse of the rest.
pub(crate) fn draw_mask(mask: &mut [f32], threshold: u16, rng: &mut Rng) {
    let kept = 65_536.0 / (65_536.0 - f32::from(threshold));
    for four in mask.chunks_mut(4) {
        let bits = rng.next_u64();
        for (i, to) in four.iter_mut().enumerate() {
            let draw = (bits >> (16 * i)) as u16;
            *to = if draw < threshold { 0.0 } else { kept };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_drop_the_share_asked_for_and_keep_the_mean() {
        let mut mask = vec![0.0; 400_000];
        draw_mask(&mut mask, 13_107, &mut Rng::new(5));
        let dropped = mask.iter().filter(|&&m| m == 0.0).count() as f64 / 4e5;
        let mean = mask.iter().map(|&m| f64::from(m)).sum::<f64>() / 4e5;
        // Five standard errors of a share of 0.2.
        assert!(
            (dropped - 0.2).abs() < 5.0 * 0.4 / 4e5f64.sqrt(),
            "{dropped}"
        );
        assert!((mean - 1.0).abs() < 5.0 * 0.5 / 4e5f64.sqrt(), "{mean}");
        // Neighbours are dropped independently.
        let both = mask
            .windows(2)
            .filter(|w| w[0] == 0.0 && w[1] == 0.0)
            .count() as f64
            / 4e5;
        assert!((both - 0.04).abs() < 0.002, "{both}");
    }
}
