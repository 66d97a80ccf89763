//! A self-organising map.

use serde::{Deserialize, Serialize};

use super::{OneHotError, Shape, TrainObserver, WindowCounts, all_finite};
use crate::Rng;

/// A map before it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapConfig {
    /// Units along each side of its square: 2 to [`Map::MAX_SIDE`].
    pub side: usize,
    /// Passes over the windows: at least 1.
    pub epochs: usize,
    /// Draws the windows that units begin as.
    pub seed: u64,
}

/// A self-organising map (Kohonen 1982): a square of units, each a vector like a window's, such that
/// neighbours are alike. How odd a window is tells its distance to the nearest unit, the error of
/// quantisation (of system calls LID-DS' `Som`; Grimmer et al. 2021).
///
/// It is trained by the batch form (Kohonen 2013): in each pass every window belongs to the unit nearest to
/// it, and then each unit becomes the mean of all windows, weighted by exp(-d^2 / 2 r^2), d the distance on the square to the
/// unit that a window belongs to. The radius r shrinks from half a side to half a unit. Sums are of whole
/// numbers, so neither the windows' order nor the number of threads changes anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    shape: Shape,
    units: usize,
    /// [n x V, units].
    weights: Vec<f32>,
    /// The squared length of each unit.
    squares: Vec<f32>,
}

/// Of the last pass, in units.
const LAST_RADIUS: f64 = 0.5;

impl Map {
    /// Most units along a side.
    pub const MAX_SIDE: usize = 64;

    /// Trains one on these windows, on so many threads.
    ///
    /// # Errors
    /// [`OneHotError`].
    pub fn train(
        config: &MapConfig,
        windows: &WindowCounts,
        threads: usize,
        observer: &mut TrainObserver<'_>,
    ) -> Result<Self, OneHotError> {
        let MapConfig { side, epochs, seed } = *config;
        if !(2..=Self::MAX_SIDE).contains(&side) || epochs == 0 {
            return Err(OneHotError::Setting(
                "a map has 2 to 64 units along a side, and is trained for an epoch at least",
            ));
        }
        let (shape, units) = (windows.shape, side * side);
        shape.check(units)?;
        let mut map = Map::begin(windows, units, seed);
        for epoch in 0..epochs {
            if observer(epoch as f64 / epochs as f64).is_break() {
                return Err(OneHotError::Stopped);
            }
            let first = side as f64 / 2.0;
            let done = epoch as f64 / (epochs - 1).max(1) as f64;
            let radius = first * (LAST_RADIUS / first).powf(done);
            let nearest = map.assign(windows, threads);
            map.update(windows, &nearest, &neighbourhood(side, radius));
        }
        Ok(map)
    }

    /// A map of these weights, [n x V, units].
    ///
    /// # Errors
    /// [`OneHotError`]: they are not of this shape, or not finite.
    pub fn from_weights(
        len: usize,
        vocab: usize,
        units: usize,
        weights: Vec<f32>,
    ) -> Result<Self, OneHotError> {
        let shape = Shape::new(len, vocab)?;
        shape.check(units)?;
        if units == 0 || weights.len() != shape.rows() * units {
            return Err(OneHotError::Malformed("the units have another shape"));
        }
        all_finite(&weights)?;
        Ok(Map::of(shape, units, weights))
    }

    fn of(shape: Shape, units: usize, weights: Vec<f32>) -> Self {
        let mut squares = vec![0.0; units];
        for row in weights.chunks(units) {
            for (square, weight) in squares.iter_mut().zip(row) {
                *square += weight * weight;
            }
        }
        Map {
            shape,
            units,
            weights,
            squares,
        }
    }

    /// Tokens of a window.
    pub fn window(&self) -> usize {
        self.shape.len
    }

    /// Units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// [n x V, units].
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The distance from a window, of n tokens each below V, to the nearest unit, as a share of the
    /// largest between windows. `room` is to work in.
    pub fn distance(&self, window: &[u32], room: &mut Vec<f32>) -> f32 {
        self.shape.share(self.nearest(window, room).1)
    }

