//! An autoencoder of windows.

mod net;

use serde::{Deserialize, Serialize};

use super::{OneHotError, Shape, TrainObserver, WindowCounts, all_finite};
use crate::kernel::Level;
use crate::train::{Moments, step};
use crate::{Optimiser, Rng};
use net::{Net, Sizes, Work};

/// An autoencoder before it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoencoderConfig {
    /// Width of the layers before and after the code: 1 to [`Autoencoder::MAX_WIDTH`].
    pub hidden: usize,
    /// Width of the code: 1 to [`Autoencoder::MAX_WIDTH`].
    pub code: usize,
    /// Steps of the optimiser, each of 64 windows: at least 1.
    pub steps: usize,
    /// Draws the first weights and the windows.
    pub seed: u64,
}

impl AutoencoderConfig {
    /// Layers that are the narrower the nearer to the code.
    pub const USUAL: AutoencoderConfig = AutoencoderConfig {
        hidden: 64,
        code: 16,
        steps: 3_000,
        seed: 1,
    };
}

/// An autoencoder (Rumelhart, Hinton and Williams 1986) that rebuilds windows through a narrow layer; of
/// system calls LID-DS' `AE`. How odd a window is tells its distance from what is made of it.
///
/// Of a window x it makes y = W4 h + b4 with h = tanh(W3 z + b3), z = tanh(W2 g + b2), g = tanh(W1 x + b1),
/// and is trained on |y - x|^2. Since x is n ones, W1 x is a sum of n rows; and since
/// |W4 h + b4 - x|^2 = h'(W4'W4)h + 2 (W4'b4)'h + |b4|^2 - 2 sum over the ones of (W4 h + b4) + n, neither scoring nor the
/// gradient needs y itself, whose width is that of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoencoder {
    net: Net,
}

/// Windows of a step, drawn as often as they came.
const BATCH: usize = 64;
/// Adam's, falling to 0 along a cosine.
const LEARNING_RATE: f64 = 4e-3;
/// Steps between which the observer is told.
const BETWEEN: usize = 50;

impl Autoencoder {
    /// Most units of a layer.
    pub const MAX_WIDTH: usize = 1_024;

    /// The names of its tensors, in their order.
    pub const TENSORS: [&'static str; 8] = [
        "input",
        "input_bias",
        "code",
        "code_bias",
        "decoder",
        "decoder_bias",
        "output",
        "output_bias",
    ];

    /// Trains one on these windows. Threads have no part in it.
    ///
    /// # Errors
    /// [`OneHotError`].
    pub fn train(
        config: &AutoencoderConfig,
        windows: &WindowCounts,
        observer: &mut TrainObserver<'_>,
    ) -> Result<Self, OneHotError> {
        let AutoencoderConfig {
            hidden,
            code,
            steps,
            seed,
        } = *config;
        if steps == 0 {
            return Err(OneHotError::Setting(
                "an autoencoder is trained for a step at least",
            ));
        }
        let sizes = Sizes::new(windows.shape, hidden, code)?;
        let mut rng = Rng::from_parts(&[seed, hidden as u64, code as u64]);
        let mut net = Net::fresh(sizes, windows, &mut rng);
        let optimiser = Optimiser::adam(LEARNING_RATE);
        let mut moments = Moments::new(optimiser.kind, net.weights().len());
        let mut gradient = vec![0.0; net.weights().len()];
        let mut work = Work::new(sizes);
        let ends = windows.ends();
        for at in 0..steps {
            if at % BETWEEN == 0 && observer(at as f64 / steps as f64).is_break() {
                return Err(OneHotError::Stopped);
            }
            let batch: Vec<&[u32]> = (0..BATCH).map(|_| windows.draw(&ends, &mut rng)).collect();
            net.gradient(&batch, &mut work, &mut gradient);
            let done = at as f64 / steps as f64;
            let rate = LEARNING_RATE * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0;
            let level = Level::detect();
            let weights = net.weights_mut();
            step(
                level,
                &optimiser,
                rate,
                1.0,
                weights,
                &gradient,
                &mut moments,
            );
            net.learned();
        }
        Ok(Autoencoder { net })
    }

