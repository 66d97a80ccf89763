//! The layers of an autoencoder: forward, and the gradient of a batch.

use super::{OneHotError, Shape, WindowCounts};
use crate::Rng;

/// Widths of all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) shape: Shape,
    pub(super) hidden: usize,
    pub(super) code: usize,
}

impl Sizes {
    pub(super) fn new(shape: Shape, hidden: usize, code: usize) -> Result<Self, OneHotError> {
        let most = super::Autoencoder::MAX_WIDTH;
        if !(1..=most).contains(&hidden) || !(1..=most).contains(&code) {
            return Err(OneHotError::Setting(
                "the layers of an autoencoder have 1 to 1024 units",
            ));
        }
        shape.check(2 * hidden + 1)?;
        Ok(Sizes {
            shape,
            hidden,
            code,
        })
    }

    /// Rows and columns of each tensor, in the order in which they lie.
    pub(super) fn shapes(self) -> [[usize; 2]; 8] {
        let (rows, hidden, code) = (self.shape.rows(), self.hidden, self.code);
        [
            [rows, hidden],
            [1, hidden],
            [code, hidden],
            [1, code],
            [hidden, code],
            [1, hidden],
            [rows, hidden],
            [1, rows],
        ]
    }

    /// All weights, or all gradients, as their tensors.
    fn split(self, all: &[f32]) -> [&[f32]; 8] {
        let mut rest = all;
        self.shapes().map(|[rows, width]| {
            let (tensor, others) = rest.split_at(rows * width);
            rest = others;
            tensor
        })
    }

    fn split_mut(self, all: &mut [f32]) -> [&mut [f32]; 8] {
        let mut rest = all;
        self.shapes().map(|[rows, width]| {
            let (tensor, others) = std::mem::take(&mut rest).split_at_mut(rows * width);
            rest = others;
            tensor
        })
    }
}

/// The weights, and what of the output layer the distance is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Net {
    sizes: Sizes,
    weights: Vec<f32>,
    /// W4'W4, [hidden, hidden].
    gram: Vec<f32>,
    /// W4'b4.
    with_bias: Vec<f32>,
    /// |b4|^2.
    bias_square: f32,
}

/// Room for a batch.
pub(super) struct Work {
    /// What each layer puts out: g, z, h.
    layers: [Vec<f32>; 3],
    /// The gradient of each of them.
    back: [Vec<f32>; 3],
    /// The sum of h h' over the batch, and of h.
    outer: Vec<f32>,
    sum: Vec<f32>,
}

impl Work {
    pub(super) fn new(sizes: Sizes) -> Self {
        let layers = || [sizes.hidden, sizes.code, sizes.hidden].map(|width| vec![0.0; width]);
        Work {
            layers: layers(),
            back: layers(),
            outer: vec![0.0; sizes.hidden * sizes.hidden],
            sum: vec![0.0; sizes.hidden],
        }
    }
}

impl Net {
    pub(super) fn of(sizes: Sizes, weights: Vec<f32>) -> Self {
        let mut net = Net {
            gram: vec![0.0; sizes.hidden * sizes.hidden],
            with_bias: vec![0.0; sizes.hidden],
            bias_square: 0.0,
            sizes,
            weights,
        };
        net.learned();
        net
    }

