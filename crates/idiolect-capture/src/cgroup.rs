//! Control groups of the unified hierarchy (cgroup v2), by folder and by path.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{CaptureError, proc};

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its folder, as `/sys/fs/cgroup/system.slice/nginx.service`.
    pub folder: PathBuf,
    /// Its path in the hierarchy, as `/proc/PID/cgroup` has it: `/system.slice/nginx.service`.
    pub path: String,
}

/// Folders that are looked at for a unit's, at most.
const MOST_FOLDERS: usize = 100_000;

impl Cgroup {
    /// The one of this folder, or of this path in the hierarchy.
    ///
    /// # Errors
    /// [`CaptureError::NoSuchCgroup`].
    pub fn find(path: &Path) -> Result<Self, CaptureError> {
        let mount = Mount::find().ok_or_else(|| no_such(path, NO_HIERARCHY))?;
        let below = path.strip_prefix("/").unwrap_or(path);
        let folders = [path.to_owned(), mount.point.join(below)];
        let folder = folders
            .iter()
            .filter_map(|folder| folder.canonicalize().ok())
            .find(|folder| folder.join("cgroup.procs").exists() && folder.starts_with(&mount.point))
            .ok_or_else(|| {
                let why = format!("it is neither a folder below {0} nor a path in it; `systemd-cgls` or `find {0} \
                     -type d` lists them", mount.point.display());
                no_such(path, &why)
            })?;
        Ok(mount.group(folder))
    }

    /// The one of a unit of systemd's: the folder of its name, with `.service` where the name has no ending.
    ///
    /// # Errors
    /// [`CaptureError::NoSuchCgroup`] where there is none, or more than one.
    pub fn of_unit(name: &str) -> Result<Self, CaptureError> {
        let unit = Path::new(name);
        let is_plain = matches!(
            unit.components().collect::<Vec<_>>()[..],
            [Component::Normal(_)]
        );
        if !is_plain {
            return Err(no_such(
                unit,
                "a unit is a name, not a path (--cgroup takes one)",
            ));
        }
        let mount = Mount::find().ok_or_else(|| no_such(unit, NO_HIERARCHY))?;
        let wanted = match unit.extension() {
            Some(_) => name.to_owned(),
            None => format!("{name}.service"),
        };
        let mut found = Vec::new();
        let mut folders = vec![mount.point.clone()];
        let mut looked_at = 0;
        while let Some(folder) = folders.pop() {
            looked_at += 1;
            if looked_at > MOST_FOLDERS {
                return Err(no_such(
                    unit,
                    "there are too many control groups to look for it; give --cgroup",
                ));
            }
            if folder
                .file_name()
                .is_some_and(|name| name == wanted.as_str())
            {
                found.push(folder);
                continue;
            }
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.extend(below.map(|entry| entry.path()));
        }
        found.sort_unstable();
        match &found[..] {
            [folder] => Ok(mount.group(folder.clone())),
            [] => {
                let why = format!(
                    "no folder below {} is called {wanted}: is the unit running?",
                    mount.point.display()
                );
                Err(no_such(unit, &why))
            }
            [first, second, ..] => {
                let why = format!(
                    "more than one is called {wanted}: {} and {}; give --cgroup",
                    first.display(),
                    second.display()
                );
                Err(no_such(unit, &why))
            }
        }
    }

    /// Whether the control group of this path is this one or lies below it.
    pub fn holds(&self, path: &str) -> bool {
        self.path == "/"
            || path
                .strip_prefix(&self.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

const NO_HIERARCHY: &str = "no unified hierarchy (cgroup v2) is mounted on this machine";

fn no_such(path: &Path, why: &str) -> CaptureError {
    CaptureError::NoSuchCgroup {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}

/// Where the hierarchy is mounted.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    /// The path in it that is mounted there.
    root: String,
    pub(crate) point: PathBuf,
}

impl Mount {
    pub(crate) fn find() -> Option<Self> {
        Mount::parse(&proc::line("/proc/self/mountinfo")?)
    }

    /// Of a table of mounts (proc(5), `/proc/PID/mountinfo`).
    fn parse(mounts: &str) -> Option<Self> {
        mounts.lines().find_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            file_system.starts_with("cgroup2 ").then(|| Mount {
                root: root.to_owned(),
                point: PathBuf::from(point),
            })
        })
    }

    /// The control group of a folder below the mount.
    pub(crate) fn group(&self, folder: PathBuf) -> Cgroup {
        let below = folder.strip_prefix(&self.point).unwrap_or(Path::new(""));
        let root = self.root.trim_end_matches('/');
        let path = match below.as_os_str().is_empty() {
            true => root.to_owned(),
            false => format!("{root}/{}", below.display()),
        };
        Cgroup {
            folder,
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                path
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_may_be_mounted_anywhere() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
             31 30 0:27 /box /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup rw\n";
        let mount = Mount::parse(mounts).unwrap();
        assert_eq!(mount.point, Path::new("/sys/fs/cgroup/unified"));
        let group = mount.group("/sys/fs/cgroup/unified/a/b.service".into());
        assert_eq!(group.path, "/box/a/b.service");
        assert_eq!(mount.group("/sys/fs/cgroup/unified".into()).path, "/box");
        assert!(Mount::parse("30 23 0:26 / /proc rw - proc proc rw\n").is_none());
        assert!(Mount::parse("nonsense").is_none());
    }

    #[test]
    fn a_group_holds_those_below_it() {
        let group = Cgroup {
            folder: PathBuf::new(),
            path: "/a/b".to_owned(),
        };
        assert!(group.holds("/a/b") && group.holds("/a/b/c"));
        assert!(!group.holds("/a/bc") && !group.holds("/a"));
        let root = Cgroup {
            folder: PathBuf::new(),
            path: "/".to_owned(),
        };
        assert!(root.holds("/") && root.holds("/a/b"));
    }

    #[test]
    fn no_such_group() {
        let error = Cgroup::find(Path::new("/no/such/group")).unwrap_err();
        assert!(error.to_string().contains("/no/such/group"), "{error}");
        let error = Cgroup::of_unit("a/b").unwrap_err();
        assert!(error.to_string().contains("not a path"), "{error}");
        assert!(Cgroup::of_unit("no-such-unit-of-ours").is_err());
    }
}
