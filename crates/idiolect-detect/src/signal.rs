//! Quantities of a stream that are made of its surprises, and of the set of its calls.
//!
//! Where a detector says something else of each call than its surprise, the signals are made of that: see
//! [`Measure`].

use serde::{Deserialize, Serialize};

use crate::Measure;
use crate::novelty::Distances;

/// One named quantity of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// Mean surprise, in nats a call (the score of Kim et al. 2016).
    Mean,
    /// A high quantile of the surprises, in nats.
    Quantile,
    /// The largest mean over a window of consecutive calls, in nats a call. Padding an attack with
    /// harmless calls does not dilute it.
    Window,
    /// The largest cumulative sum of surprise beyond what is usual, in nats (Page 1954).
    Cusum,
    /// The largest of mean, window and cusum, each measured in the spread it has over normal streams.
    Combined,
    /// Jaccard distance of the set of calls to the k-th nearest training stream's, from 0 to 1: the mix of
    /// calls, whatever their order.
    Novelty,
    /// The fewest of its calls that any one training stream lacks. It only grows while a stream goes on.
    Lacking,
    /// Mean surprise and novelty together: the sum of ln(1 + value / usual value).
    Sum,
    /// Mean, over the distinct 3-grams of the stream, of the mean surprise at their occurrences, in nats: what
    /// is said often counts once.
    Distinct,
}

impl SignalKind {
    /// All of them.
    pub const ALL: [SignalKind; 9] = [
        SignalKind::Mean,
        SignalKind::Quantile,
        SignalKind::Window,
        SignalKind::Cusum,
        SignalKind::Combined,
        SignalKind::Novelty,
        SignalKind::Lacking,
        SignalKind::Sum,
        SignalKind::Distinct,
    ];

    /// The signals that [`SignalKind::Combined`] is the largest of.
    pub const COMBINED_OF: [SignalKind; 3] =
        [SignalKind::Mean, SignalKind::Window, SignalKind::Cusum];

    /// The signals that [`SignalKind::Sum`] is made of.
    const SUM_OF: [SignalKind; 2] = [SignalKind::Mean, SignalKind::Novelty];

    /// The name used in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            SignalKind::Mean => "mean",
            SignalKind::Quantile => "quantile",
            SignalKind::Window => "window",
            SignalKind::Cusum => "cusum",
            SignalKind::Combined => "combined",
            SignalKind::Novelty => "novelty",
            SignalKind::Lacking => "lacking",
            SignalKind::Sum => "sum",
            SignalKind::Distinct => "distinct",
        }
    }

    /// Whether it is of the set of calls, or of distinct 3-grams: profiles from before format 4 have none such.
    pub fn is_of_format_4(self) -> bool {
        matches!(
            self,
            SignalKind::Novelty | SignalKind::Lacking | SignalKind::Sum | SignalKind::Distinct
        )
    }

    /// What it is measured in where a detector says this of each call.
    pub fn unit(self, of: Measure) -> &'static str {
        match self {
            SignalKind::Mean | SignalKind::Window | SignalKind::Distinct => of.unit_of_mean(),
            SignalKind::Quantile | SignalKind::Cusum => of.unit(),
            SignalKind::Combined => "spreads",
            SignalKind::Novelty => "of the mix is new",
            SignalKind::Lacking => "calls",
            SignalKind::Sum => "times the usual, as a logarithm",
        }
    }
}

/// The values of a stream's signals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// See [`SignalKind::Mean`].
    pub mean: f32,
    /// See [`SignalKind::Quantile`].
    pub quantile: f32,
    /// See [`SignalKind::Window`].
    pub window: f32,
    /// See [`SignalKind::Cusum`].
    pub cusum: f32,
    /// See [`SignalKind::Combined`].
    pub combined: f32,
    /// See [`SignalKind::Novelty`]; none by a profile from before format 4, or where it is not kept
    /// ([`Judge`](crate::Judge)), as of the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novelty: Option<f32>,
    /// See [`SignalKind::Lacking`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<f32>,
    /// See [`SignalKind::Sum`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<f32>,
    /// See [`SignalKind::Distinct`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<f32>,
}

