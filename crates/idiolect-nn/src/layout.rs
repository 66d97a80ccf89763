//! The weights as the kernels want them: one run of numbers, padded, gates interleaved.
//!
//! Every row is padded to whole vectors and every layer to whole blocks of eight units. Padding is 0 and
//! stays 0: a padded unit's gates are fed by zero weights, so its c and h are 0, so nothing flows back
//! through it, and an optimiser leaves a zero weight with a zero gradient where it is.

use std::ops::Range;

use crate::kernel::cell::{GATES, gate_position};
use crate::kernel::padded;
use crate::{Architecture, Weights};

/// Where each matrix lies in the run.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// V.
    pub(crate) vocab: usize,
    /// Width of the embedding, padded; `None` with one-hot input.
    pub(crate) embedding_width: Option<usize>,
    /// [V, embedding_width]; empty with one-hot input.
    pub(crate) embedding: Range<usize>,
    /// The layers, from the input to the output.
    pub(crate) layers: Vec<LayerLayout>,
    /// [V, width of the top layer].
    pub(crate) output: Range<usize>,
    /// V, padded.
    pub(crate) output_bias: Range<usize>,
    /// Numbers altogether: whole vectors.
    pub(crate) len: usize,
}

/// Where a layer's matrices lie. Gates are interleaved; matrices have a row for each input.
#[derive(Clone, Debug)]
pub(crate) struct LayerLayout {
    /// Rows of `weight_ih`: the padded width of the input; V, not padded, for the layer that reads one-hot
    /// input, so that the row of a token is its part of the gates.
    pub(crate) input: usize,
    /// Padded width, W.
    pub(crate) width: usize,
    /// [input, 4W].
    pub(crate) weight_ih: Range<usize>,
    /// [W, 4W].
    pub(crate) weight_hh: Range<usize>,
    /// [4W].
    pub(crate) bias: Range<usize>,
}

impl LayerLayout {
    /// Width of the gates: 4W.
    pub(crate) fn gates(&self) -> usize {
        GATES * self.width
    }
}

impl Layout {
    pub(crate) fn new(architecture: &Architecture) -> Self {
        let mut len = 0;
        let mut take = |numbers: usize| {
            let range = len..len + numbers;
            len = range.end;
            range
        };
        let vocab = architecture.vocab;
        let embedding_width = architecture.embedding.map(padded);
        let embedding = take(vocab * embedding_width.unwrap_or(0));
        let mut input = embedding_width.unwrap_or(vocab);
        let mut layers = Vec::new();
        for &hidden in &architecture.hidden {
            let width = padded(hidden);
            layers.push(LayerLayout {
                input,
                width,
                weight_ih: take(input * GATES * width),
                weight_hh: take(width * GATES * width),
                bias: take(GATES * width),
            });
            input = width;
        }
        let output = take(vocab * input);
        let output_bias = take(padded(vocab));
        Layout {
            vocab,
            embedding_width,
            embedding,
            layers,
            output,
            output_bias,
            len,
        }
    }

    /// Padded width of the layer that the output reads.
    pub(crate) fn top_width(&self) -> usize {
        // `Architecture::validate` refuses a network without layers.
        self.layers.last().map_or(0, |l| l.width)
    }

    /// The weights as one run of numbers.
    pub(crate) fn flatten(&self, weights: &Weights) -> Vec<f32> {
        let mut flat = vec![0.0; self.len];
        let mut index = 0;
        self.each_place(weights.architecture(), |tensor, places| {
            debug_assert_eq!(tensor, index);
            index += 1;
            for (&number, place) in weights.ordered(tensor).iter().zip(places) {
                flat[place] = number;
            }
        });
        flat
    }

    /// A run of numbers as tensors, in the order of [`Architecture::tensor_shapes`].
    pub(crate) fn unflatten(&self, architecture: &Architecture, flat: &[f32]) -> Weights {
        let mut tensors = Vec::new();
        self.each_place(architecture, |_, places| {
            tensors.push(places.map(|place| flat[place]).collect());
        });
        Weights::from_ordered(architecture, tensors)
    }

    /// For each tensor in order, where each of its numbers, row by row, lies in the run.
    fn each_place(
        &self,
        architecture: &Architecture,
        mut each: impl FnMut(usize, &mut dyn Iterator<Item = usize>),
    ) {
        let mut tensor = 0;
        let mut next = |places: &mut dyn Iterator<Item = usize>| {
            each(tensor, places);
            tensor += 1;
        };
        if let (Some(width), Some(stride)) = (architecture.embedding, self.embedding_width) {
            next(&mut rows(&self.embedding, self.vocab, width, stride));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let hidden = architecture.hidden[index];
            let input = architecture.input_width(index);
            let gates = layer.gates();
            for (range, inputs) in [(&layer.weight_ih, input), (&layer.weight_hh, hidden)] {
                next(&mut (0..GATES * hidden).flat_map(|row| {
                    let column = gate_position(row / hidden, row % hidden);
                    (0..inputs).map(move |input| range.start + input * gates + column)
                }));
            }
            next(
                &mut (0..GATES * hidden)
                    .map(|row| layer.bias.start + gate_position(row / hidden, row % hidden)),
            );
        }
        next(&mut rows(
            &self.output,
            self.vocab,
            architecture.top_width(),
            self.top_width(),
        ));
        next(&mut rows(&self.output_bias, 1, self.vocab, self.vocab));
    }
}

/// Places of a row-major matrix whose rows lie `stride` apart.
fn rows(
    range: &Range<usize>,
    rows: usize,
    columns: usize,
    stride: usize,
) -> impl Iterator<Item = usize> {
    let start = range.start;
    (0..rows).flat_map(move |r| (0..columns).map(move |c| start + r * stride + c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattening_comes_back_and_leaves_padding_zero() {
        let shapes = [vec![8], vec![3, 13], vec![16, 9, 1]];
        let shapes = shapes
            .into_iter()
            .flat_map(|h| [(Some(5), h.clone()), (None, h)]);
        for (embedding, hidden) in shapes {
            let arch = Architecture {
                vocab: 11,
                embedding,
                hidden,
            };
            let weights = Weights::init(&arch, 4).unwrap();
            let layout = Layout::new(&arch);
            let flat = layout.flatten(&weights);
            assert_eq!(layout.unflatten(&arch, &flat), weights);
            let filled = flat.iter().filter(|&&x| x != 0.0).count();
            assert_eq!(filled, arch.weight_count());
        }
    }
}
