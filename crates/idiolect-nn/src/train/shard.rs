//! Some lanes of the batch, with all that is needed to go forward and backward through a chunk of them
//! apart from the others.

use super::config::Objective;
use super::engine::{DropoutThresholds, Prepared};
use super::lanes::Lane;
use super::rows::{Rows, scaled};
use super::site::{Site, draw_mask};
use crate::Rng;
use crate::kernel::cell::{BackwardGates, BackwardRecurrent, Forward};
use crate::kernel::elementwise::{Mask, ScatterAdd, SumRows};
use crate::kernel::gemm::{Matrix, gemm};
use crate::kernel::loss::{Loss, Tally};
use crate::kernel::{Level, padded};
use crate::layout::{LayerLayout, Layout};

/// Logits that are held at once: as many rows as fit, so that they stay in the second-level cache.
const LOGITS: usize = 32_768;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) lanes: Vec<Lane>,
    /// The rows of this chunk.
    rows: Rows,
    layers: Vec<LayerBuffers>,
    /// What goes into layer 0, 1 ..., and into the output: where it has been gathered or dropped from.
    sites: Vec<Site>,
    logits: Vec<f32>,
    /// [picked rows, W]: gradient of what the output reads, where it reads only some rows.
    picked_dh: Vec<f32>,
    /// Gradient of all weights; of those that the table stands for, nothing.
    pub(crate) gradient: Vec<f32>,
    /// Gradient of the table, if there is one.
    pub(crate) table_gradient: Vec<f32>,
    /// What the last chunk came to; no targets if the shard had no rows.
    pub(crate) tally: Tally,
    /// Whether the last chunk had rows, so that the gradients are its own.
    pub(crate) active: bool,
}

#[derive(Debug, Default)]
struct LayerBuffers {
    /// State of each lane between chunks, [lanes, W].
    lane_h: Vec<f32>,
    lane_c: Vec<f32>,
    /// [rows, 4W]: the gates, activated; after the backward pass, their gradients.
    gates: Vec<f32>,
    /// [first rows + rows, W]: the state that the chunk begins with, then that after each step.
    h: Vec<f32>,
    c: Vec<f32>,
    /// [rows, W]
    tanh_c: Vec<f32>,
    /// [rows, W]: gradient of h.
    dh: Vec<f32>,
    /// [first rows, W]: gradient of c.
    dc: Vec<f32>,
    /// [rows, W]: h before each step, where it does not lie in `h` in one piece.
    h_before: Vec<f32>,
}

/// What a chunk is computed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) level: Level,
    pub(crate) layout: &'a Layout,
    pub(crate) weights: &'a [f32],
    pub(crate) prepared: &'a Prepared,
    /// Most steps.
    pub(crate) steps: usize,
    /// What the loss is.
    pub(crate) objective: Objective,
    /// What to learn; without it only the loss is computed.
    pub(crate) learn: Option<Learn>,
}

impl<'a> Chunk<'a> {
    /// [V, 4W]: the input's part of the first layer's gates for each token, without the bias: the weights
    /// themselves with one-hot input, else the table, if there is one.
    fn table(&self) -> Option<&'a [f32]> {
        match (self.layout.embedding_width, self.layout.layers.first()) {
            (None, Some(first)) => Some(&self.weights[first.weight_ih.clone()]),
            _ => self.prepared.table(),
        }
    }
}

/// What learning needs besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learn {
    /// One over the targets of the whole chunk; 0 if there are none.
    pub(crate) scale: f32,
    pub(crate) dropout: DropoutThresholds,
    /// Seeds the masks.
    pub(crate) key: [u64; 4],
}

impl Shard {
    /// A shard of so many lanes.
    pub(crate) fn new(layout: &Layout, lanes: usize, learns: bool, table: bool) -> Self {
        let layers = layout.layers.iter().map(|layer| LayerBuffers {
            lane_h: vec![0.0; lanes * layer.width],
            lane_c: vec![0.0; lanes * layer.width],
            ..LayerBuffers::default()
        });
        let table_len = layout.layers.first().map_or(0, LayerLayout::gates) * layout.vocab;
        Shard {
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            rows: Rows::default(),
            layers: layers.collect(),
            sites: (0..=layout.layers.len()).map(|_| Site::default()).collect(),
            logits: Vec::new(),
            picked_dh: Vec::new(),
            gradient: vec![0.0; if learns { layout.len } else { 0 }],
            table_gradient: vec![0.0; if learns && table { table_len } else { 0 }],
            tally: Tally::default(),
            active: false,
        }
    }

