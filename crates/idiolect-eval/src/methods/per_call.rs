//! Detectors that take one call at a time, as methods.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use idiolect_detect::{Detector, DetectorState, Run, SignalSettings, Streams, Token, Vocabulary};

use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// A fitted detector with the vocabulary that it was fitted with.
#[derive(Debug)]
pub struct Built {
    /// The detector.
    pub detector: Box<dyn Detector>,
    /// Its tokens.
    pub vocabulary: Vocabulary,
    /// Bytes that it takes.
    pub bytes: u64,
}

/// Makes a detector of normal streams.
type Build = dyn Fn(&Job<'_>) -> Result<Built, String> + Send + Sync;

/// A method of any [`Detector`]: scored by mean surprise, by the mean over distinct 3-grams, by the largest mean
/// over a window, and while it goes on by the mean of the last 20 calls.
#[derive(Clone)]
pub struct PerCall {
    name: String,
    settings: String,
    is_seeded: bool,
    build: Arc<Build>,
}

impl PerCall {
    /// Of this name and settings (all that decides what comes of a fit, as text), fitted by this.
    pub fn new(
        name: impl Into<String>,
        settings: impl Into<String>,
        build: impl Fn(&Job<'_>) -> Result<Built, String> + Send + Sync + 'static,
    ) -> Self {
        PerCall {
            name: name.into(),
            settings: settings.into(),
            is_seeded: false,
            build: Arc::new(build),
        }
    }

    /// The same, whose fits depend on the job's seed.
    pub fn seeded(self) -> Self {
        PerCall {
            is_seeded: true,
            ..self
        }
    }
}

impl fmt::Debug for PerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCall")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What is read off the surprises of calls.
pub(super) const READOUTS: [Readout; 3] = [Readout::MEAN, Readout::DISTINCT, Readout::WINDOW];

impl Method for PerCall {
    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> String {
        self.settings.clone()
    }

    fn readouts(&self) -> &[Readout] {
        &READOUTS
    }

    fn is_seeded(&self) -> bool {
        self.is_seeded
    }

    fn fit(&self, job: &Job<'_>, _progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let built = (self.build)(job).map_err(MethodError::Unfit)?;
        Ok(Fitted {
            bytes: built.bytes,
            held_out: None,
            is_fresh: true,
            model: Box::new(built),
        })
    }
}

impl Model for Built {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        hear(
            self.detector.as_ref(),
            &self.vocabulary,
            streams,
            places,
            threads,
        )
    }
}

/// Streams that are followed at a time, so that memory for their states is bounded.
const AT_A_TIME: usize = 4_096;

/// The token of each symbol of some streams.
pub(super) fn token_of(streams: &Streams, vocabulary: &Vocabulary) -> Vec<Token> {
    let symbols = 0..streams.names().len() as u32;
    let token = symbols.map(|symbol| match symbol {
        Streams::GAP => Vocabulary::GAP,
        _ => vocabulary.token(streams.name(symbol)),
    });
    token.collect()
}

/// Scores streams by the surprise of their calls.
pub(super) fn hear(
    detector: &dyn Detector,
    vocabulary: &Vocabulary,
    streams: &Streams,
    places: &[usize],
    threads: usize,
) -> Vec<Score> {
    let token_of = token_of(streams, vocabulary);
    let some = |places: &[usize]| {
        let mut heard: Vec<(DetectorState, Vec<Token>)> = places
            .iter()
            .map(|&place| {
                let stream = streams.get(place);
                let tokens = stream
                    .symbols
                    .iter()
                    .map(|&symbol| token_of[symbol as usize]);
                (detector.begin(stream.start), tokens.collect())
            })
            .collect();
        let mut runs: Vec<Run<'_>> = heard
            .iter_mut()
            .map(|(state, tokens)| Run::new(state, tokens))
            .collect();
        detector.observe_runs(&mut runs, threads);
        let surprises: Vec<Vec<f32>> = runs.into_iter().map(|run| run.surprises).collect();
        let scored = places.iter().zip(surprises);
        scored
            .map(|(&place, surprises)| {
                of_surprises(&streams.get(place).symbols, &surprises, detector.silent())
            })
            .collect::<Vec<_>>()
    };
    places.chunks(AT_A_TIME).flat_map(some).collect()
}

/// The scores of a stream from the surprises of its symbols. A gap's own counts for nothing, nor do those of so
/// many calls at the beginning and after a gap, of which the detector says nothing; a window does not reach
/// over a gap.
pub(super) fn of_surprises(symbols: &[u32], surprises: &[f32], silent: usize) -> Score {
    const WINDOW: usize = SignalSettings::WINDOW;
    let (mut sum, mut calls) = (0.0, 0u32);
    let mut grams: HashMap<[u32; 3], (f64, u32)> = HashMap::new();
    // No symbol is the largest number: it stands before a stream's first call.
    let mut gram = [u32::MAX; 3];
    let (mut after_each, mut in_window, mut window_from) = (Vec::new(), 0.0, silent);
    let mut largest: Option<f64> = None;
    for (place, (&symbol, &surprise)) in symbols.iter().zip(surprises).enumerate() {
        gram = [gram[1], gram[2], symbol];
        if symbol == Streams::GAP {
            (in_window, window_from) = (0.0, place + 1 + silent);
        } else if place >= window_from {
            let surprise = f64::from(surprise);
            sum += surprise;
            calls += 1;
            let of_gram = grams.entry(gram).or_default();
            *of_gram = (of_gram.0 + surprise, of_gram.1 + 1);
            in_window += surprise;
            if place - window_from >= WINDOW {
                in_window -= f64::from(surprises[place - WINDOW]);
            }
            if place - window_from + 1 >= WINDOW {
                let mean = in_window.max(0.0) / WINDOW as f64;
                largest = Some(largest.map_or(mean, |largest| largest.max(mean)));
            }
        }
        // Always of a whole window, so that a stream's first calls are not judged by few numbers.
        after_each.push((in_window.max(0.0) / WINDOW as f64) as f32);
    }
    let mut means: Vec<f64> = grams
        .values()
        .map(|&(sum, times)| sum / f64::from(times))
        .collect();
    // The order of a map is random, and sums depend on it.
    means.sort_by(f64::total_cmp);
    let distinct = means.iter().sum::<f64>() / means.len().max(1) as f64;
    let mean = sum / f64::from(calls.max(1));
    let window = largest.unwrap_or(mean);
    Score {
        whole: vec![mean as f32, distinct as f32, window as f32],
        after_each: Some(after_each),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::scores;
    use idiolect_detect::LstmModel;
    use idiolect_nn::{Architecture, Weights};

    #[test]
    fn any_detector_is_a_method() {
        let method = PerCall::new("fresh", "a network of random weights", |job: &Job<'_>| {
            let vocabulary = job.vocabulary();
            let tokens = job.tokens(&vocabulary);
            assert_eq!(tokens[0].1, ["b", "a"].map(|call| vocabulary.token(call)));
            let architecture = Architecture {
                vocab: vocabulary.len(),
                embedding: Some(8),
                hidden: vec![8],
            };
            let weights = Weights::init(&architecture, 1).map_err(|error| error.to_string())?;
            Ok(Built {
                detector: Box::new(LstmModel::new(weights, 0.001)),
                vocabulary,
                bytes: 0,
            })
        });
        // A call that is not among the tokens has the surprise of its share: -ln 0.001.
        let got = scores(&method, &["b a", "a"], &["zzz", "a"], 1);
        assert!((got[0] - 6.907_755).abs() < 1e-4 && got[1] < 3.0, "{got:?}");
    }

    #[test]
    fn a_gram_counts_once_however_often_it_comes() {
        // Symbols 1 2 1 2 1 2: the grams ..1, .12, 121, 212, and the last two come twice.
        let score = of_surprises(&[1, 2, 1, 2, 1, 2], &[6.0, 5.0, 1.0, 2.0, 3.0, 4.0], 0);
        assert_eq!(score.whole, [3.5, (6.0 + 5.0 + 2.0 + 3.0) / 4.0, 3.5]);
    }

    #[test]
    fn a_window_has_twenty_calls_and_ends_at_a_gap() {
        let mut symbols = vec![1; 30];
        let surprises = vec![1.0; 30];
        let after = of_surprises(&symbols, &surprises, 0).after_each.unwrap();
        assert_eq!(
            (after[0], after[9], after[19], after[29]),
            (0.05, 0.5, 1.0, 1.0)
        );
        // The window ends with the call before; the largest is of its 20.
        let mut rising: Vec<f32> = (0..30).map(|i| i as f32).collect();
        rising[29] = 0.0;
        assert_eq!(of_surprises(&symbols, &rising, 0).whole[2], 18.5);
        symbols[25] = Streams::GAP;
        let score = of_surprises(&symbols, &surprises, 0);
        let after = score.after_each.unwrap();
        assert_eq!((after[24], after[25], after[29]), (1.0, 0.0, 0.2));
        assert_eq!(score.whole[0], 1.0);
        // Of three calls at each beginning nothing is said.
        let mut surprises = surprises;
        surprises[..3].fill(100.0);
        surprises[26..29].fill(100.0);
        let score = of_surprises(&symbols, &surprises, 3);
        assert_eq!(score.whole[0], 1.0);
        let after = score.after_each.unwrap();
        assert_eq!(
            (after[2], after[3], after[28], after[29]),
            (0.0, 0.05, 0.0, 0.05)
        );
    }
}
