//! The state of an interrupted fit, as a file.

use std::path::Path;

use idiolect_nn::CheckpointMetadata;
use serde::{Deserialize, Serialize};

use crate::FitConfig;
use crate::fit::FitError;
use crate::profile::container::Tensor;
use crate::profile::{Problem, ProfileError, container};

/// Everything that an interrupted fit needs to go on, and to come to the result that it would have had.
///
/// The file is a safetensors file like a profile's, with the key `idiolect-checkpoint`.
#[derive(Debug)]
pub struct Checkpoint {
    trainer: idiolect_nn::Checkpoint,
    run: Run,
}

/// What a checkpoint belongs to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    config: FitConfig,
    data_hash: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    run: Run,
    trainer: CheckpointMetadata,
}

const METADATA_KEY: &str = "idiolect-checkpoint";
/// The largest file that is read: the weights, their best copy and two moments of each.
const MAX_BYTES: u64 = 4 << 30;

impl Checkpoint {
    pub(crate) fn new(
        trainer: idiolect_nn::Checkpoint,
        config: &FitConfig,
        data_hash: &str,
    ) -> Self {
        let run = Run {
            config: config.clone(),
            data_hash: data_hash.to_owned(),
        };
        Checkpoint { trainer, run }
    }

    /// Whole epochs that it holds.
    pub fn epochs(&self) -> usize {
        self.trainer.metadata.epochs_done
    }

    /// The trainer's state, if it belongs to this run.
    pub(crate) fn of_run(
        self,
        config: &FitConfig,
        data_hash: &str,
    ) -> Result<idiolect_nn::Checkpoint, FitError> {
        let other = if self.run.data_hash != data_hash {
            "it was made from other data"
        } else if self.run.config != *config {
            "it was made with other options"
        } else {
            return Ok(self.trainer);
        };
        Err(FitError::OtherRun(other.to_owned()))
    }

    /// Loads a checkpoint. Its content is checked when a fit goes on from it.
    ///
    /// # Errors
    /// [`ProfileError`], as for a profile.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let parse = |bytes: &[u8]| {
            let (json, tensors) = container::unpack(bytes, METADATA_KEY)?;
            let header: Header =
                serde_json::from_str(&json).map_err(|error| Problem::Header(error.to_string()))?;
            let mut floats = Vec::new();
            for (name, tensor) in tensors {
                let (shape, values) = tensor.into_floats(&name)?;
                floats.push((name, shape, values));
            }
            Ok(Checkpoint {
                trainer: idiolect_nn::Checkpoint {
                    metadata: header.trainer,
                    tensors: floats,
                },
                run: header.run,
            })
        };
        container::read(path, MAX_BYTES)
            .and_then(|bytes| parse(&bytes))
            .map_err(|problem| problem.of(path))
    }

    /// Saves it as a profile is saved: aside, then renamed.
    ///
    /// # Errors
    /// [`ProfileError`], as on a full disk.
    pub fn save(&self, path: &Path) -> Result<(), ProfileError> {
        let header = Header {
            run: Run {
                config: self.run.config.clone(),
                data_hash: self.run.data_hash.clone(),
            },
            trainer: self.trainer.metadata.clone(),
        };
        let pack = || {
            let json =
                serde_json::to_string(&header).map_err(|e| Problem::Header(e.to_string()))?;
            let tensors = self.trainer.tensors.iter();
            let tensors =
                tensors.map(|(name, shape, values)| (name.clone(), Tensor::floats(shape, values)));
            container::pack(METADATA_KEY, json, tensors)
        };
        pack()
            .and_then(|bytes| container::write(path, &bytes))
            .map_err(|problem| problem.of(path))
    }
}