    /// Reads the next steps of every lane: forward, and backward if there is something to learn.
    pub(crate) fn run(&mut self, index: usize, chunk: &Chunk<'_>) {
        self.rows.arrange(&self.lanes, chunk.steps);
        self.tally = Tally::default();
        self.active = !self.rows.tokens.is_empty();
        if !self.active {
            return;
        }
        if let Some(learn) = &chunk.learn {
            let [a, b, c, d] = learn.key;
            let rng = Rng::from_parts(&[a, b, c, d, index as u64]);
            self.draw_masks(chunk.layout, learn.dropout, rng);
        }
        self.forward(chunk);
        self.output(chunk);
        if chunk.learn.is_some() {
            self.backward(chunk);
        }
        self.keep_states(chunk.layout);
    }

    /// The masks of the last chunk, site by site.
    #[cfg(test)]
    pub(crate) fn masks(&self) -> Vec<Vec<f32>> {
        self.sites.iter().map(|site| site.mask.clone()).collect()
    }

    fn draw_masks(&mut self, layout: &Layout, dropout: DropoutThresholds, mut rng: Rng) {
        let layers = layout.layers.len();
        for (index, site) in self.sites.iter_mut().enumerate() {
            let threshold = dropout.at(index, layers);
            site.mask.clear();
            if threshold > 0 {
                let rows = if index < layers {
                    self.rows.tokens.len()
                } else {
                    self.rows.scored().len()
                };
                let width = site_width(layout, index);
                site.mask.resize(rows * width, 0.0);
                draw_mask(&mut site.mask, threshold, &mut rng);
            }
        }
    }

    fn forward(&mut self, chunk: &Chunk<'_>) {
        let Chunk { level, layout, .. } = *chunk;
        let rows = self.rows.tokens.len();
        let first = self.rows.counts[0];
        for (index, shape) in layout.layers.iter().enumerate() {
            let (width, gates) = (shape.width, shape.gates());
            let (below, own) = self.layers.split_at_mut(index);
            let own = &mut own[0];
            own.gates.resize(rows * gates, 0.0);
            own.tanh_c.resize(rows * width, 0.0);
            begin_states(
                &mut own.h,
                &mut own.lane_h,
                &self.lanes,
                &self.rows.order,
                width,
                rows,
            );
            begin_states(
                &mut own.c,
                &mut own.lane_c,
                &self.lanes,
                &self.rows.order,
                width,
                rows,
            );

            let site = &mut self.sites[index];
            let table = chunk.table().filter(|_| index == 0);
            if table.is_none() {
                match below.last() {
                    None => {
                        let embedding = &chunk.weights[layout.embedding.clone()];
                        let tokens = self.rows.tokens.iter().map(|&token| token as usize);
                        gather(&mut site.value, embedding, tokens, shape.input);
                        site.drop(level);
                    }
                    Some(below) => site.copy_dropped(level, &below.h[first * shape.input..]),
                }
                let input = match below.last() {
                    Some(below) if site.mask.is_empty() => &below.h[first * shape.input..],
                    _ => &site.value,
                };
                let weight = &chunk.weights[shape.weight_ih.clone()];
                gemm(
                    &mut own.gates,
                    gates,
                    Matrix::new(input, rows, shape.input, shape.input),
                    Matrix::new(weight, shape.input, gates, gates),
                    false,
                );
            }
            self.rows.each_step(|step| {
                let here = scaled(&step.rows, width);
                let (h_done, h) = own.h.split_at_mut((first + step.rows.start) * width);
                let (c_done, c) = own.c.split_at_mut((first + step.rows.start) * width);
                let before = scaled(&step.before, width);
                level.run(Forward {
                    width,
                    panels: chunk.prepared.forward(index),
                    bias: &chunk.weights[shape.bias.clone()],
                    table: table.map(|table| (table, &self.rows.tokens[step.rows.clone()])),
                    gates: &mut own.gates[scaled(&step.rows, gates)],
                    h_before: &h_done[before.clone()],
                    c_before: &c_done[before],
                    h: &mut h[..here.len()],
                    c: &mut c[..here.len()],
                    tanh_c: &mut own.tanh_c[here],
                });
            });
        }
    }

