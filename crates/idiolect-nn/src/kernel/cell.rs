//! The LSTM cell (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), forward and
//! backward, with the recurrent product and the gates' arithmetic fused.
//!
//! The four gates of a layer of width W (padded to whole vectors) lie interleaved in blocks of eight
//! units: 8 input gates, 8 forget gates, 8 cell candidates, 8 output gates, then the next eight units.
//! One panel of 32 columns is then all there is to know of eight units, and what the product leaves in
//! registers is at once turned into c and h. See [`gate_position`].

use super::math::{sigmoid, tanh};
use super::panel::{ABREAST, TILE, accumulate, accumulate_one};
use super::{Kernel, LANES, Simd, vector, vector_mut};

/// Gates of a cell.
pub(crate) const GATES: usize = 4;
/// Numbers in a block of interleaved gates.
pub(crate) const BLOCK: usize = GATES * LANES;
/// Columns in a panel of [`BackwardRecurrent`].
pub(crate) const BACKWARD_COLUMNS: usize = 2 * LANES;

/// Where gate `gate` (0 input, 1 forget, 2 cell, 3 output) of unit `unit` lies among interleaved gates.
pub(crate) fn gate_position(gate: usize, unit: usize) -> usize {
    unit / LANES * BLOCK + gate * LANES + unit % LANES
}

/// Activated gates, c, tanh(c) and h of eight units.
pub(crate) struct Activated<F> {
    pub(crate) gates: [F; GATES],
    pub(crate) c: F,
    pub(crate) tanh_c: F,
    pub(crate) h: F,
}

#[inline(always)]
pub(crate) fn activate<S: Simd>(s: S, sums: [S::F; GATES], c_before: S::F) -> Activated<S::F> {
    let i = sigmoid(s, sums[0]);
    let f = sigmoid(s, sums[1]);
    let g = tanh(s, sums[2]);
    let o = sigmoid(s, sums[3]);
    let c = s.mul_add(f, c_before, s.mul(i, g));
    let tanh_c = tanh(s, c);
    Activated {
        gates: [i, f, g, o],
        c,
        tanh_c,
        h: s.mul(o, tanh_c),
    }
}

/// One step of some rows (streams) of a layer of width W, keeping what the backward step needs.
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    /// W, padded.
    pub(crate) width: usize,
    /// Recurrent weights: W / 8 panels of 32 interleaved gates, W deep.
    pub(crate) panels: &'a [f32],
    /// Bias of the interleaved gates, 4W.
    pub(crate) bias: &'a [f32],
    /// The input's part of the gates for each token, [V, 4W], and each row's token; without it the
    /// input's part is found in `gates`.
    pub(crate) table: Option<(&'a [f32], &'a [u32])>,
    /// [rows, 4W]: activated gates go here.
    pub(crate) gates: &'a mut [f32],
    /// [rows, W]: h before the step.
    pub(crate) h_before: &'a [f32],
    /// [rows, W]: c before the step.
    pub(crate) c_before: &'a [f32],
    /// [rows, W]: h after it.
    pub(crate) h: &'a mut [f32],
    /// [rows, W]: c after it.
    pub(crate) c: &'a mut [f32],
    /// [rows, W]: tanh of that.
    pub(crate) tanh_c: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let rows = self.h.len() / self.width;
        let panels = self.panels.chunks_exact(self.width * BLOCK);
        for (block, panel) in panels.enumerate() {
            let mut row = 0;
            while row + TILE <= rows {
                self.tile::<S, TILE>(s, block, panel, row);
                row += TILE;
            }
            match rows - row {
                2 => self.tile::<S, 2>(s, block, panel, row),
                1 => self.tile::<S, 1>(s, block, panel, row),
                _ => {}
            }
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize>(&mut self, s: S, block: usize, panel: &[f32], row: usize) {
        let width = self.width;
        let at = block * BLOCK;
        let mut sums = [[s.splat(0.0); GATES]; MR];
        for (r, sums) in sums.iter_mut().enumerate() {
            let row = row + r;
            let input = match self.table {
                Some((table, tokens)) => &table[tokens[row] as usize * GATES * width..],
                None => &self.gates[row * GATES * width..],
            };
            for (gate, sum) in sums.iter_mut().enumerate() {
                let at = at + gate * LANES;
                *sum = s.add(s.load(vector(input, at)), s.load(vector(self.bias, at)));
            }
        }
        let mut h_before = [self.h_before; MR];
        for (r, h_before) in h_before.iter_mut().enumerate() {
            *h_before = &self.h_before[(row + r) * width..][..width];
        }
        accumulate(s, h_before, panel, &mut sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let unit = (row + r) * width + block * LANES;
            let out = activate(s, sums, s.load(vector(self.c_before, unit)));
            let gates = &mut self.gates[(row + r) * GATES * width + at..];
            for (gate, value) in out.gates.into_iter().enumerate() {
                s.store(value, vector_mut(gates, gate * LANES));
            }
            s.store(out.c, vector_mut(self.c, unit));
            s.store(out.tanh_c, vector_mut(self.tanh_c, unit));
            s.store(out.h, vector_mut(self.h, unit));
        }
    }
}

