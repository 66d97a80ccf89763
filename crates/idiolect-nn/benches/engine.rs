//! Times the engine on made-up calls: the counterpart of `parity/engine_speed.py`, whose works have the
//! same names and shapes. Prints `NAME UNITS SECONDS` for each work, and behind it the share of this
//! machine's own product of large matrices, timed in the same run, that its arithmetic comes to.
//!
//! `cargo bench -p idiolect-nn [-- NAME...]`
//!
//! `train-seed` is the original's window network, one epoch of 19,283 windows; `train-1x200` and
//! `train-2x400` language models on chunks of 100 calls, 32 streams side by side: on all processors. `one-`
//! follows one stream a call at a time, `many-` 64 streams in step, `windows-seed` scores windows of 19 calls
//! that share nothing: on one. `-reduced` does so with weights of 16 bits, and `-avx2` with AVX2 where the
//! machine has something faster too.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use idiolect_nn::{
    Architecture, Corpus, Dropout, Form, IGNORE, Init, Instructions, Optimiser, Rng, Schedule,
    Scorer, State, TrainConfig, Trainer, Weights,
};

/// Calls that the original counts on, calls of its windows without the one to be predicted, and windows
/// that it trains on.
const SEED: (usize, usize, usize) = (341, 19, 19_283);
/// Calls of the language models' vocabulary, as in ADFA-LD.
const VOCAB: usize = 180;
/// Streams in step.
const STREAMS: usize = 64;
/// Seconds that a work goes on for at least.
const LEAST: f64 = 1.0;

/// One long stream, cut at each call.
struct Cut(Vec<u32>);

impl Corpus for Cut {
    fn len(&self) -> usize {
        self.0.len() - SEED.1
    }

    fn size_hint(&self, _: usize) -> usize {
        1
    }

    fn sequence(&self, index: usize, _: &mut Rng, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        inputs.extend_from_slice(&self.0[index..][..SEED.1]);
        targets.resize(SEED.1 - 1, IGNORE);
        targets.push(self.0[index + SEED.1]);
    }
}

fn calls(count: usize, vocab: usize) -> Vec<u32> {
    let mut rng = Rng::new(1);
    (0..count).map(|_| rng.below(vocab) as u32).collect()
}

fn network(name: &str) -> Architecture {
    let (vocab, embedding, hidden) = match name {
        "seed" => (SEED.0, None, vec![64, 256, 100]),
        "1x64" => (VOCAB, Some(64), vec![64]),
        "1x200" => (VOCAB, Some(200), vec![200]),
        _ => (VOCAB, Some(400), vec![400, 400]),
    };
    Architecture {
        vocab,
        embedding,
        hidden,
    }
}

/// Trains for one epoch; gives the windows or calls of it.
fn train(name: &str) -> Result<(usize, f64), Box<dyn Error>> {
    let mut config = TrainConfig {
        epochs: 1,
        schedule: Schedule::Constant,
        dropout: Dropout {
            embedding: 0.0,
            between: 0.2,
            output: 0.2,
        },
        ..TrainConfig::default()
    };
    let (count, corpus): (usize, Box<dyn Corpus>) = if name == "seed" {
        config.batch = 50;
        config.bptt = SEED.1;
        config.optimiser = Optimiser::rms_prop(1e-3);
        config.clip_norm = None;
        (SEED.2, Box::new(Cut(calls(SEED.2 + SEED.1, SEED.0))))
    } else {
        config.batch = 32;
        config.bptt = 100;
        config.optimiser = Optimiser::adam(1e-3);
        let (streams, len) = if name == "1x200" {
            (96, 1_000)
        } else {
            (32, 1_000)
        };
        let stream = calls(len + 1, VOCAB);
        (streams * len, Box::new(vec![stream; streams]))
    };
    let weights = Weights::init_with(&network(name), Init::Keras, 1)?;
    let mut trainer = Trainer::new(&weights, config, 0)?;
    let start = Instant::now();
    trainer.epoch(&*corpus, None, &mut |_| ControlFlow::Continue(()))?;
    Ok((count, start.elapsed().as_secs_f64()))
}

/// Repeats some work, which says how many units it did, for long enough.
fn repeat(mut work: impl FnMut() -> usize) -> (usize, f64) {
    work();
    let start = Instant::now();
    let mut units = 0;
    loop {
        units += work();
        let seconds = start.elapsed().as_secs_f64();
        if seconds >= LEAST {
            return (units, seconds);
        }
    }
}