    /// Loss, and the gradient of the output's weights and of what it reads.
    fn output(&mut self, chunk: &Chunk<'_>) {
        let Chunk { level, layout, .. } = *chunk;
        let (rows, first) = (self.rows.tokens.len(), self.rows.counts[0]);
        let width = layout.top_width();
        let (vocab, stride) = (layout.vocab, padded(layout.vocab));
        let [.., top] = self.layers.as_mut_slice() else {
            return;
        };
        let site = &mut self.sites[layout.layers.len()];
        let h = &top.h[first * width..];
        match &self.rows.picked {
            None => site.copy_dropped(level, h),
            Some(picked) => {
                gather(&mut site.value, h, picked.rows.iter().copied(), width);
                site.drop(level);
            }
        }
        let input = if site.mask.is_empty() && self.rows.picked.is_none() {
            h
        } else {
            &site.value
        };
        let targets = self.rows.scored();
        let scored = targets.len();
        let weights = Matrix::new(&chunk.weights[layout.output.clone()], vocab, width, width);
        let at_once = (LOGITS / stride).clamp(8, scored.max(8));
        self.logits.resize(at_once * stride, 0.0);
        let dh = match &self.rows.picked {
            None => &mut top.dh,
            Some(_) => &mut self.picked_dh,
        };
        if chunk.learn.is_some() {
            dh.resize(scored * width, 0.0);
            self.gradient[layout.output_bias.clone()].fill(0.0);
            if scored == 0 {
                self.gradient[layout.output.clone()].fill(0.0);
            }
        }
        for start in (0..scored).step_by(at_once) {
            let count = at_once.min(scored - start);
            let outputs = &mut self.logits[..count * stride];
            let here = start * width..(start + count) * width;
            let input = Matrix::new(&input[here.clone()], count, width, width);
            gemm(outputs, stride, input, weights.transposed(), false);
            self.tally += level.run(Loss {
                objective: chunk.objective,
                vocab,
                outputs,
                bias: &chunk.weights[layout.output_bias.clone()],
                targets: &targets[start..start + count],
                scale: chunk.learn.map(|learn| learn.scale),
            });
            if chunk.learn.is_none() {
                continue;
            }
            let gradient = Matrix::new(outputs, count, vocab, stride);
            gemm(&mut dh[here], width, gradient, weights, false);
            let to = &mut self.gradient[layout.output.clone()];
            gemm(to, width, gradient.transposed(), input, start > 0);
            level.run(SumRows {
                sums: &mut self.gradient[layout.output_bias.clone()],
                matrix: outputs,
            });
        }
        if chunk.learn.is_some() {
            site.mask_gradient(level, dh);
            if let Some(picked) = &self.rows.picked {
                top.dh.clear();
                top.dh.resize(rows * width, 0.0);
                for (&row, from) in picked.rows.iter().zip(self.picked_dh.chunks_exact(width)) {
                    top.dh[row * width..][..width].copy_from_slice(from);
                }
            }
        }
    }