    /// Weights to begin with: each layer's normal, of the deviation that keeps sums of its inputs near 1; the
    /// output's a tenth of that, about the mean of all windows. What never stands at a place keeps 0 there.
    pub(super) fn fresh(sizes: Sizes, windows: &WindowCounts, rng: &mut Rng) -> Self {
        let shape = sizes.shape;
        let mut seen = vec![0.0f64; shape.rows()];
        let mut total = 0.0;
        for (place, &count) in windows.counts.iter().enumerate() {
            total += f64::from(count);
            for row in shape.rows_of(windows.window(place)) {
                seen[row] += f64::from(count);
            }
        }
        let all = sizes
            .shapes()
            .iter()
            .map(|[rows, width]| rows * width)
            .sum();
        let mut weights = vec![0.0; all];
        let [input, _, code, _, decoder, _, output, output_bias] = sizes.split_mut(&mut weights);
        let mut draw = |to: &mut [f32], deviation: f64| {
            to.iter_mut()
                .for_each(|weight| *weight = (deviation * rng.normal()) as f32);
        };
        let width = sizes.hidden;
        draw(code, 1.0 / (sizes.hidden as f64).sqrt());
        draw(decoder, 1.0 / (sizes.code as f64).sqrt());
        for (row, &times) in seen.iter().enumerate().filter(|(_, times)| **times > 0.0) {
            let of_row = row * width..(row + 1) * width;
            draw(&mut input[of_row.clone()], 1.0 / (shape.len as f64).sqrt());
            draw(&mut output[of_row], 0.1 / (width as f64).sqrt());
            output_bias[row] = (times / total) as f32;
        }
        Net::of(sizes, weights)
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(super) fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    /// Has to follow a change of the weights.
    pub(super) fn learned(&mut self) {
        let [.., output, output_bias] = self.sizes.split(&self.weights);
        self.gram.fill(0.0);
        self.with_bias.fill(0.0);
        let width = self.sizes.hidden;
        for (row, bias) in output.chunks(width).zip(output_bias) {
            // Most rows are of tokens that never stand there.
            if row.iter().all(|&weight| weight == 0.0) {
                continue;
            }
            add_outer(&mut self.gram, row);
            add(&mut self.with_bias, *bias, row);
        }
        self.bias_square = output_bias.iter().map(|bias| bias * bias).sum();
    }

    /// The squared distance from a window to what is made of it.
    pub(super) fn square(&self, window: &[u32], room: &mut Vec<f32>) -> f32 {
        let Sizes { hidden, code, .. } = self.sizes;
        room.clear();
        room.resize(2 * hidden + code, 0.0);
        let (first, rest) = room.split_at_mut(hidden);
        let (middle, last) = rest.split_at_mut(code);
        self.forward(window, [first, middle, last]);
        self.square_of(window, last)
    }

    fn forward(&self, window: &[u32], [first, middle, last]: [&mut [f32]; 3]) {
        let [
            input,
            input_bias,
            code,
            code_bias,
            decoder,
            decoder_bias,
            ..,
        ] = self.sizes.split(&self.weights);
        let width = self.sizes.hidden;
        first.copy_from_slice(input_bias);
        for row in self.sizes.shape.rows_of(window) {
            add(first, 1.0, &input[row * width..(row + 1) * width]);
        }
        first.iter_mut().for_each(|value| *value = value.tanh());
        dense(code, code_bias, first, middle);
        dense(decoder, decoder_bias, middle, last);
    }

    fn square_of(&self, window: &[u32], last: &[f32]) -> f32 {
        let [.., output, output_bias] = self.sizes.split(&self.weights);
        let width = self.sizes.hidden;
        let mut square = self.bias_square + 2.0 * dot(&self.with_bias, last);
        for (row, value) in self.gram.chunks(width).zip(last) {
            square += value * dot(row, last);
        }
        for row in self.sizes.shape.rows_of(window) {
            let made = dot(&output[row * width..(row + 1) * width], last) + output_bias[row];
            square += 1.0 - 2.0 * made;
        }
        square
    }

    /// Writes the gradient of the mean squared distance of a batch of windows, and gives that mean.
    pub(super) fn gradient(&self, batch: &[&[u32]], work: &mut Work, to: &mut [f32]) -> f32 {
        let Sizes { shape, hidden, .. } = self.sizes;
        let [_, _, code, _, decoder, _, output, output_bias] = self.sizes.split(&self.weights);
        to.fill(0.0);
        let [
            d_input,
            d_input_bias,
            d_code,
            d_code_bias,
            d_decoder,
            d_decoder_bias,
            d_output,
            d_bias,
        ] = self.sizes.split_mut(to);
        work.outer.fill(0.0);
        work.sum.fill(0.0);
        let times = 2.0 / batch.len() as f32;
        let mut sum = 0.0;
        for window in batch {
            let [first, middle, last] = &mut work.layers;
            self.forward(window, [first, middle, last]);
            sum += self.square_of(window, last);
            add_outer(&mut work.outer, last);
            add(&mut work.sum, 1.0, last);

            let [back_first, back_middle, back_last] = &mut work.back;
            back_last.copy_from_slice(&self.with_bias);
            for (row, value) in self.gram.chunks(hidden).zip(&*last) {
                add(back_last, *value, row);
            }
            for row in shape.rows_of(window) {
                let of_row = row * hidden..(row + 1) * hidden;
                add(back_last, -1.0, &output[of_row.clone()]);
                add(&mut d_output[of_row], -times, last);
                d_bias[row] -= times;
            }
            back_last.iter_mut().for_each(|value| *value *= times);
            through_dense(
                decoder,
                middle,
                last,
                back_last,
                [d_decoder, d_decoder_bias],
                back_middle,
            );
            through_dense(
                code,
                first,
                middle,
                back_middle,
                [d_code, d_code_bias],
                back_first,
            );
            through_tanh(first, back_first);
            add(d_input_bias, 1.0, back_first);
            for row in shape.rows_of(window) {
                add(
                    &mut d_input[row * hidden..(row + 1) * hidden],
                    1.0,
                    back_first,
                );
            }
        }
        // What y has in common for all windows: W4 (sum of h h') + b4 (sum of h)'.
        let rows = d_output.chunks_mut(hidden).zip(output.chunks(hidden));
        for ((d_row, row), (d_bias, bias)) in rows.zip(d_bias.iter_mut().zip(output_bias)) {
            if row.iter().all(|&weight| weight == 0.0) {
                continue;
            }
            for (outer, weight) in work.outer.chunks(hidden).zip(row) {
                add(d_row, times * weight, outer);
            }
            add(d_row, times * bias, &work.sum);
            *d_bias += times * (dot(row, &work.sum) + bias * batch.len() as f32);
        }
        sum / batch.len() as f32
    }
}

/// tanh(W x + b), W by rows.
fn dense(weights: &[f32], bias: &[f32], from: &[f32], to: &mut [f32]) {
    let rows = weights.chunks(from.len()).zip(bias);
    for (value, (row, bias)) in to.iter_mut().zip(rows) {
        *value = (dot(row, from) + bias).tanh();
    }
}

/// Takes the gradient of what a layer put out through it: adds that of its weights and bias, and writes
/// that of what went in.
fn through_dense(
    weights: &[f32],
    from: &[f32],
    out: &[f32],
    back: &mut [f32],
    [d_weights, d_bias]: [&mut [f32]; 2],
    to: &mut [f32],
) {
    through_tanh(out, back);
    add(d_bias, 1.0, back);
    to.fill(0.0);
    let rows = weights
        .chunks(from.len())
        .zip(d_weights.chunks_mut(from.len()));
    for (value, (row, d_row)) in back.iter().zip(rows) {
        add(d_row, *value, from);
        add(to, *value, row);
    }
}

fn through_tanh(out: &[f32], back: &mut [f32]) {
    for (value, out) in back.iter_mut().zip(out) {
        *value *= 1.0 - out * out;
    }
}

fn add(sums: &mut [f32], times: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += times * value;
    }
}

