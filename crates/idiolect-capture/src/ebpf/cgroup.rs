//! From the number of a control group to its path.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;

use crate::cgroup::Mount;
use crate::{Event, proc};

/// Paths of control groups that were asked for.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// Where the unified hierarchy is mounted, where it is.
    mount: Option<(Mount, File)>,
    known: HashMap<u64, Option<Arc<str>>>,
}

/// Paths that are remembered; beyond it all are forgotten.
const MOST: usize = 4096;

impl Cgroups {
    pub(super) fn new() -> Self {
        let mount = Mount::find().and_then(|mount| {
            let file = File::open(&mount.point).ok()?;
            Some((mount, file))
        });
        Cgroups {
            mount,
            known: HashMap::new(),
        }
    }

    /// Fills in the path of an exec's control group.
    pub(super) fn name(&mut self, mut exec: Event, id: u64) -> Event {
        if let Event::Exec { cgroup, after, .. } = &mut exec {
            if self.known.len() >= MOST {
                self.known.clear();
            }
            let mount = &self.mount;
            let path = self.known.entry(id).or_insert_with(|| {
                mount
                    .as_ref()
                    .and_then(|(mount, file)| by_handle(mount, file, id))
                    .or_else(|| proc::cgroup(after.tgid))
            });
            cgroup.clone_from(path);
        }
        exec
    }
}

/// The number of a group is its handle in the file system (kernel: `fs/kernfs/mount.c`). Needs
/// `CAP_DAC_READ_SEARCH`.
fn by_handle(mount: &Mount, file: &File, id: u64) -> Option<Arc<str>> {
    /// `struct file_handle` of open_by_handle_at(2).
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        id: u64,
    }
    /// `FILEID_KERNFS`, a handle of 8 bytes.
    const KERNFS: i32 = 0xfe;
    let mut handle = Handle {
        bytes: 8,
        kind: KERNFS,
        id,
    };
    // SAFETY: The handle is as long as it says, and lives during the call, which gives a new descriptor or -1.
    let opened = unsafe {
        let fd = libc::syscall(
            libc::SYS_open_by_handle_at,
            file.as_raw_fd(),
            &raw mut handle,
            libc::O_PATH | libc::O_CLOEXEC,
        );
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        OwnedFd::from_raw_fd(fd)
    };
    let path = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).ok()?;
    path.starts_with(&mount.point)
        .then(|| mount.group(path).path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Thread;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn our_own_group_by_its_number() {
        let Some(mount) = Mount::find() else {
            eprintln!("skipped: cgroup v2 is not mounted");
            return;
        };
        let own = proc::cgroup(std::process::id()).unwrap();
        let Ok(folder) = fs::metadata(mount.point.join(own.trim_start_matches('/'))) else {
            eprintln!("skipped: our group is not below {}", mount.point.display());
            return;
        };
        let us = Thread {
            tgid: std::process::id(),
            tid: std::process::id(),
            start_ns: 0,
            exec_generation: 0,
        };
        let exec = Event::Exec {
            time_ns: 0,
            before: us,
            after: us,
            executable: String::new(),
            uid: 0,
            cgroup: None,
        };
        let mut cgroups = Cgroups::new();
        let Event::Exec { cgroup, .. } = cgroups.name(exec, folder.ino()) else {
            panic!()
        };
        assert_eq!(cgroup, Some(own));
    }
}
