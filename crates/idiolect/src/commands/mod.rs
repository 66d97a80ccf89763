//! One file a command.

pub(crate) mod convert;
pub(crate) mod demo;
#[cfg(target_os = "linux")]
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod formats;
pub(crate) mod inspect;
pub(crate) mod optimize;
pub(crate) mod plot;
pub(crate) mod portability;
#[cfg(target_os = "linux")]
pub(crate) mod record;
#[cfg(feature = "parquet")]
pub(crate) mod repair;
pub(crate) mod sample;
pub(crate) mod score;
pub(crate) mod scored;
pub(crate) mod train;
pub(crate) mod transitions;
pub(crate) mod try_it;
#[cfg(target_os = "linux")]
pub(crate) mod watch;

use std::path::Path;

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;

/// Loads a profile whose model gives each call a probability.
pub(crate) fn load_language_model(path: &Path) -> Result<Profile> {
    let profile = Profile::load(path)?;
    let detector = profile.detector();
    if !detector.measure().is_surprise() {
        bail!(
            "{}: its model ({}) gives calls no probability, which this needs",
            path.display(),
            detector.kind()
        );
    }
    Ok(profile)
}