    /// The nearest unit, the first of several, and the squared distance to it.
    fn nearest(&self, window: &[u32], room: &mut Vec<f32>) -> (usize, f32) {
        room.clear();
        room.resize(self.units, 0.0);
        for row in self.shape.rows_of(window) {
            let row = &self.weights[row * self.units..(row + 1) * self.units];
            room.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
        }
        let ones = self.shape.len as f32;
        let (mut nearest, mut least) = (0, f32::INFINITY);
        for (unit, (product, square)) in room.iter().zip(&self.squares).enumerate() {
            let distance = square - 2.0 * product + ones;
            if distance < least {
                (nearest, least) = (unit, distance);
            }
        }
        (nearest, least)
    }

    /// Units as windows drawn at random.
    fn begin(windows: &WindowCounts, units: usize, seed: u64) -> Self {
        let (shape, mut rng) = (windows.shape, Rng::from_parts(&[seed, units as u64]));
        let mut weights = vec![0.0; shape.rows() * units];
        for unit in 0..units {
            let window = windows.window(rng.below(windows.len()));
            for row in shape.rows_of(window) {
                weights[row * units + unit] = 1.0;
            }
        }
        Map::of(shape, units, weights)
    }

    /// The unit that each window belongs to.
    fn assign(&self, windows: &WindowCounts, threads: usize) -> Vec<usize> {
        let mut nearest = vec![0; windows.len()];
        let share = windows.len().div_ceil(threads.max(1));
        std::thread::scope(|scope| {
            for (part, to) in nearest.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    let mut room = Vec::new();
                    for (place, to) in to.iter_mut().enumerate() {
                        *to = self
                            .nearest(windows.window(part * share + place), &mut room)
                            .0;
                    }
                });
            }
        });
        nearest
    }

    /// Makes units the means of windows. A unit's share in the windows of another is at
    /// `other * units + unit`.
    fn update(&mut self, windows: &WindowCounts, nearest: &[usize], shares: &[f32]) {
        let (shape, units) = (self.shape, self.units);
        let mut sums = vec![0.0f64; shape.rows() * units];
        let mut belong = vec![0.0f64; units];
        for (place, &unit) in nearest.iter().enumerate() {
            let count = f64::from(windows.counts[place]);
            belong[unit] += count;
            for row in shape.rows_of(windows.window(place)) {
                sums[row * units + unit] += count;
            }
        }
        let mut weights = vec![0.0; units];
        for (share, count) in shares.chunks(units).zip(&belong) {
            add(&mut weights, *count as f32, share);
        }
        let rows = self.weights.chunks_mut(units).zip(sums.chunks(units));
        for (row, sums) in rows {
            row.fill(0.0);
            for (share, &sum) in shares.chunks(units).zip(sums) {
                if sum > 0.0 {
                    add(row, sum as f32, share);
                }
            }
            // Every unit is near to some window, if only a little: the shares are above 0.
            row.iter_mut().zip(&weights).for_each(|(w, of)| *w /= of);
        }
        *self = Map::of(shape, units, std::mem::take(&mut self.weights));
    }
}

fn add(sums: &mut [f32], times: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += times * value;
    }
}

