//! Where the nodes of a graph stand: on an ellipse, ordered so that strong edges are short.

use crate::picture::Point;

/// Times the order is gone through for swaps that shorten it. Each pass costs nodes^3; a few settle it.
const PASSES: usize = 12;

/// The order of nodes 0..n around the ellipse in which the sum of strength times distance along the
/// ellipse is small. `strength[i][j]` counts both directions.
pub(super) fn order(strength: &[Vec<f32>]) -> Vec<usize> {
    let mut order = chain(strength);
    let n = order.len();
    for _ in 0..PASSES {
        let mut improved = false;
        for from in 0..n {
            for to in 0..n {
                improved |= from != to && moves_for_the_better(&mut order, from, to, strength);
            }
        }
        if !improved {
            break;
        }
    }
    order
}

/// A first order: always the node next that is tied most strongly to those placed last.
fn chain(strength: &[Vec<f32>]) -> Vec<usize> {
    let n = strength.len();
    let mut order: Vec<usize> = Vec::with_capacity(n);
    let mut left: Vec<usize> = (0..n).collect();
    while !left.is_empty() {
        let tie = |node: usize| -> f32 {
            let recent = order.iter().rev().take(3).zip([4.0, 2.0, 1.0]);
            recent
                .map(|(&other, weight)| weight * strength[node][other])
                .sum()
        };
        let mut best = 0;
        for place in 1..left.len() {
            if tie(left[place]) > tie(left[best]) {
                best = place;
            }
        }
        order.push(left.remove(best));
    }
    order
}

/// Moves a node to another place, and back unless that makes the whole shorter.
fn moves_for_the_better(
    order: &mut Vec<usize>,
    from: usize,
    to: usize,
    strength: &[Vec<f32>],
) -> bool {
    let before = length(order, strength);
    let node = order.remove(from);
    order.insert(to, node);
    if length(order, strength) < before - 1e-4 {
        return true;
    }
    let node = order.remove(to);
    order.insert(from, node);
    false
}

fn length(order: &[usize], strength: &[Vec<f32>]) -> f32 {
    let n = order.len();
    let mut sum = 0.0;
    for (place, &a) in order.iter().enumerate() {
        for (further, &b) in order.iter().enumerate().skip(place + 1) {
            let apart = further - place;
            sum += strength[a][b] * apart.min(n - apart) as f32;
        }
    }
    sum
}

/// `n` places on an ellipse, equally far apart along it, the first at the left, clockwise.
pub(super) fn ellipse(center: Point, radii: (f32, f32), n: usize) -> Vec<Point> {
    const STEPS: usize = 1_440;
    let at = |step: usize| {
        let angle = std::f32::consts::PI + step as f32 / STEPS as f32 * std::f32::consts::TAU;
        (
            center.0 + radii.0 * angle.cos(),
            center.1 + radii.1 * angle.sin(),
        )
    };
    let mut way = vec![0.0_f32; STEPS + 1];
    for step in 1..=STEPS {
        let (a, b) = (at(step - 1), at(step));
        way[step] = way[step - 1] + (b.0 - a.0).hypot(b.1 - a.1);
    }
    let place = |index: usize| {
        let wanted = way[STEPS] * index as f32 / n as f32;
        at(way.partition_point(|&way| way < wanted))
    };
    (0..n).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_found_again() {
        // The ring 0-3-1-4-2-5-0, as strengths.
        let ring = [0, 3, 1, 4, 2, 5];
        let mut strength = vec![vec![0.0; 6]; 6];
        for place in 0..6 {
            let (a, b) = (ring[place], ring[(place + 1) % 6]);
            strength[a][b] = 1.0;
            strength[b][a] = 1.0;
        }
        assert_eq!(length(&order(&strength), &strength), 6.0);
    }

    #[test]
    fn places_are_equally_far_apart() {
        let places = ellipse((0.0, 0.0), (300.0, 200.0), 24);
        let gaps: Vec<f32> = (0..24)
            .map(|i| {
                let (a, b) = (places[i], places[(i + 1) % 24]);
                (a.0 - b.0).hypot(a.1 - b.1)
            })
            .collect();
        let (least, most) = gaps
            .iter()
            .fold((f32::MAX, 0.0_f32), |(l, m), &g| (l.min(g), m.max(g)));
        assert!(most / least < 1.1, "{least} {most}");
    }
}