impl Signals {
    /// The value of one; 0 of one that there is none of.
    pub fn get(&self, kind: SignalKind) -> f32 {
        match kind {
            SignalKind::Mean => self.mean,
            SignalKind::Quantile => self.quantile,
            SignalKind::Window => self.window,
            SignalKind::Cusum => self.cusum,
            SignalKind::Combined => self.combined,
            SignalKind::Novelty => self.novelty.unwrap_or_default(),
            SignalKind::Lacking => self.lacking.unwrap_or_default(),
            SignalKind::Sum => self.sum.unwrap_or_default(),
            SignalKind::Distinct => self.distinct.unwrap_or_default(),
        }
    }
}

/// How surprises become signals. The numbers come from normal streams that did not train the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalSettings {
    /// Calls in a window.
    pub window: usize,
    /// Which quantile of the surprises, between 0 and 1.
    pub quantile: f32,
    /// The surprise above which the cumulative sum grows, in nats.
    pub cusum_reference: f32,
    /// For each of [`SignalKind::COMBINED_OF`]: its median over normal streams and its spread, the
    /// distance from the median to the 90th percentile.
    pub spread: [(f32, f32); 3],
    /// Medians over normal streams, copies counted once, of mean and novelty.
    #[serde(default)]
    pub usual: [f32; 2],
}

impl SignalSettings {
    /// Calls in a window: as many as the windows of the original script.
    pub const WINDOW: usize = 20;
    /// The quantile that [`SignalKind::Quantile`] is.
    pub const QUANTILE: f32 = 0.95;
    /// The narrowest spread that is believed, in nats: a signal that hardly varies over a handful of
    /// streams must not make every later stream a thousand spreads away.
    const MIN_SPREAD: f32 = 0.05;
    /// What is added to the usual values, in their units, before a value is divided by one: far below what sets
    /// normal and odd apart, and enough that 0 is none to divide by.
    const FLOORS: [f32; 2] = [0.001, 0.05];

    /// The settings before anything is known of normal streams, with the given usual surprise of a call
    /// (mean and standard deviation, in nats). The cumulative sum grows above the mean plus half a
    /// standard deviation, Page's choice for detecting a shift of one standard deviation.
    pub fn new(mean: f32, deviation: f32) -> Self {
        SignalSettings {
            window: Self::WINDOW,
            quantile: Self::QUANTILE,
            cusum_reference: mean + 0.5 * deviation,
            spread: [(0.0, 1.0); 3],
            usual: [0.0; 2],
        }
    }

    /// Learns what is usual, from the signals of different normal streams.
    pub(crate) fn learn_usual(&mut self, normal: &[Signals]) {
        for (usual, kind) in self.usual.iter_mut().zip(SignalKind::SUM_OF) {
            let mut values: Vec<f32> = normal.iter().map(|signals| signals.get(kind)).collect();
            values.sort_by(f32::total_cmp);
            *usual = quantile(&values, 0.5).unwrap_or(0.0);
        }
    }

    /// Adds the signals that a set of calls makes.
    pub(crate) fn complete(&self, signals: &mut Signals, found: Distances) {
        let times_usual =
            |place: usize, value: f32| (value / (self.usual[place] + Self::FLOORS[place])).ln_1p();
        let novelty = times_usual(1, found.kth);
        signals.novelty = Some(found.kth);
        signals.lacking = Some(found.lacking as f32);
        signals.sum = Some(times_usual(0, signals.mean) + novelty);
    }

    /// Learns the spread of each signal over normal streams.
    pub fn learn_spread(&mut self, normal: &[Signals]) {
        for (place, kind) in SignalKind::COMBINED_OF.into_iter().enumerate() {
            let mut values: Vec<f32> = normal.iter().map(|signals| signals.get(kind)).collect();
            values.sort_by(f32::total_cmp);
            if let (Some(median), Some(high)) = (quantile(&values, 0.5), quantile(&values, 0.9)) {
                self.spread[place] = (median, (high - median).max(Self::MIN_SPREAD));
            }
        }
    }

