//! Whether root may believe a profile.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Permission bits that let the group or anybody write.
const OTHERS_WRITE: u32 = 0o022;
/// Permission bit of a folder in which nobody can replace the files of another.
const STICKY: u32 = 0o1000;

/// What makes the open file, or the folder it lies in, writable by others than root; `None` where root
/// alone can have written it, or where we are not root.
pub(super) fn distrust(file: &File, path: &Path) -> io::Result<Option<String>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    if let Some(why) = writable_by_others(&file.metadata()?, false) {
        return Ok(Some(format!("the profile {why}")));
    }
    let real = fs::canonicalize(path)?;
    let Some(folder) = real.parent() else {
        return Ok(None);
    };
    let reason = writable_by_others(&fs::metadata(folder)?, true);
    Ok(reason.map(|why| format!("its folder {} {why}", folder.display())))
}

fn writable_by_others(metadata: &Metadata, is_folder: bool) -> Option<String> {
    if metadata.uid() != 0 {
        return Some(format!("belongs to user {}, not to root", metadata.uid()));
    }
    let mode = metadata.mode();
    let guarded = is_folder && mode & STICKY != 0;
    (mode & OTHERS_WRITE != 0 && !guarded)
        .then(|| format!("may be written by others (mode {:03o})", mode & 0o7777))
}
