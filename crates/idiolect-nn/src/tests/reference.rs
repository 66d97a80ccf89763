//! A plain, slow LSTM language model in f64, written from the equations and sharing no code with the
//! crate: what the kernels are held against.

use crate::{Architecture, IGNORE, Objective, Weights};

/// Weights as f64 tensors in the order of `Architecture::tensor_shapes`.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) architecture: Architecture,
    pub(crate) tensors: Vec<Vec<f64>>,
}

/// h and c of each layer.
pub(crate) type State = Vec<(Vec<f64>, Vec<f64>)>;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Reference {
    pub(crate) fn new(weights: &Weights) -> Self {
        Reference {
            architecture: weights.architecture().clone(),
            tensors: weights
                .tensors()
                .map(|(_, _, data)| data.iter().map(|&x| f64::from(x)).collect())
                .collect(),
        }
    }

    pub(crate) fn state(&self) -> State {
        let widths = self.architecture.hidden.iter();
        widths.map(|&h| (vec![0.0; h], vec![0.0; h])).collect()
    }

    /// One step; returns ln p of every token to come.
    pub(crate) fn step(&self, state: &mut State, token: u32, masks: &[&[f32]]) -> Vec<f64> {
        let logits = self.outputs(state, token, masks);
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = top + logits.iter().map(|l| (l - top).exp()).sum::<f64>().ln();
        logits.iter().map(|l| l - log_sum).collect()
    }

    /// One step; returns the outputs before the softmax. `masks` multiply what goes into each layer and into
    /// the output; empty ones multiply by 1.
    pub(crate) fn outputs(&self, state: &mut State, token: u32, masks: &[&[f32]]) -> Vec<f64> {
        let arch = &self.architecture;
        // Tensors before those of the layers: the embedding, if there is one.
        let before = usize::from(arch.embedding.is_some());
        let mask = |x: &mut Vec<f64>, site: usize| {
            if let Some(mask) = masks.get(site).filter(|mask| !mask.is_empty()) {
                x.iter_mut()
                    .zip(*mask)
                    .for_each(|(x, &m)| *x *= f64::from(m));
            }
        };
        let token = token as usize;
        let mut x = match arch.embedding {
            Some(e) => self.tensors[0][token * e..][..e].to_vec(),
            None => {
                let mut one_hot = vec![0.0; arch.vocab];
                one_hot[token] = 1.0;
                one_hot
            }
        };
        for (layer, &hidden) in arch.hidden.iter().enumerate() {
            mask(&mut x, layer);
            let weight_ih = &self.tensors[before + 3 * layer];
            let weight_hh = &self.tensors[before + 1 + 3 * layer];
            let bias = &self.tensors[before + 2 + 3 * layer];
            let (h, c) = &mut state[layer];
            let sums: Vec<f64> = (0..4 * hidden)
                .map(|row| {
                    let from_x: f64 = (0..x.len())
                        .map(|k| weight_ih[row * x.len() + k] * x[k])
                        .sum();
                    let from_h: f64 = (0..hidden)
                        .map(|k| weight_hh[row * hidden + k] * h[k])
                        .sum();
                    from_x + from_h + bias[row]
                })
                .collect();
            for unit in 0..hidden {
                let i = sigmoid(sums[unit]);
                let f = sigmoid(sums[hidden + unit]);
                let g = sums[2 * hidden + unit].tanh();
                let o = sigmoid(sums[3 * hidden + unit]);
                c[unit] = f * c[unit] + i * g;
                h[unit] = o * c[unit].tanh();
            }
            x = h.clone();
        }
        mask(&mut x, arch.hidden.len());
        let [.., weight, bias] = self.tensors.as_slice() else {
            unreachable!()
        };
        (0..arch.vocab)
            .map(|row| {
                bias[row]
                    + (0..x.len())
                        .map(|k| weight[row * x.len() + k] * x[k])
                        .sum::<f64>()
            })
            .collect()
    }

    /// Sum of the losses over the targets of a stretch of a sequence, from a state that moves on.
    pub(crate) fn loss(
        &self,
        objective: Objective,
        state: &mut State,
        inputs: &[u32],
        targets: &[u32],
    ) -> f64 {
        let mut sum = 0.0;
        for (&input, &target) in inputs.iter().zip(targets) {
            let outputs = self.outputs(state, input, &[]);
            if target != IGNORE {
                sum += loss_of(objective, &outputs, target as usize);
            }
        }
        sum
    }

    /// The gradient of `loss` by central differences, in the order of `Architecture::tensor_shapes`. With
    /// this step the error of the differences is about 1e-9.
    pub(crate) fn gradient(&self, loss: impl Fn(&Reference) -> f64) -> Vec<Vec<f64>> {
        const STEP: f64 = 1e-5;
        let mut moved = self.clone();
        let mut gradient = Vec::new();
        for tensor in 0..self.tensors.len() {
            let slopes = (0..self.tensors[tensor].len()).map(|at| {
                let here = self.tensors[tensor][at];
                moved.tensors[tensor][at] = here + STEP;
                let above = loss(&moved);
                moved.tensors[tensor][at] = here - STEP;
                let below = loss(&moved);
                moved.tensors[tensor][at] = here;
                (above - below) / (2.0 * STEP)
            });
            gradient.push(slopes.collect());
        }
        gradient
    }
}

/// The loss of one row of outputs, written as Keras defines it.
pub(crate) fn loss_of(objective: Objective, outputs: &[f64], target: usize) -> f64 {
    let total: f64 = outputs.iter().map(|z| z.exp()).sum();
    match objective {
        Objective::CrossEntropy => total.ln() - outputs[target],
        Objective::MeanSquared => {
            let errors = outputs.iter().enumerate().map(|(token, z)| {
                let hit = f64::from(u8::from(token == target));
                (hit - z.exp() / total).powi(2)
            });
            errors.sum::<f64>() / outputs.len() as f64
        }
        Objective::UnnormalisedCrossEntropy => {
            let share = outputs[target] / outputs.iter().sum::<f64>();
            -share.clamp(1e-7, 1.0 - 1e-7).ln()
        }
    }
}
