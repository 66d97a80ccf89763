//! LSTM language models, as `train` fits them.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idiolect_detect::{
    Checkpoint, FitConfig, FitError, FitEvent, Profile, Streams, Unit, fit, split,
};

use crate::data::only;
use crate::resample::folds;

use super::per_call::{READOUTS, hear};
use super::{Fitted, Job, Method, MethodError, Model, Progress, Readout, Score};

/// Makes the configuration of a fit on these streams.
type Configure = dyn Fn(&Streams) -> FitConfig + Send + Sync;

/// An LSTM language model by one recipe. About a fifth of the streams is held out for thresholds and, where
/// they are enough, a tenth to stop by, as in every profile.
#[derive(Clone)]
pub struct Language {
    name: String,
    configure: Arc<Configure>,
}

/// How often a long fit saves where it is.
const SAVE_EVERY: Duration = Duration::from_secs(60);

impl Language {
    /// Of this name, configured by this; the job's seed takes the place of the configuration's.
    pub fn new(
        name: impl Into<String>,
        configure: impl Fn(&Streams) -> FitConfig + Send + Sync + 'static,
    ) -> Self {
        Language {
            name: name.into(),
            configure: Arc::new(configure),
        }
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Language")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Method for Language {
    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> String {
        // What a recipe makes of the number of calls is settled by the streams.
        format!("{:?}", (self.configure)(&Streams::default()))
    }

    fn readouts(&self) -> &[Readout] {
        &READOUTS
    }

    fn is_seeded(&self) -> bool {
        true
    }

    fn fit(&self, job: &Job<'_>, progress: &mut Progress<'_>) -> Result<Fitted, MethodError> {
        let learned = self.learn(job, progress)?;
        Ok(Fitted {
            bytes: learned.bytes()?,
            model: Box::new(OfProfile(learned.profile)),
            held_out: Some(learned.held_out),
            is_fresh: learned.is_fresh,
        })
    }
}

/// A profile that was fitted.
pub(super) struct Learned {
    pub(super) profile: Profile,
    /// As in [`Fitted`].
    pub(super) held_out: Vec<usize>,
    pub(super) is_fresh: bool,
}

impl Learned {
    /// Bytes of its file.
    pub(super) fn bytes(&self) -> Result<u64, MethodError> {
        let bytes = self.profile.to_bytes().map_err(MethodError::unfit)?;
        Ok(bytes.len() as u64)
    }
}

impl Language {
    /// Fits a profile.
    pub(super) fn learn(
        &self,
        job: &Job<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Learned, MethodError> {
        let parts = Parts::of(job.streams, &self.configure)?;
        let streams = only(job.streams, &parts.learned);
        let job = &Job {
            streams: &streams,
            ..*job
        };
        let mut config = (self.configure)(job.streams);
        config.model = config.model.with_seed(job.seed);
        let is_fresh = ["idio", "checkpoint"]
            .iter()
            .all(|ending| saved(job.scratch, ending).is_none());
        let profile = match saved(job.scratch, "idio").map(|path| Profile::load(&path)) {
            Some(Ok(profile)) => profile,
            _ => train(job, &config, progress)?,
        };
        Ok(Learned {
            profile,
            held_out: parts.held_out,
            is_fresh,
        })
    }
}

/// Which streams a fit is given, and which of all of them it learns nothing from.
struct Parts {
    learned: Vec<usize>,
    held_out: Vec<usize>,
}

/// Folds of which one is held out where a fit would cut streams into blocks.
const FOLDS: usize = 5;

impl Parts {
    /// A fit holds streams of its own out where there are enough. Else it would learn from the beginning of
    /// every stream, and whole ones have to be held out before.
    fn of(streams: &Streams, configure: &Arc<Configure>) -> Result<Self, MethodError> {
        let config = configure(streams);
        let split = split::split(streams, config.policy, config.model.windows())
            .map_err(MethodError::unfit)?;
        if split.unit == Unit::Stream {
            return Ok(Parts {
                learned: (0..streams.len()).collect(),
                held_out: split.calibrate.iter().map(|piece| piece.stream).collect(),
            });
        }
        let fold_of = folds(&streams.content_hashes(), FOLDS, 0);
        let (mut held_out, mut learned): (Vec<usize>, Vec<usize>) =
            (0..streams.len()).partition(|&place| fold_of[place] == 0);
        // Of one stream and its copies none can be held out.
        if learned.is_empty() {
            std::mem::swap(&mut held_out, &mut learned);
        }
        Ok(Parts { learned, held_out })
    }
}

/// The path of what an earlier fit of the same job left, if it is there.
fn saved(scratch: Option<&Path>, ending: &str) -> Option<PathBuf> {
    let path = scratch?.with_extension(ending);
    path.is_file().then_some(path)
}

fn train(
    job: &Job<'_>,
    config: &FitConfig,
    progress: &mut Progress<'_>,
) -> Result<Profile, MethodError> {
    // A checkpoint that cannot be read is as good as none.
    let resume = saved(job.scratch, "checkpoint").and_then(|path| Checkpoint::load(&path).ok());
    let save = |checkpoint: &Checkpoint| match job.scratch {
        Some(path) => checkpoint.save(&path.with_extension("checkpoint")),
        None => Ok(()),
    };
    let mut saved_at = Instant::now();
    let mut unsaved = None;
    let fitted = fit(
        job.streams,
        config,
        job.threads,
        resume,
        &mut |event| match event {
            FitEvent::Progress { progress: at, .. } => progress(at.fraction),
            FitEvent::Epoch {
                checkpoint: Some(state),
                ..
            } if saved_at.elapsed() > SAVE_EVERY => {
                saved_at = Instant::now();
                unsaved = save(&state.checkpoint()).err();
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        },
    );
    if let Some(error) = unsaved {
        return Err(MethodError::unfit(error));
    }
    let profile = match fitted {
        Ok(outcome) => outcome.profile,
        Err(FitError::Interrupted { checkpoint }) => {
            if let Some(checkpoint) = checkpoint {
                save(&checkpoint).map_err(MethodError::unfit)?;
            }
            return Err(MethodError::Interrupted);
        }
        Err(error) => return Err(MethodError::unfit(error)),
    };
    if let Some(path) = job.scratch {
        profile
            .save(&path.with_extension("idio"))
            .map_err(MethodError::unfit)?;
        if let Some(done) = saved(job.scratch, "checkpoint") {
            // It is of no more use, and no harm either.
            let _ = std::fs::remove_file(done);
        }
    }
    Ok(profile)
}

#[derive(Debug)]
struct OfProfile(Profile);

impl Model for OfProfile {
    fn score(&self, streams: &Streams, places: &[usize], threads: usize) -> Vec<Score> {
        hear(
            self.0.detector(),
            &self.0.vocabulary,
            streams,
            places,
            threads,
        )
    }
}
