//! Detectors behind one interface: fitted on streams, they score streams.
//!
//! A [`Method`] is fitted on normal streams alone and gives a [`Model`], which scores whole streams and,
//! where it can, also says its score after each call. A method may read several scores off one model
//! ([`Readout`]): a language model's mean surprise, and the mean over distinct 3-grams. What
//! combines the scores of several detectors is in [`combine`](crate::combine).
//!
//! A detector that takes one call at a time, behind [`idiolect_detect::Detector`], becomes a method by one
//! call of [`PerCall::new`].

mod bag;
mod both_ways;
mod coded;
mod counted;
mod forest;
mod index;
mod k_means;
mod language;
mod nearest;
mod novelty;
mod one_class;
mod per_call;

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use idiolect_detect::{Stream, Streams, Token, Vocabulary};
use idiolect_trace::StartKind;

pub use both_ways::BothWays;
pub use coded::coded;
pub use counted::counted;
pub use language::Language;
pub use per_call::{Built, PerCall};

use forest::IsolationForest;
use k_means::KMeans;
use nearest::Nearest;
use novelty::SetNovelty;
use one_class::OneClass;

/// A way to learn what is normal.
pub trait Method: Debug + Send + Sync {
    /// Its name: what is typed and what stands in tables.
    fn name(&self) -> &str;

    /// All that decides what comes of a fit besides the streams and the seed; a cached result is one of the
    /// same settings.
    fn settings(&self) -> String;

    /// The scores that it reads off a model, the usual one first.
    fn readouts(&self) -> &[Readout];

    /// Whether a seed changes the result.
    fn is_seeded(&self) -> bool;

    /// Fits it. Progress is told as a share from 0 to 1.
    ///
    /// # Errors
    /// [`MethodError`].
    fn fit(&self, job: &Job<'_>, progress: &mut Progress<'_>) -> Result<Fitted, MethodError>;
}

/// Is told how far a fit is, and may stop it.
pub type Progress<'a> = dyn FnMut(f64) -> ControlFlow<()> + 'a;

/// A score that is read off a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readout {
    /// Its name, after the method's and a slash; empty for the usual one.
    pub name: &'static str,
    /// What is added to its median before it is divided by it, in its own unit: far below what sets normal
    /// and odd apart, and enough that a median of 0 is none to divide by.
    pub floor: f64,
}

impl Readout {
    /// Mean surprise, in nats a call.
    pub const MEAN: Readout = Readout {
        name: "",
        floor: 0.001,
    };
    /// Mean over distinct 3-grams of the surprise at their occurrences, in nats.
    pub const DISTINCT: Readout = Readout {
        name: "distinct3",
        floor: 0.001,
    };
    /// Largest mean surprise over 20 consecutive calls, in nats a call; of a shorter stream its mean. Of windows that
    /// were never seen it is the locality frame of Hofmeyr, Forrest and Somayaji 1998.
    pub const WINDOW: Readout = Readout {
        name: "window",
        floor: 0.001,
    };
    /// A distance from 0 to 1.
    pub const DISTANCE: Readout = Readout {
        name: "",
        floor: 0.05,
    };
}

/// What to fit on.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Normal streams.
    pub streams: &'a Streams,
    /// The seed of everything random.
    pub seed: u64,
    /// Threads to use, 0 for as many as there are processors; the result does not depend on it.
    pub threads: usize,
    /// Where a long fit may leave files to go on from: the beginning of their paths, of which each fit has
    /// its own.
    pub scratch: Option<&'a Path>,
}

impl Job<'_> {
    /// The tokens of the streams' calls.
    pub fn vocabulary(&self) -> Vocabulary {
        let names = self.streams.names().iter().skip(Streams::GAP as usize + 1);
        Vocabulary::of_calls(names.map(String::as_str))
    }

    /// The streams as tokens, each with how it starts; gaps are [`Vocabulary::GAP`].
    pub fn tokens(&self, vocabulary: &Vocabulary) -> Vec<(StartKind, Vec<Token>)> {
        let token_of = per_call::token_of(self.streams, vocabulary);
        let of = |stream: &Stream| {
            let tokens = stream
                .symbols
                .iter()
                .map(|&symbol| token_of[symbol as usize]);
            (stream.start, tokens.collect())
        };
        self.streams.iter().map(of).collect()
    }
}

