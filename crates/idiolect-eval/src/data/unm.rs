//! The University of New Mexico's data (Forrest et al. 1996; Warrender, Forrest and Pearlmutter 1999), by
//! program.
//!
//! A set's folder says nothing of the table that its numbers are of, and there are three. A [`Pairing`] of
//! normal traces with intrusions is made only of folders of one table: with two, the numbers alone would
//! tell the intrusions.

use std::path::Path;

use idiolect_trace::assemble::Grouping;
use idiolect_trace::read::{Numbering, ReadOptions, Source};

use super::reader::{Gatherer, Label, Reading};
use super::{DataError, DataSet, Role};

/// Folders of traces with the table of their numbers.
const FOLDERS: [(&str, Numbering); 25] = [
    ("synth-sendmail/normal", Numbering::Sunos0),
    ("synth-sendmail/intrusion", Numbering::Sunos0),
    ("cert-sendmail/normal", Numbering::Sunos0),
    ("cert-sendmail/intrusion", Numbering::Sunos0),
    ("cert-sendmail/unsuccessful-intrusion", Numbering::Sunos0),
    ("synth-lpr/normal", Numbering::Sunos0),
    ("synth-lpr/intrusion", Numbering::Sunos0),
    ("live-lpr-unm-old/normal-concatenated", Numbering::Sunos0),
    ("live-lpr-mit-old/normal", Numbering::Sunos0),
    ("live-lpr-mit-old/intrusion-concatenated", Numbering::Sunos0),
    ("live-lpr-mit-new/normal", Numbering::Sunos1),
    ("live-lpr-unm-new/intrusion", Numbering::Sunos1),
    ("synth-ftp/normal", Numbering::I386),
    ("synth-ftp/intrusion", Numbering::I386),
    ("xlock/normal", Numbering::I386),
    ("xlock/intrusion", Numbering::I386),
    ("live-named/normal", Numbering::I386),
    ("live-named/intrusion", Numbering::I386),
    ("login/normal", Numbering::I386),
    ("login/intrusion", Numbering::I386),
    ("ps/normal", Numbering::I386),
    ("ps/intrusion", Numbering::I386),
    ("inetd/normal", Numbering::I386),
    ("inetd/intrusion", Numbering::I386),
    ("stide/intrusion", Numbering::I386),
];

/// Every valid pairing: its name, its normal traces and its intrusions.
const PAIRINGS: [(&str, &str, &str); 12] = [
    (
        "synth-sendmail",
        "synth-sendmail/normal",
        "synth-sendmail/intrusion",
    ),
    (
        "cert-sendmail",
        "cert-sendmail/normal",
        "cert-sendmail/intrusion",
    ),
    ("synth-lpr", "synth-lpr/normal", "synth-lpr/intrusion"),
    (
        "live-lpr-unm-old",
        "live-lpr-unm-old/normal-concatenated",
        "synth-lpr/intrusion",
    ),
    (
        "live-lpr-mit-old",
        "live-lpr-mit-old/normal",
        "live-lpr-mit-old/intrusion-concatenated",
    ),
    (
        "live-lpr-new",
        "live-lpr-mit-new/normal",
        "live-lpr-unm-new/intrusion",
    ),
    ("synth-ftp", "synth-ftp/normal", "synth-ftp/intrusion"),
    ("xlock", "xlock/normal", "xlock/intrusion"),
    ("live-named", "live-named/normal", "live-named/intrusion"),
    ("login", "login/normal", "login/intrusion"),
    ("ps", "ps/normal", "ps/intrusion"),
    ("inetd", "inetd/normal", "inetd/intrusion"),
];

/// Normal traces and intrusions by one table of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// What people call it.
    pub name: String,
    /// Folder of the normal traces, in the data's own.
    pub normal: &'static str,
    /// Folder of the intrusions.
    pub intrusion: &'static str,
    /// The table of both.
    pub numbering: Numbering,
}

/// Why two folders cannot be held against each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixedNumberings {
    /// The calls of one are numbered by another table than those of the other.
    #[error(
        "unm: {normal} is numbered by {normal_by} and {intrusion} by {intrusion_by}: any detector would tell \
         them apart by the numbers alone"
    )]
    Mixed {
        /// The normal traces.
        normal: &'static str,
        /// Their table.
        normal_by: Numbering,
        /// The intrusions.
        intrusion: &'static str,
        /// Their table.
        intrusion_by: Numbering,
    },
    /// There is no such folder in the data.
    #[error(
        "unm: no set and no folder is called {0:?}; the sets are {sets}; a pair of folders is \
         unm/synth-lpr/normal+synth-lpr/intrusion",
        sets = PAIRINGS.map(|(name, ..)| name).join(", ")
    )]
    Unknown(String),
}