fn add_outer(sums: &mut [f32], values: &[f32]) {
    for (row, value) in sums.chunks_mut(values.len()).zip(values) {
        add(row, *value, values);
    }
}

/// In eight sums, which machines take side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const SIDE: usize = 8;
    let mut sums = [0.0; SIDE];
    let (a_chunks, b_chunks) = (a.chunks_exact(SIDE), b.chunks_exact(SIDE));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let windows = WindowCounts::of(3, 5, [vec![0, 1, 3, 1, 0, 2, 2, 1, 3]]).unwrap();
        let sizes = Sizes::new(windows.shape, 6, 3).unwrap();
        let mut rng = Rng::new(2);
        let mut net = Net::fresh(sizes, &windows, &mut rng);
        // Away from the beginning, where biases are 0; what never came stays at 0.
        let (rows, mut from) = (sizes.shape.rows(), 0);
        let names = super::super::Autoencoder::TENSORS;
        for (name, [height, width]) in names.into_iter().zip(sizes.shapes()) {
            for weight in &mut net.weights[from..from + height * width] {
                if *weight != 0.0 || (name.ends_with("bias") && width != rows) {
                    *weight += 0.3 * rng.normal() as f32;
                }
            }
            from += height * width;
        }
        net.learned();
        let batch: Vec<&[u32]> = (0..windows.len())
            .map(|place| windows.window(place))
            .collect();
        let mut work = Work::new(sizes);
        let mut gradient = vec![0.0; net.weights.len()];
        net.gradient(&batch, &mut work, &mut gradient);
        let mut away = gradient.clone();
        let mut checked = 0;
        for (place, &ours) in gradient.iter().enumerate() {
            let weight = net.weights[place];
            let mut at = |moved: f32| {
                net.weights[place] = weight + moved;
                net.learned();
                net.gradient(&batch, &mut work, &mut away)
            };
            let step = 1e-2;
            let told = (at(step) - at(-step)) / (2.0 * step);
            net.weights[place] = weight;
            if weight != 0.0 {
                checked += 1;
                let limit = 2e-3 * (1.0 + told.abs());
                assert!((told - ours).abs() < limit, "{place}: {told} {ours}");
            }
        }
        assert!(checked > 205, "{checked}");
    }

    #[test]
    fn distances_are_those_of_what_is_put_out() {
        let windows = WindowCounts::of(2, 4, [vec![0, 1, 3, 1, 0, 2]]).unwrap();
        let sizes = Sizes::new(windows.shape, 9, 2).unwrap();
        let net = Net::fresh(sizes, &windows, &mut Rng::new(1));
        let window = [3, 1];
        let mut layers = [vec![0.0; 9], vec![0.0; 2], vec![0.0; 9]];
        let [first, middle, last] = &mut layers;
        net.forward(&window, [first, middle, last]);
        let [.., output, bias] = sizes.split(&net.weights);
        let made = output
            .chunks(9)
            .zip(bias)
            .map(|(row, bias)| dot(row, last) + bias);
        let square: f32 = made
            .enumerate()
            .map(|(row, y)| (y - f32::from(u8::from(row == 3 || row == 4 + 1))).powi(2))
            .sum();
        let told = net.square(&window, &mut Vec::new());
        assert!((told - square).abs() < 1e-5, "{told} {square}");
    }
}