    fn backward(&mut self, chunk: &Chunk<'_>) {
        let Chunk { level, layout, .. } = *chunk;
        let (rows, first) = (self.rows.tokens.len(), self.rows.counts[0]);
        for (index, shape) in layout.layers.iter().enumerate().rev() {
            let (width, gates) = (shape.width, shape.gates());
            let (below, own) = self.layers.split_at_mut(index);
            let own = &mut own[0];
            own.dc.clear();
            own.dc.resize(first * width, 0.0);
            self.rows.each_step_backward(|step| {
                let here = scaled(&step.rows, width);
                let gates_here = scaled(&step.rows, gates);
                level.run(BackwardGates {
                    gates: &mut own.gates[gates_here.clone()],
                    tanh_c: &own.tanh_c[here.clone()],
                    c_before: &own.c[scaled(&step.before, width)],
                    dh: &own.dh[here.clone()],
                    dc: &mut own.dc[..here.len()],
                });
                if step.rows.start > 0 {
                    // Rows of `dh` lack the first state that `before` counts.
                    let before = step.before.start - first..step.before.end - first;
                    level.run(BackwardRecurrent {
                        width,
                        panels: chunk.prepared.backward(index),
                        gates: &own.gates[gates_here],
                        dh_before: &mut own.dh[scaled(&before, width)],
                    });
                }
            });

            // From here on `gates` holds gradients.
            let gradient = Matrix::new(&own.gates, rows, gates, gates);
            let even = self.rows.counts.last() == Some(&first);
            if !even {
                own.h_before.clear();
                self.rows.each_step(|step| {
                    own.h_before
                        .extend_from_slice(&own.h[scaled(&step.before, width)]);
                });
            }
            let h_before = if even { &own.h } else { &own.h_before };
            gemm(
                &mut self.gradient[shape.weight_hh.clone()],
                gates,
                Matrix::new(&h_before[..rows * width], rows, width, width).transposed(),
                gradient,
                false,
            );
            let bias = &mut self.gradient[shape.bias.clone()];
            bias.fill(0.0);
            level.run(SumRows {
                sums: bias,
                matrix: &own.gates,
            });

            if index == 0 && chunk.table().is_some() {
                let to = match layout.embedding_width {
                    None => &mut self.gradient[shape.weight_ih.clone()],
                    Some(_) => self.table_gradient.as_mut_slice(),
                };
                to.fill(0.0);
                level.run(ScatterAdd {
                    to,
                    from: &own.gates,
                    rows: &self.rows.tokens,
                    width: gates,
                });
                continue;
            }
            let weight_ih = &chunk.weights[shape.weight_ih.clone()];
            let weight_ih = Matrix::new(weight_ih, shape.input, gates, gates);
            let site = &mut self.sites[index];
            let input = match below.last() {
                Some(below) if site.mask.is_empty() => &below.h[first * shape.input..],
                _ => &site.value,
            };
            gemm(
                &mut self.gradient[shape.weight_ih.clone()],
                gates,
                Matrix::new(input, rows, shape.input, shape.input).transposed(),
                gradient,
                false,
            );
            match below.last_mut() {
                Some(below) => {
                    below.dh.resize(rows * shape.input, 0.0);
                    gemm(
                        &mut below.dh,
                        shape.input,
                        gradient,
                        weight_ih.transposed(),
                        false,
                    );
                    site.mask_gradient(level, &mut below.dh);
                }
                None => {
                    // What went in is no longer needed: its gradient takes its place.
                    let Site { value, mask } = site;
                    gemm(value, shape.input, gradient, weight_ih.transposed(), false);
                    if !mask.is_empty() {
                        level.run(Mask { to: value, mask });
                    }
                    let to = &mut self.gradient[layout.embedding.clone()];
                    to.fill(0.0);
                    level.run(ScatterAdd {
                        to,
                        from: value,
                        rows: &self.rows.tokens,
                        width: shape.input,
                    });
                }
            }
        }
    }

    /// Keeps each lane's last state for the next chunk.
    fn keep_states(&mut self, layout: &Layout) {
        let first = self.rows.counts[0];
        for (own, shape) in self.layers.iter_mut().zip(&layout.layers) {
            let width = shape.width;
            let mut start = first;
            for (step, &count) in self.rows.counts.iter().enumerate() {
                let after = self.rows.counts.get(step + 1).copied().unwrap_or(0);
                for place in after..count {
                    let from = (start + place) * width..(start + place + 1) * width;
                    let to = self.rows.order[place] * width..(self.rows.order[place] + 1) * width;
                    own.lane_h[to.clone()].copy_from_slice(&own.h[from.clone()]);
                    own.lane_c[to].copy_from_slice(&own.c[from]);
                }
                start += count;
            }
        }
        let steps = self.rows.counts.len();
        for &lane in &self.rows.order {
            let lane = &mut self.lanes[lane];
            lane.position += lane.remaining().min(steps);
            lane.fresh = false;
        }
    }
}

/// Makes room for the states of a chunk and begins them with those of the lanes, in the chunk's order.
fn begin_states(
    states: &mut Vec<f32>,
    of_lanes: &mut [f32],
    lanes: &[Lane],
    order: &[usize],
    width: usize,
    rows: usize,
) {
    states.resize((order.len() + rows) * width, 0.0);
    for (&lane, to) in order.iter().zip(states.chunks_exact_mut(width)) {
        let of_lane = &mut of_lanes[lane * width..][..width];
        if lanes[lane].fresh {
            of_lane.fill(0.0);
        }
        to.copy_from_slice(of_lane);
    }
}

fn gather(to: &mut Vec<f32>, matrix: &[f32], rows: impl Iterator<Item = usize>, width: usize) {
    to.clear();
    for row in rows {
        to.extend_from_slice(&matrix[row * width..][..width]);
    }
}

fn site_width(layout: &Layout, site: usize) -> usize {
    layout
        .layers
        .get(site)
        .map_or(layout.top_width(), |layer| layer.input)
}
