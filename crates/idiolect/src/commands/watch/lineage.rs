//! Who descends from whom: which streams a profile guards, and what they run.
//!
//! A profile guards process trees. A program below them that training never executed does not leave them: it is
//! scored by the same profile, and so is all that it starts.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;

use idiolect_trace::assemble::StreamStart;
use idiolect_trace::{StartKind, StreamId};

/// What is known of the streams that are open, and of some that ended lately.
#[derive(Debug)]
pub(super) struct Lineage<'p> {
    /// The programs that training executed.
    programs: &'p BTreeSet<String>,
    /// The files that they are, where they are on this machine, with the paths that training knows.
    files: HashMap<PathBuf, &'p str>,
    /// Only trees that begin with one of these programs are guarded.
    is_choosy: bool,
    keys: HashMap<StreamId, u64>,
    lines: HashMap<u64, (Line, StreamId)>,
    /// Streams that ended, the longest ago first.
    ended: VecDeque<u64>,
}

/// A stream's place among others.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) is_guarded: bool,
    /// The program that it runs.
    pub(super) program: Option<String>,
    pub(super) tgid: Option<u32>,
    pub(super) tid: Option<u32>,
    /// How it begins.
    pub(super) start: StartKind,
    /// The incident that it descends from.
    pub(super) incident: Option<u64>,
}

/// A stream that begins.
#[derive(Debug)]
pub(super) struct Born {
    pub(super) is_guarded: bool,
    /// It executes a program that training never did.
    pub(super) is_new_program: bool,
    /// What it came from.
    pub(super) parent: Option<Line>,
}

/// Streams that ended are remembered while so many others end, since what they started may begin, and what was
/// heard of them be told, a little later.
const REMEMBERED: usize = 4_096;

impl<'p> Lineage<'p> {
    pub(super) fn new(programs: &'p BTreeSet<String>, is_choosy: bool) -> Self {
        Lineage {
            programs,
            files: programs
                .iter()
                .filter_map(|program| {
                    Some((std::fs::canonicalize(program).ok()?, program.as_str()))
                })
                .collect(),
            is_choosy,
            keys: HashMap::new(),
            lines: HashMap::new(),
            ended: VecDeque::new(),
        }
    }

    pub(super) fn begin(&mut self, start: &StreamStart) -> Born {
        let parent = start.parent.as_ref().and_then(|id| self.keys.get(id));
        let parent = parent.and_then(|key| self.lines.get(key));
        let parent = parent.map(|(line, _)| line.clone());
        let program = match (&start.executable, start.kind) {
            (Some(program), _) => Some(program.clone()),
            (None, StartKind::Attach) => start.id.tgid.and_then(|tgid| self.running(tgid)),
            (None, _) => parent.as_ref().and_then(|parent| parent.program.clone()),
        };
        let is_known = program.as_ref().is_some_and(|program| self.knows(program));
        let is_guarded =
            !self.is_choosy || is_known || parent.as_ref().is_some_and(|parent| parent.is_guarded);
        let is_new_program = is_guarded
            && start.kind == StartKind::Exec
            && start.executable.is_some()
            && !self.programs.is_empty()
            && !program.as_ref().is_some_and(|p| self.programs.contains(p));
        let line = Line {
            is_guarded,
            program,
            tgid: start.id.tgid,
            tid: start.id.tid,
            start: start.kind,
            incident: parent.as_ref().and_then(|parent| parent.incident),
        };
        self.keys.insert(start.id.clone(), start.key);
        self.lines.insert(start.key, (line, start.id.clone()));
        Born {
            is_guarded,
            is_new_program,
            parent,
        }
    }

    /// Whether training executed a program, by its path or as the same file.
    fn knows(&self, program: &str) -> bool {
        self.programs.contains(program)
            || std::fs::canonicalize(program).is_ok_and(|file| self.files.contains_key(&file))
    }

    /// The program that a process runs which was there before us, by the path that training knows if it does.
    fn running(&self, pid: u32) -> Option<String> {
        let file = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        Some(match self.files.get(&file) {
            Some(known) => (*known).to_owned(),
            None => file.to_string_lossy().into_owned(),
        })
    }

    /// What a stream replaced by its exec belongs to the same incident: it is often told of later.
    pub(super) fn blame_replaced(&mut self, start: &StreamStart, incident: Option<u64>) {
        let replaced = start.parent.as_ref().and_then(|id| self.keys.get(id));
        if let (StartKind::Exec, Some(&key)) = (start.kind, replaced) {
            self.blame(key, incident);
        }
    }

    /// A stream belongs to an incident, with all that descends from it.
    pub(super) fn blame(&mut self, key: u64, incident: Option<u64>) {
        if let (Some((line, _)), Some(_)) = (self.lines.get_mut(&key), incident) {
            line.incident = incident;
        }
    }

    pub(super) fn is_guarded(&self, key: u64) -> bool {
        self.get(key).is_some_and(|line| line.is_guarded)
    }

    pub(super) fn get(&self, key: u64) -> Option<&Line> {
        self.lines.get(&key).map(|(line, _)| line)
    }