/// One step of one stream of a layer, keeping nothing but the state.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// W, padded.
    pub(crate) width: usize,
    /// What the gates start from, 4W: the bias, or the tabled input part with the bias in it.
    pub(crate) start: &'a [f32],
    /// What the layer below gives, padded; empty if the table holds it.
    pub(crate) input: &'a [f32],
    /// W / 8 panels of 32 interleaved gates, as deep as `input` and the state together, in that order.
    pub(crate) panels: &'a [f32],
    /// W: h before the step.
    pub(crate) h_before: &'a [f32],
    /// W: h after it.
    pub(crate) h: &'a mut [f32],
    /// W: c before and after.
    pub(crate) c: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let blocks = self.width / LANES;
        let mut block = 0;
        while block + ABREAST <= blocks {
            self.blocks::<S, ABREAST>(s, block);
            block += ABREAST;
        }
        match blocks - block {
            2 => self.blocks::<S, 2>(s, block),
            1 => self.blocks::<S, 1>(s, block),
            _ => {}
        }
    }
}

impl Step<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const N: usize>(&mut self, s: S, first: usize) {
        let (input, depth) = (self.input.len(), self.input.len() + self.width);
        let mut sums = [[s.splat(0.0); GATES]; N];
        let (mut input_panels, mut state_panels): ([&[f32]; N], [&[f32]; N]) = ([&[]; N], [&[]; N]);
        for (b, sums) in sums.iter_mut().enumerate() {
            let block = first + b;
            let panel = &self.panels[block * depth * BLOCK..][..depth * BLOCK];
            (input_panels[b], state_panels[b]) = panel.split_at(input * BLOCK);
            for (gate, sum) in sums.iter_mut().enumerate() {
                *sum = s.load(vector(self.start, block * BLOCK + gate * LANES));
            }
        }
        if input > 0 {
            accumulate_one(s, self.input, input_panels, &mut sums);
        }
        accumulate_one(s, self.h_before, state_panels, &mut sums);
        for (b, sums) in sums.into_iter().enumerate() {
            let unit = (first + b) * LANES;
            let out = activate(s, sums, s.load(vector(self.c, unit)));
            s.store(out.c, vector_mut(self.c, unit));
            s.store(out.h, vector_mut(self.h, unit));
        }
    }
}

/// The gates' part of one step backward: from the gradients of h and c to those of the gates before their
/// activation.
#[derive(Debug)]
pub(crate) struct BackwardGates<'a> {
    /// [rows, 4W]: activated gates before, their gradients (before activation) after.
    pub(crate) gates: &'a mut [f32],
    /// [rows, W]: tanh of c after the step.
    pub(crate) tanh_c: &'a [f32],
    /// [rows, W]: c before the step.
    pub(crate) c_before: &'a [f32],
    /// [rows, W]: gradient of h after the step, from above and from later.
    pub(crate) dh: &'a [f32],
    /// [rows, W]: gradient of c after the step (from later) before, of c before the step after.
    pub(crate) dc: &'a mut [f32],
}

