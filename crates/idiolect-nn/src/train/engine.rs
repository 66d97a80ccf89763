//! A chunk of the whole batch: shards side by side, their gradients summed.
//!
//! The lanes are dealt to shards in fixed groups that depend on the batch alone, each shard works on its
//! own, and sums over shards go in their order: the result does not depend on the number of threads.

use rayon::prelude::*;

use super::config::{Dropout, Objective, TrainConfig};
use super::shard::{Chunk, Learn, Shard};
use crate::kernel::Level;
use crate::kernel::aligned::Aligned;
use crate::kernel::cell::{BACKWARD_COLUMNS, BLOCK};
use crate::kernel::elementwise::Add;
use crate::kernel::gemm::{Matrix, gemm};
use crate::kernel::loss::Tally;
use crate::kernel::panel::{pack, pack_transposed};
use crate::layout::{LayerLayout, Layout};

/// Lanes of a shard, at most, where chunks are long.
const SHARD_LANES: usize = 8;
/// Rows of a shard (lanes times steps) up to which it may have more lanes. A shard reads a layer's
/// recurrent weights anew at every step, from beyond the second-level cache if the layer is wide: the more
/// lanes, the less often. With too many rows their activations leave the cache in turn.
///
/// The window network (19 steps, batch 50, layers of 64, 256 and 100) learns 9 to 16 % more windows a
/// second in two shards of 25 lanes than in seven of 7 or 8.
const SHARD_ROWS: usize = 512;
/// Numbers of a stretch that one thread sums or steps at a time.
pub(crate) const STRETCH: usize = 16_384;
/// Rows of the table that one thread computes at a time.
const TABLE_ROWS: usize = 32;
/// Largest table of input parts, in numbers.
const MAX_TABLE: usize = 8 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) level: Level,
    pub(crate) layout: Layout,
    pub(crate) shards: Vec<Shard>,
    prepared: Prepared,
    steps: usize,
    objective: Objective,
    dropout: DropoutThresholds,
    /// Sum of the shards' gradients.
    pub(crate) gradient: Vec<f32>,
    table_gradient: Vec<f32>,
}

/// The weights in the forms that a chunk's inner loops want.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// [V, 4W] of the first layer; empty if there is none.
    table: Aligned<f32>,
    layers: Vec<PreparedLayer>,
}

#[derive(Debug)]
struct PreparedLayer {
    forward: Aligned<f32>,
    backward: Aligned<f32>,
}

impl Prepared {
    /// The input's part of the first layer's gates for each token, without the bias, where it has been
    /// computed from the embedding.
    pub(crate) fn table(&self) -> Option<&[f32]> {
        (!self.table.is_empty()).then_some(&self.table)
    }

    /// Panels of the recurrent weights of a layer.
    pub(crate) fn forward(&self, layer: usize) -> &[f32] {
        &self.layers[layer].forward
    }

    /// Panels of the same, transposed.
    pub(crate) fn backward(&self, layer: usize) -> &[f32] {
        &self.layers[layer].backward
    }
}

/// Shares to drop, in 1/65,536.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DropoutThresholds {
    embedding: u16,
    between: u16,
    output: u16,
}

impl DropoutThresholds {
    fn new(dropout: Dropout) -> Self {
        let threshold = |share: f64| (share * 65_536.0).round().clamp(0.0, 65_535.0) as u16;
        DropoutThresholds {
            embedding: threshold(dropout.embedding),
            between: threshold(dropout.between),
            output: threshold(dropout.output),
        }
    }

    /// That of what goes into layer `site`, or (`site` = `layers`) into the output.
    pub(crate) fn at(self, site: usize, layers: usize) -> u16 {
        if site == layers {
            self.output
        } else if site == 0 {
            self.embedding
        } else {
            self.between
        }
    }
}

impl Engine {
    /// An engine that learns.
    pub(crate) fn learning(layout: Layout, config: &TrainConfig) -> Self {
        let TrainConfig {
            batch,
            bptt,
            objective,
            dropout,
            ..
        } = *config;
        Engine::new(layout, batch, bptt, objective, Some(dropout))
    }

    /// An engine that only measures.
    pub(crate) fn measuring(
        layout: Layout,
        batch: usize,
        steps: usize,
        objective: Objective,
    ) -> Self {
        Engine::new(layout, batch, steps, objective, None)
    }

    fn new(
        layout: Layout,
        batch: usize,
        steps: usize,
        objective: Objective,
        learn: Option<Dropout>,
    ) -> Self {
        let dropout = learn.map(DropoutThresholds::new).unwrap_or_default();
        let table_len = layout.layers.first().map_or(0, LayerLayout::gates) * layout.vocab;
        // A table costs a product of V rows where the rows of the batch would cost one each, and cannot
        // be had if each row drops something else from its embedding. With one-hot input the weights are
        // the table.
        let table = layout.embedding_width.is_some()
            && dropout.embedding == 0
            && layout.vocab <= batch * steps
            && table_len <= MAX_TABLE;
        let table_len = if table { table_len } else { 0 };
        // At least two shards where there is more than one lane, all of about the same size.
        let most = SHARD_LANES.max(SHARD_ROWS / steps);
        let count = batch.div_ceil(most).max(2).min(batch);
        let shards = (0..count).map(|i| {
            let lanes = (i + 1) * batch / count - i * batch / count;
            Shard::new(&layout, lanes, learn.is_some(), table)
        });
        let layers = layout.layers.iter().map(|layer| PreparedLayer {
            forward: Aligned::zeros(layer.weight_hh.len()),
            backward: Aligned::zeros(match learn {
                Some(_) => layer.width.next_multiple_of(BACKWARD_COLUMNS) * layer.gates(),
                None => 0,
            }),
        });
        Engine {
            level: Level::detect(),
            shards: shards.collect(),
            prepared: Prepared {
                table: Aligned::zeros(table_len),
                layers: layers.collect(),
            },
            steps,
            objective,
            dropout,
            gradient: vec![0.0; if learn.is_some() { layout.len } else { 0 }],
            table_gradient: vec![0.0; if learn.is_some() { table_len } else { 0 }],
            layout,
        }
    }

