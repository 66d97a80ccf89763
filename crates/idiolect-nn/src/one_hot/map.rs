//! A self-organising map.

use serde::{Deserialize, Serialize};

use super::{OneHotError, Shape, TrainObserver, WindowCounts, all_finite};
use crate::Rng;

/// A map before it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapConfig {
    /// Units along each side of its square: 2 to [`Map::MAX_SIDE`].
    pub side: usize,
    /// Windows that it is shown: at least 1.
    pub steps: usize,
    /// Draws them, and the windows that units begin as.
    pub seed: u64,
}

impl MapConfig {
    /// A map of 100 units.
    pub const USUAL: MapConfig = MapConfig {
        side: 10,
        steps: 100_000,
        seed: 1,
    };
}

/// A self-organising map (Kohonen 1982): a square of units, each a vector like a window's, such that
/// neighbours are alike. How odd a window is tells its distance to the nearest unit, the error of
/// quantisation (of system calls LID-DS' `Som`; Grimmer et al. 2021).
///
/// It is shown windows, drawn as often as they came. Each time every unit w moves towards the window x:
/// w += a exp(-d^2 / 2 r^2) (x - w), d its distance on the square to the unit that is nearest to x. The rate a and the
/// radius r shrink along exponentials, r from half a side to half a unit. Since x is n ones, a step costs as
/// many operations as there are units, n times, whatever the vocabulary: of w = s v the factor s shrinks, and
/// v grows in n rows.
///
/// (The batch form of the algorithm does not do here: windows that have nothing in common are all equally far
/// apart, and two that belong to one unit in one pass belong together in all that follow.)
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    shape: Shape,
    units: usize,
    /// [n x V, units].
    weights: Vec<f32>,
    /// The squared length of each unit.
    squares: Vec<f32>,
}

/// Rate and radius of the last step; the radius in units.
const LAST_RADIUS: f64 = 0.5;
const LAST_RATE: f64 = 0.01;
const FIRST_RATE: f64 = 0.5;
/// Steps between which it can be stopped.
const BETWEEN: usize = 1_000;

impl Map {
    /// Most units along a side.
    pub const MAX_SIDE: usize = 64;

    /// Trains one on these windows. Threads have no part in it.
    ///
    /// # Errors
    /// [`OneHotError`].
    pub fn train(
        config: &MapConfig,
        windows: &WindowCounts,
        observer: &mut TrainObserver<'_>,
    ) -> Result<Self, OneHotError> {
        let MapConfig { side, steps, seed } = *config;
        if !(2..=Self::MAX_SIDE).contains(&side) || steps == 0 {
            return Err(OneHotError::Setting(
                "a map has 2 to 64 units along a side, and is shown a window at least",
            ));
        }
        windows.shape.check(side * side)?;
        let mut rng = Rng::from_parts(&[seed, side as u64]);
        let mut growing = Growing::begin(windows, side, &mut rng);
        let ends = windows.ends();
        let first = side as f64 / 2.0;
        for step in 0..steps {
            let done = step as f64 / steps as f64;
            if step % BETWEEN == 0 && observer(done).is_break() {
                return Err(OneHotError::Stopped);
            }
            let radius = first * (LAST_RADIUS / first).powf(done);
            let rate = FIRST_RATE * (LAST_RATE / FIRST_RATE).powf(done);
            growing.show(windows.draw(&ends, &mut rng), rate, radius);
        }
        Ok(growing.grown())
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
        room.resize(self.units, 0.0);
        self.products(window, room);
        let distances = room.iter().zip(&self.squares);
        let (_, least) = first_least(distances.map(|(product, square)| square - 2.0 * product));
        self.shape.share(least + self.shape.len as f32)
    }

    /// The product of each unit with a window.
    fn products(&self, window: &[u32], to: &mut [f32]) {
        to.fill(0.0);
        for row in self.shape.rows_of(window) {
            let row = &self.weights[row * self.units..(row + 1) * self.units];
            to.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
        }
    }
}

/// A map that is being trained.
struct Growing {
    side: usize,
    /// Its weights are the units without their factors; squares are the units' own.
    map: Map,
    factors: Vec<f32>,
    /// The product of each unit, without its factor, with the window that is shown.
    products: Vec<f32>,
}

/// A factor below which it is multiplied into its unit: far from where f32 ends.
const SMALL: f32 = 1e-12;

impl Growing {
    /// Units as windows drawn at random.
    fn begin(windows: &WindowCounts, side: usize, rng: &mut Rng) -> Self {
        let (shape, units) = (windows.shape, side * side);
        let mut weights = vec![0.0; shape.rows() * units];
        for unit in 0..units {
            let window = windows.window(rng.below(windows.len()));
            for row in shape.rows_of(window) {
                weights[row * units + unit] = 1.0;
            }
        }
        Growing {
            side,
            map: Map::of(shape, units, weights),
            factors: vec![1.0; units],
            products: vec![0.0; units],
        }
    }