    /// The largest of a stream's signals in spreads.
    fn combine(&self, values: [f32; 3]) -> f32 {
        let in_spreads = values
            .into_iter()
            .zip(self.spread)
            .map(|(value, (median, spread))| (value - median) / spread);
        in_spreads.fold(f32::NEG_INFINITY, f32::max)
    }
}

/// The value below which this share of the sorted values lies, interpolated.
pub(crate) fn quantile(sorted: &[f32], share: f32) -> Option<f32> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f32;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let part = place - place.floor();
    Some(sorted[low] + (sorted[high] - sorted[low]) * part)
}

/// Keeps the signals of one stream, one surprise at a time, in constant memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tracker {
    calls: u64,
    sum: f64,
    /// As many bins as the greatest surprise so far needs.
    histogram: Vec<u32>,
    window: Vec<f32>,
    window_next: usize,
    window_max: Option<f32>,
    cusum: f32,
    cusum_max: f32,
}

/// Width of a bin of the histogram that quantiles are read from, in nats.
const BIN_NATS: f32 = 0.125;
/// Number of bins: up to 24 nats, then all in the last. Probabilities below e^-24 differ in nothing.
const BINS: usize = 192;
/// What a gap leaves of the cumulative sum: kept, so that losing events on purpose wipes no slate.
const CUSUM_KEPT_BY_GAP: f32 = 0.5;

impl Default for Tracker {
    fn default() -> Self {
        Tracker {
            calls: 0,
            sum: 0.0,
            histogram: Vec::new(),
            window: Vec::new(),
            window_next: 0,
            window_max: None,
            cusum: 0.0,
            cusum_max: 0.0,
        }
    }
}

impl Tracker {
    /// Takes the surprise of the next call, in nats.
    pub fn observe(&mut self, surprise: f32, settings: &SignalSettings) {
        self.calls += 1;
        self.sum += f64::from(surprise);
        let bin = ((surprise / BIN_NATS) as usize).min(BINS - 1);
        if bin >= self.histogram.len() {
            self.histogram.reserve_exact(bin + 1 - self.histogram.len());
            self.histogram.resize(bin + 1, 0);
        }
        self.histogram[bin] = self.histogram[bin].saturating_add(1);
        self.cusum = (self.cusum + surprise - settings.cusum_reference).max(0.0);
        self.cusum_max = self.cusum_max.max(self.cusum);

        if self.window.len() < settings.window {
            self.window
                .reserve_exact(settings.window - self.window.len());
            self.window.push(surprise);
        } else {
            self.window[self.window_next] = surprise;
            self.window_next = (self.window_next + 1) % settings.window;
        }
        if self.window.len() == settings.window {
            let mean = self.window.iter().sum::<f32>() / settings.window as f32;
            self.window_max = Some(self.window_max.map_or(mean, |max| max.max(mean)));
        }
    }

    /// Calls are missing here: windows do not reach over it, and the cumulative sum is halved, not lost.
    pub fn gap(&mut self) {
        self.window.clear();
        self.window_next = 0;
        self.cusum *= CUSUM_KEPT_BY_GAP;
    }

    /// A signal that never falls while a stream goes on, as far as it has come: the largest of a whole window, or
    /// the largest cumulative sum. None of the others, and none before there was a whole window.
    pub(crate) fn running(&self, kind: SignalKind) -> Option<f32> {
        match kind {
            SignalKind::Window => self.window_max,
            SignalKind::Cusum => Some(self.cusum_max),
            _ => None,
        }
    }

    /// Calls observed.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The signals so far; `None` before the first call.
    ///
    /// A stream without one whole window has its mean as its largest windowed mean.
    pub fn signals(&self, settings: &SignalSettings) -> Option<Signals> {
        if self.calls == 0 {
            return None;
        }
        let mean = (self.sum / self.calls as f64) as f32;
        let window = self.window_max.unwrap_or(mean);
        Some(Signals {
            mean,
            quantile: self.histogram_quantile(settings.quantile),
            window,
            cusum: self.cusum_max,
            combined: settings.combine([mean, window, self.cusum_max]),
            novelty: None,
            lacking: None,
            sum: None,
            distinct: None,
        })
    }