    /// Reads the next steps of every lane without learning.
    pub(crate) fn measure(&mut self, weights: &[f32]) -> Tally {
        self.run(weights, None)
    }

    /// Packs the weights anew: to be called when they have changed.
    pub(crate) fn prepare(&mut self, weights: &[f32]) {
        let Engine {
            prepared, layout, ..
        } = self;
        let Prepared { table, layers } = prepared;
        rayon::join(
            || fill_table(table, layout, weights),
            || {
                layers
                    .par_iter_mut()
                    .zip(&layout.layers)
                    .for_each(|(to, layer)| {
                        let weight = &weights[layer.weight_hh.clone()];
                        pack(weight, layer.gates(), BLOCK, &mut to.forward);
                        if !to.backward.is_empty() {
                            pack_transposed(
                                weight,
                                layer.gates(),
                                BACKWARD_COLUMNS,
                                &mut to.backward,
                            );
                        }
                    });
            },
        );
    }

    /// Reads the next steps of every lane, which hold so many targets, and leaves the gradient of their
    /// mean loss in `gradient`. The weights must have been prepared.
    pub(crate) fn learn(&mut self, weights: &[f32], targets: u64, key: [u64; 4]) -> Tally {
        let scale = if targets == 0 {
            0.0
        } else {
            (1.0 / targets as f64) as f32
        };
        let tally = self.run(
            weights,
            Some(Learn {
                scale,
                dropout: self.dropout,
                key,
            }),
        );
        self.sum_gradients(weights);
        tally
    }

    fn run(&mut self, weights: &[f32], learn: Option<Learn>) -> Tally {
        let chunk = Chunk {
            level: self.level,
            layout: &self.layout,
            weights,
            prepared: &self.prepared,
            steps: self.steps,
            objective: self.objective,
            learn,
        };
        self.shards
            .par_iter_mut()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, shard)| shard.run(index, &chunk));
        let mut tally = Tally::default();
        for shard in &self.shards {
            tally += shard.tally;
        }
        tally
    }

    fn sum_gradients(&mut self, weights: &[f32]) {
        let Engine {
            level,
            layout,
            shards,
            gradient,
            table_gradient,
            ..
        } = self;
        sum_over(*level, gradient, shards, |shard| &shard.gradient);
        if table_gradient.is_empty() {
            return;
        }
        sum_over(*level, table_gradient, shards, |shard| {
            &shard.table_gradient
        });
        // The table is embedding times weight_ih.
        let (Some(first), Some(width)) = (layout.layers.first(), layout.embedding_width) else {
            return;
        };
        let vocab = layout.vocab;
        let gates = first.gates();
        let from = Matrix::new(table_gradient, vocab, gates, gates);
        let embedding = Matrix::new(&weights[layout.embedding.clone()], vocab, width, width);
        let weight_ih = Matrix::new(&weights[first.weight_ih.clone()], width, gates, gates);
        // The embedding comes first, then the first layer's weights: see `Layout`.
        let (of_embedding, rest) = gradient.split_at_mut(first.weight_ih.start);
        let of_weight = &mut rest[..first.weight_ih.len()];
        rayon::join(
            || gemm(of_embedding, width, from, weight_ih.transposed(), false),
            || gemm(of_weight, gates, embedding.transposed(), from, false),
        );
    }
}

/// `to` = the sum, over the shards that had something to do, of one of their buffers.
fn sum_over(
    level: Level,
    to: &mut [f32],
    shards: &[Shard],
    of: impl Fn(&Shard) -> &Vec<f32> + Sync,
) {
    to.par_chunks_mut(STRETCH)
        .enumerate()
        .for_each(|(index, to)| {
            let start = index * STRETCH;
            let mut first = true;
            for shard in shards.iter().filter(|shard| shard.active) {
                let from = &of(shard)[start..start + to.len()];
                if first {
                    to.copy_from_slice(from);
                    first = false;
                } else {
                    level.run(Add { to, from });
                }
            }
            if first {
                to.fill(0.0);
            }
        });
}

fn fill_table(table: &mut [f32], layout: &Layout, weights: &[f32]) {
    let (Some(first), Some(width)) = (layout.layers.first(), layout.embedding_width) else {
        return;
    };
    if table.is_empty() {
        return;
    }
    let gates = first.gates();
    let weight = Matrix::new(&weights[first.weight_ih.clone()], width, gates, gates);
    let embedding = &weights[layout.embedding.clone()];
    table
        .par_chunks_mut(TABLE_ROWS * gates)
        .zip(embedding.par_chunks(TABLE_ROWS * width))
        .for_each(|(to, embedding)| {
            let rows = embedding.len() / width;
            gemm(
                to,
                gates,
                Matrix::new(embedding, rows, width, width),
                weight,
                false,
            );
        });
}
