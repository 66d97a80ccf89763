//! The LSTM cell (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), forward and
//! backward, with the recurrent product and the gates' arithmetic fused.
//!
//! The four gates of a layer of width W (padded to whole vectors) lie interleaved in blocks of eight
//! units: 8 input gates, 8 forget gates, 8 cell candidates, 8 output gates, then the next eight units.
//! One panel of 32 columns is then all there is to know of eight units, and what the product leaves in
//! registers is at once turned into c and h. See [`gate_position`].

use super::math::{sigmoid, tanh};
use super::panel::{Tiled, accumulate, tiles};
use super::{Kernel, LANES, Simd, Vector, WIDE, Wide, vector, vector_mut};

/// Gates of a cell.
pub(crate) const GATES: usize = 4;
/// Numbers in a block of interleaved gates.
pub(crate) const BLOCK: usize = GATES * LANES;
/// Columns in a panel of [`BackwardRecurrent`].
pub(crate) const BACKWARD_COLUMNS: usize = WIDE;

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
fn activate<V: Vector>(v: V, sums: [V::F; GATES], c_before: V::F) -> Activated<V::F> {
    let i = sigmoid(v, sums[0]);
    let f = sigmoid(v, sums[1]);
    let g = tanh(v, sums[2]);
    let o = sigmoid(v, sums[3]);
    let c = v.mul_add(f, c_before, v.mul(i, g));
    let tanh_c = tanh(v, c);
    Activated {
        gates: [i, f, g, o],
        c,
        tanh_c,
        h: v.mul(o, tanh_c),
    }
}

/// What the sums of some blocks become.
pub(crate) trait Cells<S: Simd> {
    /// c of the n-th block before.
    fn before(&self, s: S, n: usize) -> S::F;
    /// Keeps what the n-th block has become.
    fn keep(&mut self, s: S, n: usize, out: Activated<S::F>);
}

/// Turns the sums of blocks, 32 gates each, into their cells: two blocks at a time, where there may be two.
#[inline(always)]
pub(crate) fn finish<S: Simd>(s: S, sums: &[[Wide<S>; 2]], cells: &mut impl Cells<S>) {
    let mut n = 0;
    if S::ROWS > 1 {
        for [a, b] in sums.as_chunks::<2>().0 {
            finish_two(s, a, b, n, cells);
            n += 2;
        }
    }
    for a in &sums[n..] {
        let ([i, f], [g, o]) = (s.halves(a[0]), s.halves(a[1]));
        let out = activate(s, [i, f, g, o], cells.before(s, n));
        cells.keep(s, n, out);
        n += 1;
    }
}

/// The same for the n-th block and the next.
#[inline(always)]
fn finish_two<S: Simd>(
    s: S,
    a: &[Wide<S>; 2],
    b: &[Wide<S>; 2],
    n: usize,
    cells: &mut impl Cells<S>,
) {
    let ([i, f], [g, o]) = (s.deal(a[0], b[0]), s.deal(a[1], b[1]));
    let before = s.join(cells.before(s, n), cells.before(s, n + 1));
    let out = activate(s.wide(), [i, f, g, o], before);
    let mut gates = [[s.splat(0.0); GATES]; 2];
    for (gate, value) in out.gates.into_iter().enumerate() {
        [gates[0][gate], gates[1][gate]] = s.halves(value);
    }
    let (c, tanh_c, h) = (s.halves(out.c), s.halves(out.tanh_c), s.halves(out.h));
    for (half, gates) in gates.into_iter().enumerate() {
        let out = Activated {
            gates,
            c: c[half],
            tanh_c: tanh_c[half],
            h: h[half],
        };
        cells.keep(s, n + half, out);
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
    fn run<S: Simd>(self, s: S) {
        let rows = self.h.len() / self.width;
        let panels = self.panels.chunks_exact(self.width * BLOCK);
        let mut step = self;
        for (block, panel) in panels.enumerate() {
            let step = &mut step;
            tiles(s, rows, &mut ForwardBlock { step, block, panel });
        }
    }
}

/// One block of all rows.
struct ForwardBlock<'a, 'b> {
    step: &'a mut Forward<'b>,
    block: usize,
    panel: &'a [f32],
}

impl<S: Simd> Tiled<S> for ForwardBlock<'_, '_> {
    const MOST: usize = S::ROWS;

    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        let (step, v) = (&*self.step, s.wide());
        let (width, at) = (step.width, self.block * BLOCK);
        let mut sums = [[[v.splat(0.0); 2]; 1]; MR];
        for (r, [sums]) in sums.iter_mut().enumerate() {
            let row = row + r;
            let input = match step.table {
                Some((table, tokens)) => &table[tokens[row] as usize * GATES * width..],
                None => &step.gates[row * GATES * width..],
            };
            for (j, sum) in sums.iter_mut().enumerate() {
                let at = at + j * WIDE;
                *sum = v.add(v.load(vector(input, at)), v.load(vector(step.bias, at)));
            }
        }
        let mut h_before = [step.h_before; MR];
        for (r, h_before) in h_before.iter_mut().enumerate() {
            *h_before = &step.h_before[(row + r) * width..][..width];
        }
        accumulate(s, h_before, [self.panel], &mut sums);
        let mut cells = ForwardCells {
            step: &mut *self.step,
            block: self.block,
            row,
        };
        finish(s, sums.as_flattened(), &mut cells);
    }
}