    fn show(&mut self, window: &[u32], rate: f64, radius: f64) {
        let nearest = self.nearest(window);
        // exp(-(y^2 + x^2)) is a product: one list does for rows and columns.
        let falls =
            |distance: usize| (-((distance * distance) as f64) / (2.0 * radius * radius)).exp();
        let falls: Vec<f64> = (0..self.side).map(falls).collect();
        let (y, x) = (nearest / self.side, nearest % self.side);
        let ones = self.map.shape.len as f32;
        for unit in 0..self.map.units {
            let near = falls[y.abs_diff(unit / self.side)] * falls[x.abs_diff(unit % self.side)];
            let moved = (rate * near) as f32;
            let kept = 1.0 - moved;
            let product = self.products[unit] * self.factors[unit];
            let square = &mut self.map.squares[unit];
            *square = kept * kept * *square + 2.0 * moved * kept * product + moved * moved * ones;
            self.factors[unit] *= kept;
            // From here on what goes into the unit's rows.
            self.products[unit] = moved / self.factors[unit];
        }
        let units = self.map.units;
        for row in self.map.shape.rows_of(window) {
            let row = &mut self.map.weights[row * units..(row + 1) * units];
            row.iter_mut()
                .zip(&self.products)
                .for_each(|(w, more)| *w += more);
        }
        for unit in 0..units {
            if self.factors[unit] < SMALL {
                self.multiply_in(unit);
            }
        }
    }

    fn nearest(&mut self, window: &[u32]) -> usize {
        self.map.products(window, &mut self.products);
        let units = self
            .products
            .iter()
            .zip(&self.factors)
            .zip(&self.map.squares);
        let distances = units.map(|((product, factor), square)| square - 2.0 * product * factor);
        first_least(distances).0
    }

    fn multiply_in(&mut self, unit: usize) {
        let factor = std::mem::replace(&mut self.factors[unit], 1.0);
        let column = self.map.weights.iter_mut().skip(unit);
        column
            .step_by(self.map.units)
            .for_each(|weight| *weight *= factor);
    }

    fn grown(mut self) -> Map {
        (0..self.map.units).for_each(|unit| self.multiply_in(unit));
        Map::of(self.map.shape, self.map.units, self.map.weights)
    }
}

/// The place of the least, the first of several, and how large it is.
fn first_least(values: impl Iterator<Item = f32>) -> (usize, f32) {
    let (mut place, mut least) = (0, f32::INFINITY);
    for (at, value) in values.enumerate() {
        if value < least {
            (place, least) = (at, value);
        }
    }
    (place, least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    fn trained(windows: &WindowCounts, seed: u64) -> Map {
        let config = MapConfig {
            side: 4,
            steps: 3_000,
            seed,
        };
        Map::train(&config, windows, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn distances_are_those_to_the_nearest_unit() {
        let windows = WindowCounts::of(2, 4, [vec![0, 1, 2, 0, 3, 1, 1]]).unwrap();
        let map = trained(&windows, 3);
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
            let map = trained(&windows, seed);
            assert_eq!(map, trained(&windows, seed));
            let told = |window: [u32; 3]| map.distance(&window, &mut Vec::new());
            assert!(told([0, 1, 2]) < 0.1, "{}", told([0, 1, 2]));
            // A token that was never seen, and known ones in another order.
            assert!(told([0, 1, 4]) > 0.4 && told([2, 1, 0]) > 0.4);
            // Of units that are weights, that is all that there is to know.
            let again = Map::from_weights(3, 5, 16, map.weights().to_vec()).unwrap();
            assert_eq!(again, map);
        }
        assert_ne!(trained(&windows, 1), trained(&windows, 2));
    }

    #[test]
    fn neighbours_on_the_square_are_alike() {
        let mut rng = Rng::new(5);
        let tokens: Vec<u32> = (0..2_000).map(|_| rng.below(6) as u32).collect();
        let map = trained(&WindowCounts::of(2, 6, [tokens]).unwrap(), 1);
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
        let refused = |side, steps| {
            let config = MapConfig {
                side,
                steps,
                seed: 1,
            };
            let go_on = &mut |_| ControlFlow::Continue(());
            Map::train(&config, &windows, go_on).is_err()
        };
        assert!(refused(1, 1) && refused(65, 1) && refused(4, 0) && !refused(2, 1));
        assert!(Map::from_weights(1, 3, 2, vec![0.0; 5]).is_err());
        assert!(Map::from_weights(1, 3, 2, vec![f32::NAN; 6]).is_err());
        let config = MapConfig {
            side: 2,
            steps: 2,
            seed: 1,
        };
        let stopped = Map::train(&config, &windows, &mut |_| ControlFlow::Break(()));
        assert_eq!(stopped, Err(OneHotError::Stopped));
    }
}