/// A fitted model and what came with it.
#[derive(Debug)]
pub struct Fitted {
    /// The model.
    pub model: Box<dyn Model>,
    /// Places, among the streams that it was given, of those that it held out and learned nothing from;
    /// none where it learned from all.
    pub held_out: Option<Vec<usize>>,
    /// Bytes that the model takes.
    pub bytes: u64,
    /// Whether all of the fit was done now, so that its time means something: not if it went on from what an
    /// earlier one left.
    pub is_fresh: bool,
}

/// Scores streams.
pub trait Model: Debug + Send + Sync {
    /// The scores of these streams, by their places, in their order and whatever the number of threads.
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score>;
}

/// The scores of a stream: higher is odder.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Of the whole stream, one of each readout.
    pub whole: Vec<f32>,
    /// After each of its calls, for an alarm that may be raised at any of them; gaps take a place too.
    pub after_each: Option<Vec<f32>>,
}

/// Why a method cannot be fitted.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// The observer stopped it; what it can go on from is saved.
    #[error("interrupted")]
    Interrupted,
    /// It cannot learn from these streams.
    #[error("{0}")]
    Unfit(String),
}

impl MethodError {
    /// Of the reason that another error gives.
    pub fn unfit(error: impl std::fmt::Display) -> Self {
        MethodError::Unfit(error.to_string())
    }
}

/// Runs something on so many threads, 0 for all processors.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) if threads > 0 => pool.install(work),
        // The usual pool has a thread for each processor, and is there even where no more can be had.
        _ => work(),
    }
}

/// The methods that judge a stream as a whole.
pub fn whole_stream() -> Vec<Arc<dyn Method>> {
    vec![
        Arc::new(SetNovelty),
        Arc::new(Nearest::new("bag-1", 1)),
        Arc::new(Nearest::new("bag-3", 3)),
        Arc::new(OneClass::new("svm-1", 1)),
        Arc::new(OneClass::new("svm-3", 3)),
        Arc::new(KMeans),
        Arc::new(IsolationForest),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Streams of these calls.
    pub(crate) fn streams(of: &[&str]) -> Streams {
        let mut streams = Streams::default();
        for calls in of {
            let symbols = calls.split(' ').map(|call| match call {
                "-" => Streams::GAP,
                call => streams.symbol(call),
            });
            let symbols = symbols.collect();
            streams.push(Stream {
                name: (*calls).to_owned(),
                start: StartKind::Exec,
                symbols,
                executable: None,
            });
        }
        streams
    }

    /// The usual scores of streams by a method that was fitted on others.
    pub(crate) fn scores(
        method: &dyn Method,
        train: &[&str],
        test: &[&str],
        seed: u64,
    ) -> Vec<f32> {
        let train = streams(train);
        let job = Job {
            streams: &train,
            seed,
            threads: 1,
            scratch: None,
        };
        let fitted = method
            .fit(&job, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let test = streams(test);
        let places: Vec<usize> = (0..test.len()).collect();
        let scores = fitted.model.score(&test, &places, 1);
        assert_eq!(scores, fitted.model.score(&test, &places, 2));
        scores.iter().map(|score| score.whole[0]).collect()
    }

    #[test]
    fn every_method_finds_what_is_nothing_like_training() {
        let normal: Vec<String> = (0..40)
            .map(|i| {
                format!("open read {} close", vec!["read"; i % 5].join(" ")).replace("  ", " ")
            })
            .collect();
        let normal: Vec<&str> = normal.iter().map(String::as_str).collect();
        for method in whole_stream() {
            let test = ["open read read close", "fork exec socket connect"];
            let got = scores(method.as_ref(), &normal, &test, 3);
            assert!(got[0] < got[1], "{}: {got:?}", method.name());
            assert_eq!(got, scores(method.as_ref(), &normal, &test, 3));
            assert!(!method.readouts().is_empty() && method.readouts()[0].name.is_empty());
        }
    }
}