/// One block of some rows.
struct ForwardCells<'a, 'b> {
    step: &'a mut Forward<'b>,
    block: usize,
    row: usize,
}

impl ForwardCells<'_, '_> {
    #[inline(always)]
    fn unit(&self, n: usize) -> usize {
        (self.row + n) * self.step.width + self.block * LANES
    }
}

impl<S: Simd> Cells<S> for ForwardCells<'_, '_> {
    #[inline(always)]
    fn before(&self, s: S, n: usize) -> S::F {
        s.load(vector(self.step.c_before, self.unit(n)))
    }

    #[inline(always)]
    fn keep(&mut self, s: S, n: usize, out: Activated<S::F>) {
        let unit = self.unit(n);
        let step = &mut *self.step;
        for (gate, value) in out.gates.into_iter().enumerate() {
            let at = GATES * unit + gate * LANES;
            s.store(value, vector_mut(step.gates, at));
        }
        s.store(out.c, vector_mut(step.c, unit));
        s.store(out.tanh_c, vector_mut(step.tanh_c, unit));
        s.store(out.h, vector_mut(step.h, unit));
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
    fn run<S: Simd>(self, s: S) {
        let rows = self.gates.len() / (GATES * self.width);
        let len = GATES * self.width * BACKWARD_COLUMNS;
        let mut step = self;
        // Panels by twos, so that there are sums enough to keep the arithmetic units busy.
        for (index, panels) in step.panels.chunks(2 * len).enumerate() {
            let (step, column) = (&mut step, index * 2 * BACKWARD_COLUMNS);
            if panels.len() > len {
                let (a, b) = panels.split_at(len);
                let panels = [a, b];
                let mut columns = BackwardColumns {
                    step,
                    column,
                    panels,
                };
                tiles(s, rows, &mut columns);
            } else {
                let panels = [panels];
                let mut columns = BackwardColumns {
                    step,
                    column,
                    panels,
                };
                tiles(s, rows, &mut columns);
            }
        }
    }
}

/// NP panels of all rows.
struct BackwardColumns<'a, 'b, const NP: usize> {
    step: &'a mut BackwardRecurrent<'b>,
    /// The first of their units.
    column: usize,
    panels: [&'a [f32]; NP],
}

impl<S: Simd, const NP: usize> Tiled<S> for BackwardColumns<'_, '_, NP> {
    const MOST: usize = S::ROWS;

    #[inline(always)]
    fn tile<const MR: usize>(&mut self, s: S, row: usize) {
        let step = &mut *self.step;
        let deep = GATES * step.width;
        let mut sums = [[[s.wide().splat(0.0); 1]; NP]; MR];
        let mut gates = [step.gates; MR];
        for (r, gates) in gates.iter_mut().enumerate() {
            *gates = &step.gates[(row + r) * deep..][..deep];
        }
        accumulate(s, gates, self.panels, &mut sums);
        for (r, sums) in sums.into_iter().enumerate() {
            let to = &mut step.dh_before[(row + r) * step.width..][..step.width];
            let (to, _) = to[self.column..].as_chunks_mut::<LANES>();
            for ([sum], to) in sums.into_iter().zip(to.chunks_mut(2)) {
                for (half, to) in s.halves(sum).into_iter().zip(to) {
                    s.store(s.add(half, s.load(to)), to);
                }
            }
        }
    }
}