impl Pairing {
    /// Every valid pairing of the data as they are.
    ///
    /// # Errors
    /// None, while the table of pairings is as it should be: [`MixedNumberings`].
    pub fn all() -> Result<Vec<Self>, MixedNumberings> {
        PAIRINGS
            .iter()
            .map(|&(name, normal, intrusion)| Self::of(name, normal, intrusion))
            .collect()
    }

    /// Of the name of a valid pairing, or of `NORMAL+INTRUSION`, two folders of the data.
    ///
    /// # Errors
    /// [`MixedNumberings`].
    pub fn named(which: &str) -> Result<Self, MixedNumberings> {
        if let Some(&(name, normal, intrusion)) = PAIRINGS.iter().find(|(name, ..)| *name == which)
        {
            return Self::of(name, normal, intrusion);
        }
        let (normal, intrusion) = which
            .split_once('+')
            .ok_or_else(|| MixedNumberings::Unknown(which.to_owned()))?;
        Self::of(which, normal, intrusion)
    }

    fn of(name: &str, normal: &str, intrusion: &str) -> Result<Self, MixedNumberings> {
        let find = |folder: &str| {
            let found = FOLDERS.iter().find(|(known, _)| *known == folder);
            found
                .copied()
                .ok_or_else(|| MixedNumberings::Unknown(folder.to_owned()))
        };
        let ((normal, normal_by), (intrusion, intrusion_by)) = (find(normal)?, find(intrusion)?);
        if normal_by != intrusion_by {
            return Err(MixedNumberings::Mixed {
                normal,
                normal_by,
                intrusion,
                intrusion_by,
            });
        }
        Ok(Pairing {
            name: name.to_owned(),
            normal,
            intrusion,
            numbering: normal_by,
        })
    }

    /// Reads it: a stream is a process, a recording a file.
    fn read(&self, folder: &Path) -> Result<DataSet, DataError> {
        let reading = Reading {
            options: ReadOptions {
                numbering: Some(self.numbering),
                ..ReadOptions::default()
            },
            grouping: Grouping::PerThread,
        };
        let mut gatherer = Gatherer::default();
        for (part, role) in [(self.normal, Role::Normal), (self.intrusion, Role::Attack)] {
            let label = |source: &Source| {
                Some(Label {
                    role,
                    family: (role == Role::Attack).then(|| family(&source.origin)),
                })
            };
            gatherer.read(&folder.join(part), &reading, &label)?;
        }
        gatherer.finish(format!("unm/{}", self.name))
    }
}

/// The kind of attack that a file's name tells: `fwd-loops-3.int` is `fwd-loops`; a name of numbers alone
/// tells nothing.
fn family(origin: &str) -> String {
    let name = origin.rsplit('/').next().unwrap_or(origin);
    let stem = name.split('.').next().unwrap_or(name);
    let kind = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    if kind.is_empty() { "intrusion" } else { kind }.to_owned()
}

/// Reads one pairing, or where none is named all of them, of the unpacked folder.
pub(super) fn read(path: &Path, which: &str) -> Result<Vec<DataSet>, DataError> {
    let pairings = match which {
        "" => Pairing::all()?,
        which => vec![Pairing::named(which)?],
    };
    let inside = path.join("unm");
    let folder = if inside.is_dir() { &inside } else { path };
    if !folder.join("synth-sendmail").is_dir() && !folder.join(pairings[0].normal).is_dir() {
        return Err(DataError::Form {
            path: path.to_owned(),
            reason:
                "no folder of UNM's data is in it; the archive has to be unpacked first (tar -xzf \
                     unm.tar.gz), since its parts are read by different tables"
                    .to_owned(),
        });
    }
    pairings
        .iter()
        .map(|pairing| pairing.read(folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pairing_is_of_one_table() {
        let all = Pairing::all().unwrap();
        assert_eq!(all.len(), 12);
        assert_eq!(Pairing::named("xlock").unwrap().numbering, Numbering::I386);
    }

    #[test]
    fn tables_are_not_mixed() {
        // The pair that the data's own repository makes.
        let mixed = Pairing::named("live-lpr-mit-new/normal+synth-lpr/intrusion").unwrap_err();
        assert!(matches!(mixed, MixedNumberings::Mixed { .. }), "{mixed}");
        assert!(mixed.to_string().contains("sunos1"), "{mixed}");
        let right = Pairing::named("live-lpr-mit-old/normal+synth-lpr/intrusion").unwrap();
        assert_eq!(right.numbering, Numbering::Sunos0);
        assert!(matches!(
            Pairing::named("nosuch"),
            Err(MixedNumberings::Unknown(_))
        ));
    }

    #[test]
    fn families_by_file() {
        assert_eq!(family("a/b/fwd-loops-3.int"), "fwd-loops");
        assert_eq!(family("syslog-local-1"), "syslog-local");
        assert_eq!(family("x/873742.int"), "intrusion");
    }
}
