//! How to learn, as typed.

use clap::{Args, ValueEnum};
use idiolect_detect::split::Policy;
use idiolect_nn::{Objective, Optimiser};

use crate::args::ModelName;
use crate::preset::Preset;

/// How to learn.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Learning")]
pub(crate) struct Learning {
    /// What is learned: lstm, ngram, markov, ppm, hmm, stide, t-stide, frequency or lookahead, with settings
    /// after a colon [default: ngram; lstm where an option of networks is given]
    #[arg(long, value_name = "NAME[:SETTING,...]", value_parser = super::model::model)]
    pub(crate) model: Option<ModelName>,

    /// The network and how it is trained [default, of lstm: small]
    #[arg(long, value_enum)]
    pub(crate) preset: Option<Preset>,

    /// Times to go through the data [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) epochs: Option<u32>,

    /// Makes everything random repeatable, bit for bit on one machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Processors to use [default: all]; the result is the same whatever their number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Share of the signals to drop between layers and before the output, 0 to below 1 [default: the
    /// preset's]
    #[arg(long, value_name = "SHARE")]
    pub(crate) dropout: Option<f64>,

    /// What is made small [default: the preset's]
    #[arg(long, value_enum)]
    pub(crate) loss: Option<Loss>,

    /// How weights follow gradients [default: the preset's]
    #[arg(long, value_enum)]
    pub(crate) optimiser: Option<OptimiserName>,

    /// Step size [default: the preset's, or the optimiser's usual one where that is chosen]
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,

    /// Streams, or windows, that are read side by side [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) batch: Option<u16>,

    /// Epochs without a lower held-out loss after which to stop [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) patience: Option<u16>,

    /// Read windows of so many calls, which predict the next one, instead of whole streams [default: the
    /// preset's: whole streams, but 19 calls for seed]
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) window: Option<u16>,

    /// Learn from the first so many windows, in the order of the files (--split order)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) limit_windows: Option<u64>,

    /// Windows: learn also from the calls at the beginning of each stream that have no whole window before
    /// them, padded on the left
    #[arg(long)]
    pub(crate) lead_in: bool,

    /// Windows: repeat each 0 to 10 times, drawn at random once
    #[arg(long)]
    pub(crate) drop_in: bool,

    /// Which streams train, and which are held out to set the threshold by [default: the preset's]
    #[arg(long, value_enum)]
    pub(crate) split: Option<SplitName>,
}

impl Learning {
    /// An option of networks that was given, if any was.
    pub(crate) fn of_network(&self) -> Option<&'static str> {
        let given = [
            (self.preset.is_some(), "--preset"),
            (self.epochs.is_some(), "--epochs"),
            (self.dropout.is_some(), "--dropout"),
            (self.loss.is_some(), "--loss"),
            (self.optimiser.is_some(), "--optimiser"),
            (self.learning_rate.is_some(), "--learning-rate"),
            (self.batch.is_some(), "--batch"),
            (self.patience.is_some(), "--patience"),
            (self.window.is_some(), "--window"),
            (self.limit_windows.is_some(), "--limit-windows"),
            (self.lead_in, "--lead-in"),
            (self.drop_in, "--drop-in"),
        ];
        given
            .into_iter()
            .find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// Threads to use, 0 for as many as there are processors.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }
}

/// A loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loss {
    /// -ln of the probability of the call that came
    CrossEntropy,
    /// Mean squared error of the probabilities of all calls
    Mse,
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => Objective::CrossEntropy,
            Loss::Mse => Objective::MeanSquared,
        }
    }
}

/// An optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimiserName {
    /// Kingma and Ba 2015 (usual step size 0.001)
    Adam,
    /// The same with decoupled weight decay of 0.01 (0.001)
    Adamw,
    /// As Keras 3 has it: epsilon under the root (0.001)
    Rmsprop,
    /// As Keras 2 and PyTorch have it: epsilon beside the root (0.001)
    RmspropOuter,
    /// Plain stochastic gradient descent (0.01)
    Sgd,
}

impl OptimiserName {
    /// It, at this step size or its usual one.
    pub(crate) fn at(self, learning_rate: Option<f64>) -> Optimiser {
        let usual = match self {
            OptimiserName::Sgd => 0.01,
            _ => 0.001,
        };
        let rate = learning_rate.unwrap_or(usual);
        match self {
            OptimiserName::Adam => Optimiser::adam(rate),
            OptimiserName::Adamw => Optimiser::adam_w(rate),
            OptimiserName::Rmsprop => Optimiser::rms_prop(rate),
            OptimiserName::RmspropOuter => Optimiser::rms_prop_outer(rate),
            OptimiserName::Sgd => Optimiser::sgd(rate),
        }
    }
}

/// A way to split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitName {
    /// By a hash of each stream's content, so that copies never straddle; by time where the streams are too few
    Content,
    /// Every so many of the streams of a program and a length, copies or not: for repeated runs of one
    /// command
    InTurn,
    /// The beginning of every stream trains, its end is held out
    Time,
    /// In the order read: four fifths train, the last twentieth of them tunes, the rest is held out
    Order,
}

impl SplitName {
    /// The policy of that name.
    pub(crate) fn policy(self, limit: Option<u64>) -> Policy {
        match self {
            SplitName::Content => Policy::Content,
            SplitName::InTurn => Policy::InTurn,
            SplitName::Time => Policy::Time,
            SplitName::Order => Policy::InOrder {
                limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            },
        }
    }
}