fn one(scorer: &Scorer) -> (usize, f64) {
    let calls = calls(2_000, VOCAB);
    repeat(|| {
        let mut state = scorer.state();
        for pair in calls.windows(2) {
            scorer.advance(&mut state, pair[0]);
            std::hint::black_box(scorer.log_prob(&state, pair[1]));
        }
        calls.len() - 1
    })
}

fn many(scorer: &Scorer) -> (usize, f64) {
    let calls = calls(200 + STREAMS, VOCAB);
    repeat(|| {
        let mut states: Vec<State> = (0..STREAMS).map(|_| scorer.state()).collect();
        let mut states: Vec<&mut State> = states.iter_mut().collect();
        let mut log_probs = [0.0; STREAMS];
        for place in 0..200 {
            let tokens = &calls[place..place + STREAMS];
            scorer.log_prob_many(&states, tokens, &mut log_probs);
            scorer.advance_many(&mut states, tokens);
            std::hint::black_box(&log_probs);
        }
        200 * STREAMS
    })
}

fn windows(scorer: &Scorer) -> (usize, f64) {
    let calls = calls(512 * (SEED.1 + 1), SEED.0);
    let cut: Vec<&[u32]> = calls.chunks_exact(SEED.1 + 1).collect();
    repeat(|| {
        std::hint::black_box(scorer.log_prob_of_last(&cut));
        cut.len()
    })
}

/// Floating point operations a second of a product of large matrices, on so many threads.
fn peak(threads: usize) -> f64 {
    const SIDE: usize = 768;
    let one = || {
        let (a, b) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE]);
        let mut c = vec![0f32; SIDE * SIDE];
        let (side, row) = (SIDE, SIDE as isize);
        let (products, seconds) = repeat(|| {
            // SAFETY: the three matrices are square, row-major, and as large as their strides say.
            unsafe {
                matrixmultiply::sgemm(
                    side,
                    side,
                    side,
                    1.0,
                    a.as_ptr(),
                    row,
                    1,
                    b.as_ptr(),
                    row,
                    1,
                    0.0,
                    c.as_mut_ptr(),
                    row,
                    1,
                );
            }
            std::hint::black_box(&c);
            1
        });
        products as f64 * 2.0 * (SIDE as f64).powi(3) / seconds
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().ok())
            .sum()
    })
}

/// Floating point operations of a unit: two for each weight that it goes through, looked up ones left out;
/// three times as many to train.
fn operations(kind: &str, shape: &str) -> f64 {
    let network = network(shape);
    let mut below = 0;
    let mut weights = 0;
    for &width in &network.hidden {
        weights += 4 * width * (width + below);
        below = width;
    }
    let steps = if shape == "seed" { SEED.1 } else { 1 };
    let passes = if kind == "train" { 3 } else { 1 };
    (2 * passes * (steps * weights + below * network.vocab)) as f64
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    const ALL: [&str; 21] = [
        "train-seed",
        "train-1x200",
        "train-2x400",
        "one-1x64",
        "one-1x200",
        "one-2x400",
        "many-1x64",
        "many-1x200",
        "many-2x400",
        "windows-seed",
        "one-1x64-reduced",
        "one-1x200-reduced",
        "one-2x400-reduced",
        "many-1x64-reduced",
        "many-1x200-reduced",
        "many-2x400-reduced",
        "windows-seed-reduced",
        "one-1x200-avx2",
        "many-1x200-avx2",
        "one-1x200-reduced-avx2",
        "many-1x200-reduced-avx2",
    ];
    // Cargo adds a flag of its own.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let threads = std::thread::available_parallelism()?.get();
    let peaks = (peak(1), peak(threads));
    for name in ALL {
        if !asked.is_empty() && !asked.iter().any(|asked| asked == name) {
            continue;
        }
        let mut parts = name.split('-');
        let (kind, shape) = parts
            .next()
            .zip(parts.next())
            .ok_or("a name has two parts")?;
        let (units, seconds) = if kind == "train" {
            train(shape)?
        } else {
            let form = match parts.next() {
                Some("reduced") => Form::Reduced,
                _ => Form::Full,
            };
            let weights = Weights::init(&network(shape), 1)?;
            let scorer = if name.ends_with("-avx2") {
                Scorer::with_instructions(&weights, form, Instructions::Avx2)
            } else {
                Some(Scorer::in_form(&weights, form))
            };
            let Some(scorer) = scorer else {
                continue;
            };
            match kind {
                "one" => one(&scorer),
                "many" => many(&scorer),
                _ => windows(&scorer),
            }
        };
        let peak = if kind == "train" { peaks.1 } else { peaks.0 };
        let share = operations(kind, shape) * units as f64 / seconds / peak;
        println!("{name} {units} {seconds:.4} {share:.2}");
    }
    Ok(())
}
