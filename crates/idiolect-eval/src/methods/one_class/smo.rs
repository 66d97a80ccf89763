//! The dual of the one-class machine, two weights at a time.

use std::cell::OnceCell;

use super::rbf;
use crate::methods::index::{Bag, Index};
use crate::methods::{MethodError, Progress};

/// The kernel between training points. A row is made when it is asked for and kept: points that never
/// support cost none.
pub(super) struct Kernel<'a> {
    gamma: f64,
    points: &'a [Bag],
    index: &'a Index,
    rows: Vec<OnceCell<Vec<f32>>>,
}

impl<'a> Kernel<'a> {
    pub(super) fn new(gamma: f64, points: &'a [Bag], index: &'a Index) -> Self {
        Kernel {
            gamma,
            points,
            index,
            rows: vec![OnceCell::new(); points.len()],
        }
    }

    fn row(&self, place: usize) -> &[f32] {
        self.rows[place].get_or_init(|| {
            let mut products = Vec::new();
            self.index.products(&self.points[place], &mut products);
            let pairs = products.iter();
            let mut row: Vec<f32> = pairs
                .map(|&product| rbf(self.gamma, product) as f32)
                .collect();
            row[place] = 1.0;
            row
        })
    }
}

/// How far the largest gradient of a weight that can fall may lie above the smallest of one that can rise.
pub(super) const TOLERANCE: f64 = 1e-5;
/// Steps between which it can be stopped.
const BETWEEN: usize = 1_000;
/// Steps after which it is as good as it gets: rounding can keep the last from being small enough.
const MOST_STEPS: usize = 1_000_000;

/// The weights a of the least a'Ka / 2 where each is from 0 to its bound and they sum to this: sequential
/// minimal optimisation, the pair chosen by second order information (Fan, Chen and Lin 2005).
///
/// # Errors
/// [`MethodError::Interrupted`].
pub(super) fn solve(
    kernel: &Kernel<'_>,
    bounds: &[f64],
    total: f64,
    progress: &mut Progress<'_>,
) -> Result<Vec<f64>, MethodError> {
    let mut left = total;
    let mut weights: Vec<f64> = bounds
        .iter()
        .map(|bound| {
            let weight = bound.min(left);
            left -= weight;
            weight
        })
        .collect();
    let mut gradient = vec![0.0; weights.len()];
    for (place, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            add(&mut gradient, weight, kernel.row(place));
        }
    }
    for step in 0..MOST_STEPS {
        if step % BETWEEN == 0 && progress(step as f64 / MOST_STEPS as f64).is_break() {
            return Err(MethodError::Interrupted);
        }
        let Some((up, down)) = pair(kernel, bounds, &weights, &gradient) else {
            break;
        };
        let curvature = curvature(kernel.row(up)[down]);
        let wanted = (gradient[down] - gradient[up]) / curvature;
        let (room, there) = (bounds[up] - weights[up], weights[down]);
        let moved = wanted.min(room).min(there);
        // Limits are met exactly, so that a weight that is at one counts as there.
        weights[up] = if moved == room {
            bounds[up]
        } else {
            weights[up] + moved
        };
        weights[down] = if moved == there { 0.0 } else { there - moved };
        add(&mut gradient, moved, kernel.row(up));
        add(&mut gradient, -moved, kernel.row(down));
    }
    Ok(weights)
}

fn add(gradient: &mut [f64], times: f64, row: &[f32]) {
    for (sum, &value) in gradient.iter_mut().zip(row) {
        *sum += times * f64::from(value);
    }
}

/// Of the objective along a move from one weight to another; a point's kernel with itself is 1.
fn curvature(between: f32) -> f64 {
    (2.0 - 2.0 * f64::from(between)).max(1e-12)
}

/// The weight that is to rise, of the smallest gradient, and the one that is to fall, which lessens the
/// objective most; none where no pair does by much.
fn pair(
    kernel: &Kernel<'_>,
    bounds: &[f64],
    weights: &[f64],
    gradient: &[f64],
) -> Option<(usize, usize)> {
    let places = 0..weights.len();
    let can_rise = places
        .clone()
        .filter(|&place| weights[place] < bounds[place]);
    let up = can_rise.min_by(|&a, &b| gradient[a].total_cmp(&gradient[b]))?;
    let row = kernel.row(up);
    let (mut widest, mut best) = (0.0, None);
    for place in places.filter(|&place| weights[place] > 0.0) {
        let above = gradient[place] - gradient[up];
        if above > 0.0 {
            widest = above.max(widest);
            let gain = above * above / curvature(row[place]);
            if best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, place));
            }
        }
    }
    best.filter(|_| widest > TOLERANCE)
        .map(|(_, down)| (up, down))
}