impl Kernel for BackwardGates<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let one = s.splat(1.0);
        let blocks = self
            .gates
            .as_chunks_mut::<LANES>()
            .0
            .chunks_exact_mut(GATES);
        let units = self.tanh_c.as_chunks::<LANES>().0.iter();
        let units = units.zip(self.c_before.as_chunks::<LANES>().0);
        let units = units.zip(self.dh.as_chunks::<LANES>().0);
        let units = units.zip(self.dc.as_chunks_mut::<LANES>().0);
        for (gates, (((tanh_c, c_before), dh), dc_to)) in blocks.zip(units) {
            let [i, f, g, o] = [
                s.load(&gates[0]),
                s.load(&gates[1]),
                s.load(&gates[2]),
                s.load(&gates[3]),
            ];
            let (tanh_c, c_before, dh) = (s.load(tanh_c), s.load(c_before), s.load(dh));
            let d_tanh_c = s.mul(dh, o);
            let slope = s.sub(one, s.mul(tanh_c, tanh_c));
            let dc = s.mul_add(d_tanh_c, slope, s.load(dc_to));
            let di = through_sigmoid(s, s.mul(dc, g), i);
            let df = through_sigmoid(s, s.mul(dc, c_before), f);
            let dg = s.mul(s.mul(dc, i), s.sub(one, s.mul(g, g)));
            let d_o = through_sigmoid(s, s.mul(dh, tanh_c), o);
            for (gate, gradient) in [di, df, dg, d_o].into_iter().enumerate() {
                s.store(gradient, &mut gates[gate]);
            }
            s.store(s.mul(dc, f), dc_to);
        }
    }
}

/// A gradient before a sigmoid, from that after it and what it gave.
#[inline(always)]
fn through_sigmoid<S: Simd>(s: S, gradient: S::F, y: S::F) -> S::F {
    s.mul(gradient, s.mul(y, s.sub(s.splat(1.0), y)))
}

/// The recurrent part of one step backward: adds to the gradient of h before the step what comes through
/// the gates.
#[derive(Debug)]
pub(crate) struct BackwardRecurrent<'a> {
    /// W, padded.
    pub(crate) width: usize,
    /// Recurrent weights transposed: panels of 16 units, 4W deep; the last may be half empty.
    pub(crate) panels: &'a [f32],
    /// [rows, 4W]: gradients of the gates.
    pub(crate) gates: &'a [f32],
    /// [rows, W]: added to.
    pub(crate) dh_before: &'a mut [f32],
}

impl Kernel for BackwardRecurrent<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let rows = self.gates.len() / (GATES * self.width);
        let panels = self
            .panels
            .chunks_exact(GATES * self.width * BACKWARD_COLUMNS);
        for (index, panel) in panels.enumerate() {
            let column = index * BACKWARD_COLUMNS;
            let mut row = 0;
            while row + 4 <= rows {
                self.tile::<S, 4>(s, column, panel, row);
                row += 4;
            }
            if row + 2 <= rows {
                self.tile::<S, 2>(s, column, panel, row);
                row += 2;
            }
            if row < rows {
                self.tile::<S, 1>(s, column, panel, row);
            }
        }
    }
}

impl BackwardRecurrent<'_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize>(&mut self, s: S, column: usize, panel: &[f32], row: usize) {
        let deep = GATES * self.width;
        let mut sums = [[s.splat(0.0); 2]; MR];
        let mut gates = [self.gates; MR];
        for (r, gates) in gates.iter_mut().enumerate() {
            *gates = &self.gates[(row + r) * deep..][..deep];
        }
        accumulate(s, gates, panel, &mut sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let to = &mut self.dh_before[(row + r) * self.width..][..self.width];
            for (to, sum) in to[column..].as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
                s.store(s.add(sum, s.load(to)), to);
            }
        }
    }
}
