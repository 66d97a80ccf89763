//! Results that are kept under a hash of what they stand on.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::job::Outcome;
use crate::data::hex;

/// Counts up when a kept result would no longer be what the code makes.
const FORMAT: u32 = 1;

/// A result cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot keep results in it: {source}", folder.display())]
pub struct CacheError {
    /// The folder.
    pub folder: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A folder of results, or none.
#[derive(Debug)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
}

/// A hash of everything that a result stands on.
pub(super) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(FORMAT.to_le_bytes());
    hash.update(env!("CARGO_PKG_VERSION"));
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..16])
}

impl Cache {
    pub(super) fn open(folder: Option<PathBuf>) -> Result<Self, CacheError> {
        if let Some(folder) = &folder {
            fs::create_dir_all(folder).map_err(|source| CacheError {
                folder: folder.clone(),
                source,
            })?;
        }
        Ok(Cache { folder })
    }

    /// Where the files of a fit begin.
    pub(super) fn fit(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("fit-{key}")))
    }

    fn scores(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("scores-{key}.json")))
    }

    /// The scores kept under a key; what cannot be read, or is of other streams, is as good as none.
    pub(super) fn load(&self, key: &str, is_whole: impl Fn(&Outcome) -> bool) -> Option<Outcome> {
        let text = fs::read(self.scores(key)?).ok()?;
        serde_json::from_slice(&text).ok().filter(is_whole)
    }

    /// Keeps scores: written aside and renamed, so that what is there is whole.
    pub(super) fn save(&self, key: &str, outcome: &Outcome) -> Result<(), CacheError> {
        let (Some(folder), Some(path)) = (&self.folder, self.scores(key)) else {
            return Ok(());
        };
        write(folder, &path, outcome).map_err(|source| CacheError {
            folder: folder.clone(),
            source,
        })
    }
}

fn write(folder: &Path, path: &Path, outcome: &Outcome) -> io::Result<()> {
    let mut aside = tempfile::NamedTempFile::new_in(folder)?;
    aside.write_all(&serde_json::to_vec(outcome)?)?;
    aside.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_parts_apart() {
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab", ""]));
        assert_ne!(key(&["a", "b"]), key(&["b", "a"]));
    }

    #[test]
    fn what_is_damaged_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path().join("cache"))).unwrap();
        let outcome = Outcome::default();
        cache.save("k", &outcome).unwrap();
        assert_eq!(cache.load("k", |_| true), Some(outcome));
        assert_eq!(cache.load("k", |_| false), None);
        fs::write(cache.scores("k").unwrap(), b"{").unwrap();
        assert_eq!(cache.load("k", |_| true), None);
        let nowhere = Cache::open(None).unwrap();
        nowhere.save("k", &Outcome::default()).unwrap();
        assert_eq!(nowhere.load("k", |_| true), None);
    }
}