    /// The quantile by linear interpolation within its bin.
    fn histogram_quantile(&self, share: f32) -> f32 {
        let wanted = share * self.calls as f32;
        let mut below = 0.0;
        for (bin, &count) in self.histogram.iter().enumerate() {
            let count = count as f32;
            if count > 0.0 && below + count >= wanted {
                return (bin as f32 + ((wanted - below) / count).clamp(0.0, 1.0)) * BIN_NATS;
            }
            below += count;
        }
        self.histogram.len() as f32 * BIN_NATS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn track(surprises: &[f32], settings: &SignalSettings) -> Signals {
        let mut tracker = Tracker::default();
        for &surprise in surprises {
            tracker.observe(surprise, settings);
        }
        tracker.signals(settings).unwrap()
    }

    #[test]
    fn nothing_observed_has_no_signals() {
        assert_eq!(
            Tracker::default().signals(&SignalSettings::new(1.0, 1.0)),
            None
        );
    }

    #[test]
    fn padding_dilutes_the_mean_and_nothing_else() {
        let settings = SignalSettings::new(0.2, 0.2);
        let attack = vec![5.0; 30];
        let mut padded = attack.clone();
        padded.extend(vec![0.1; 3_000]);
        let (short, long) = (track(&attack, &settings), track(&padded, &settings));
        assert!(long.mean < 0.2 && short.mean == 5.0);
        assert_eq!(short.window, long.window);
        assert_eq!(short.cusum, long.cusum);
        assert!((short.cusum - 30.0 * (5.0 - 0.3)).abs() < 1e-3);
    }

    #[test]
    fn a_gap_breaks_windows_and_halves_the_sum() {
        let settings = SignalSettings::new(0.0, 0.0);
        let mut tracker = Tracker::default();
        for _ in 0..SignalSettings::WINDOW - 1 {
            tracker.observe(1.0, &settings);
        }
        tracker.gap();
        tracker.observe(1.0, &settings);
        assert_eq!(tracker.window_max, None);
        let before = (SignalSettings::WINDOW - 1) as f32;
        assert_eq!(tracker.cusum, before / 2.0 + 1.0);
    }

    #[test]
    fn spreads_come_from_normal_streams() {
        let mut settings = SignalSettings::new(1.0, 1.0);
        let normal: Vec<Signals> = (0..=100)
            .map(|i| track(&[i as f32 / 100.0; 40], &settings))
            .collect();
        settings.learn_spread(&normal);
        let (median, spread) = settings.spread[0];
        assert!((median - 0.5).abs() < 1e-6 && (spread - 0.4).abs() < 1e-6);
        let odd = track(&[2.5; 40], &settings);
        assert!(odd.combined >= (2.5 - 0.5) / 0.4 - 1e-3);
    }

    proptest! {
        #[test]
        fn signals_agree_with_a_plain_count(surprises in prop::collection::vec(0.0f32..20.0, 1..400)) {
            let settings = SignalSettings::new(1.0, 2.0);
            let signals = track(&surprises, &settings);
            let mean = surprises.iter().sum::<f32>() / surprises.len() as f32;
            prop_assert!((signals.mean - mean).abs() < 1e-3);

            let windows = surprises.windows(settings.window);
            let largest = windows
                .map(|window| window.iter().sum::<f32>() / settings.window as f32)
                .reduce(f32::max)
                .unwrap_or(mean);
            prop_assert!((signals.window - largest).abs() < 1e-3);

            let mut sorted = surprises.clone();
            sorted.sort_by(f32::total_cmp);
            let below = sorted.iter().filter(|&&s| s <= signals.quantile + BIN_NATS).count();
            prop_assert!(below as f32 >= settings.quantile * sorted.len() as f32 - 1.0);
            let above = sorted.iter().filter(|&&s| s >= signals.quantile - BIN_NATS).count();
            prop_assert!(above as f32 >= (1.0 - settings.quantile) * sorted.len() as f32 - 1.0);
        }
    }
}