/// For each pair of units exp(-d^2 / 2 r^2), but for what f32 would call 0.
fn neighbourhood(side: usize, radius: f64) -> Vec<f32> {
    let at = |unit: usize| [(unit / side) as f64, (unit % side) as f64];
    let pairs = (0..side * side).flat_map(|a| (0..side * side).map(move |b| (a, b)));
    let share = |(a, b)| {
        let ([ay, ax], [by, bx]) = (at(a), at(b));
        let square = (ay - by).powi(2) + (ax - bx).powi(2);
        (-square / (2.0 * radius * radius)).exp().max(1e-30) as f32
    };
    pairs.map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    fn trained(windows: &WindowCounts, seed: u64, threads: usize) -> Map {
        let config = MapConfig {
            side: 4,
            epochs: 8,
            seed,
        };
        let go_on = &mut |_| ControlFlow::Continue(());
        Map::train(&config, windows, threads, go_on).unwrap()
    }

    #[test]
    fn distances_are_those_to_the_nearest_unit() {
        let windows = WindowCounts::of(2, 4, [vec![0, 1, 2, 0, 3, 1, 1]]).unwrap();
        let map = trained(&windows, 3, 1);
        for window in [[0, 1], [3, 3], [2, 1]] {
            let mut vector = [0.0; 8];
            vector[window[0] as usize] = 1.0;
            vector[4 + window[1] as usize] = 1.0;
            let squares = (0..16).map(|unit| {
                let weights = map.weights.iter().skip(unit).step_by(16);
                weights
                    .zip(vector)
                    .map(|(w, x): (&f32, f32)| (w - x).powi(2))
                    .sum::<f32>()
            });
            let least = squares.fold(f32::INFINITY, f32::min);
            let told = map.distance(&window, &mut Vec::new());
            assert!((4.0 * told * told - least).abs() < 1e-5, "{told} {least}");
        }
    }

    #[test]
    fn what_came_often_is_near_and_what_never_came_is_far() {
        let usual: Vec<u32> = [0, 1, 2, 3].repeat(50);
        let windows = WindowCounts::of(3, 5, [usual]).unwrap();
        for seed in 1..4 {
            let map = trained(&windows, seed, 2);
            assert_eq!(map, trained(&windows, seed, 1));
            let told = |window: [u32; 3]| map.distance(&window, &mut Vec::new());
            assert!(told([0, 1, 2]) < 0.1, "{}", told([0, 1, 2]));
            // A token that was never seen, and known ones in another order.
            assert!(told([0, 1, 4]) > 0.4 && told([2, 1, 0]) > 0.4);
            // Of units that are weights, that is all that there is to know.
            let again = Map::from_weights(3, 5, 16, map.weights().to_vec()).unwrap();
            assert_eq!(again, map);
        }
        assert_ne!(trained(&windows, 1, 1), trained(&windows, 2, 1));
    }

    #[test]
    fn neighbours_on_the_square_are_alike() {
        let mut rng = Rng::new(5);
        let tokens: Vec<u32> = (0..2_000).map(|_| rng.below(6) as u32).collect();
        let map = trained(&WindowCounts::of(2, 6, [tokens]).unwrap(), 1, 1);
        let apart = |a: usize, b: usize| {
            let rows = map.weights.chunks(16);
            rows.map(|row| (row[a] - row[b]).powi(2)).sum::<f32>()
        };
        let near = (0..12).map(|unit| apart(unit, unit + 4)).sum::<f32>() / 12.0;
        let far = (0..4).map(|unit| apart(unit, 12 + unit)).sum::<f32>() / 4.0;
        assert!(near < 0.7 * far, "{near} {far}");
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let windows = WindowCounts::of(1, 3, [vec![0, 1]]).unwrap();
        let refused = |side, epochs| {
            let config = MapConfig {
                side,
                epochs,
                seed: 1,
            };
            let go_on = &mut |_| ControlFlow::Continue(());
            Map::train(&config, &windows, 1, go_on).is_err()
        };
        assert!(refused(1, 1) && refused(65, 1) && refused(4, 0) && !refused(2, 1));
        assert!(Map::from_weights(1, 3, 2, vec![0.0; 5]).is_err());
        assert!(Map::from_weights(1, 3, 2, vec![f32::NAN; 6]).is_err());
        let config = MapConfig {
            side: 2,
            epochs: 2,
            seed: 1,
        };
        let stopped = Map::train(&config, &windows, 1, &mut |_| ControlFlow::Break(()));
        assert_eq!(stopped, Err(OneHotError::Stopped));
    }
}