    pub(super) fn end(&mut self, key: u64) {
        self.ended.push_back(key);
        if self.ended.len() > REMEMBERED
            && let Some(key) = self.ended.pop_front()
            && let Some((_, id)) = self.lines.remove(&key)
            && self.keys.get(&id) == Some(&key)
        {
            self.keys.remove(&id);
        }
    }
}

impl Line {
    /// What people are shown it as: `redis-server[123]`, `redis-server[123/125]` of a thread.
    pub(super) fn name(&self) -> String {
        let program = self.program.as_deref().unwrap_or("?");
        let file = program.rsplit('/').next().unwrap_or(program);
        match (self.tgid, self.tid) {
            (Some(process), Some(thread)) if process != thread => {
                format!("{file}[{process}/{thread}]")
            }
            (process, thread) => match process.or(thread) {
                Some(number) => format!("{file}[{number}]"),
                None => file.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(tgid: u32, tid: u32, exec_generation: u32) -> StreamId {
        StreamId {
            tgid: Some(tgid),
            exec_generation,
            ..StreamId::thread("test".into(), tid)
        }
    }

    fn start(
        key: u64,
        id: StreamId,
        kind: StartKind,
        program: Option<&str>,
        parent: Option<StreamId>,
    ) -> StreamStart {
        StreamStart {
            key,
            id,
            kind,
            executable: program.map(str::to_owned),
            parent,
        }
    }

    #[test]
    fn a_new_program_below_a_guarded_one_is_guarded_and_told() {
        let programs = BTreeSet::from(["/no/such/server".to_owned()]);
        for is_choosy in [false, true] {
            let mut lineage = Lineage::new(&programs, is_choosy);
            let root = id(1, 1, 1);
            let born = lineage.begin(&start(
                1,
                root.clone(),
                StartKind::Exec,
                Some("/no/such/server"),
                None,
            ));
            assert!(born.is_guarded && !born.is_new_program);
            let child = id(2, 2, 0);
            let born = lineage.begin(&start(
                2,
                child.clone(),
                StartKind::Thread,
                None,
                Some(root),
            ));
            assert!(born.is_guarded && !born.is_new_program);
            assert_eq!(lineage.get(2).unwrap().name(), "server[2]");
            // The exec ends the stream that it replaces before the new one begins.
            lineage.end(2);
            let shell = id(2, 2, 1);
            let born = lineage.begin(&start(
                3,
                shell.clone(),
                StartKind::Exec,
                Some("/bin/sh"),
                Some(child),
            ));
            assert!(born.is_guarded && born.is_new_program);
            assert_eq!(
                born.parent.unwrap().program.as_deref(),
                Some("/no/such/server")
            );
            lineage.blame(3, Some(7));
            assert_eq!(lineage.get(2).unwrap().incident, None);
            let again = start(
                3,
                shell.clone(),
                StartKind::Exec,
                Some("/bin/sh"),
                Some(id(2, 2, 0)),
            );
            lineage.blame_replaced(&again, Some(7));
            assert_eq!(lineage.get(2).unwrap().incident, Some(7));
            lineage.begin(&start(4, id(2, 5, 1), StartKind::Thread, None, Some(shell)));
            let line = lineage.get(4).unwrap();
            assert_eq!(line.incident, Some(7));
            assert_eq!(line.name(), "sh[2/5]");
        }
    }

    #[test]
    fn others_are_guarded_only_where_all_that_is_recorded_is_meant() {
        let programs = BTreeSet::from(["/no/such/server".to_owned()]);
        let other = start(1, id(1, 1, 1), StartKind::Exec, Some("/bin/cat"), None);
        let born = Lineage::new(&programs, true).begin(&other);
        assert!(!born.is_guarded && !born.is_new_program);
        let born = Lineage::new(&programs, false).begin(&other);
        assert!(born.is_guarded && born.is_new_program);
        // A profile that knows no program has nothing to say of them.
        let none = BTreeSet::new();
        let born = Lineage::new(&none, false).begin(&other);
        assert!(born.is_guarded && !born.is_new_program);
    }

    #[test]
    fn a_running_program_has_the_name_that_training_gave_it() {
        let own = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("server");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        let programs = BTreeSet::from([link.to_str().unwrap().to_owned()]);
        let mut lineage = Lineage::new(&programs, true);
        let pid = std::process::id();
        let born = lineage.begin(&start(1, id(pid, pid, 0), StartKind::Attach, None, None));
        assert!(born.is_guarded && !born.is_new_program);
        assert_eq!(lineage.get(1).unwrap().name(), format!("server[{pid}]"));
    }

    #[test]
    fn memory_is_bounded() {
        let programs = BTreeSet::new();
        let mut lineage = Lineage::new(&programs, false);
        for key in 0..10_000u32 {
            lineage.begin(&start(
                key.into(),
                id(key, key, 0),
                StartKind::Attach,
                None,
                None,
            ));
            lineage.end(key.into());
        }
        assert_eq!(
            (lineage.lines.len(), lineage.keys.len()),
            (REMEMBERED, REMEMBERED)
        );
    }
}