    /// An autoencoder of these weights, in the order and the shapes of [`tensors`](Autoencoder::tensors).
    ///
    /// # Errors
    /// [`OneHotError`]: they are not of these shapes, or not finite.
    pub fn from_weights(
        len: usize,
        vocab: usize,
        hidden: usize,
        code: usize,
        weights: &[Vec<f32>],
    ) -> Result<Self, OneHotError> {
        let sizes = Sizes::new(Shape::new(len, vocab)?, hidden, code)?;
        let shapes = sizes.shapes();
        let fits = |(tensor, [rows, width]): (&Vec<f32>, &[usize; 2])| tensor.len() == rows * width;
        if weights.len() != shapes.len() || !weights.iter().zip(&shapes).all(fits) {
            return Err(OneHotError::Malformed("the layers have other shapes"));
        }
        let weights = weights.concat();
        all_finite(&weights)?;
        Ok(Autoencoder {
            net: Net::of(sizes, weights),
        })
    }

    /// The weights: name, rows and columns, and the values row by row. W1 and W4 have a row for each place and
    /// token; a bias is one row.
    pub fn tensors(&self) -> Vec<(&'static str, [usize; 2], &[f32])> {
        let mut rest = self.net.weights();
        let named = Self::TENSORS.into_iter().zip(self.net.sizes().shapes());
        named
            .map(|(name, [rows, width])| {
                let (values, others) = rest.split_at(rows * width);
                rest = others;
                (name, [rows, width], values)
            })
            .collect()
    }

    /// Tokens of a window.
    pub fn window(&self) -> usize {
        self.net.sizes().shape.len
    }

    /// Width of the layers before and after the code, and of the code.
    pub fn widths(&self) -> [usize; 2] {
        let sizes = self.net.sizes();
        [sizes.hidden, sizes.code]
    }

    /// The distance from a window, of n tokens each below V, to what is made of it, as a share of the largest
    /// between windows. `room` is to work in.
    pub fn distance(&self, window: &[u32], room: &mut Vec<f32>) -> f32 {
        self.net.sizes().shape.share(self.net.square(window, room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    fn trained(windows: &WindowCounts, seed: u64) -> Autoencoder {
        let config = AutoencoderConfig {
            hidden: 16,
            code: 4,
            steps: 400,
            seed,
        };
        Autoencoder::train(&config, windows, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn it_rebuilds_what_came_and_not_what_never_came() {
        let usual: Vec<u32> = [0, 1, 2, 3].repeat(50);
        let windows = WindowCounts::of(3, 5, [usual]).unwrap();
        for seed in 1..4 {
            let coder = trained(&windows, seed);
            let told = |window: [u32; 3]| coder.distance(&window, &mut Vec::new());
            assert!(told([0, 1, 2]) < 0.1, "{}", told([0, 1, 2]));
            assert!(told([0, 1, 4]) > 0.3, "{}", told([0, 1, 4]));
            assert!(told([2, 1, 0]) > 0.3, "{}", told([2, 1, 0]));
            assert_eq!(coder, trained(&windows, seed));
            let tensors: Vec<Vec<f32>> =
                coder.tensors().into_iter().map(|t| t.2.to_vec()).collect();
            let again = Autoencoder::from_weights(3, 5, 16, 4, &tensors).unwrap();
            assert_eq!(again, coder);
            assert!(Autoencoder::from_weights(3, 5, 16, 5, &tensors).is_err());
        }
    }

    #[test]
    fn what_is_no_autoencoder_is_refused() {
        let windows = WindowCounts::of(1, 3, [vec![0, 1]]).unwrap();
        for (hidden, code, steps) in [(0, 1, 1), (1, 0, 1), (1_025, 1, 1), (1, 1, 0)] {
            let config = AutoencoderConfig {
                hidden,
                code,
                steps,
                seed: 1,
            };
            let go_on = &mut |_| ControlFlow::Continue(());
            assert!(Autoencoder::train(&config, &windows, go_on).is_err());
        }
        let config = AutoencoderConfig {
            hidden: 2,
            code: 1,
            steps: 1,
            seed: 1,
        };
        let stopped = Autoencoder::train(&config, &windows, &mut |_| ControlFlow::Break(()));
        assert_eq!(stopped, Err(OneHotError::Stopped));
    }
}
