//! The kernel side loaded by the crate aya.

use std::array;
use std::error::Error;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::{Array, CgroupArray, MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter};
use aya::{Btf, Ebpf, EbpfLoader};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::kernel::{Counters, Follow, Kernel, Lost, Settings};
use super::object;
use crate::lockdown::{CONFIDENTIAL, Lockdown, UNLOCK};
use crate::{Backend, CaptureError};

/// Programs and the trace points that they are attached to, in the order of attaching: first what begins to follow
/// a thread and what forgets it.
const PROGRAMS: [(&str, &str); 5] = [
    ("task_exits", "sched_process_exit"),
    ("task_forks", "sched_process_fork"),
    ("task_executes", "sched_process_exec"),
    ("call_ends", "sys_exit"),
    ("call_begins", "sys_enter"),
];

/// Run by reading them.
const ITERATORS: [&str; 2] = ["introduce", "seed"];

/// The programs and maps, loaded.
pub(crate) struct Loaded {
    bpf: Ebpf,
    events: RingBuf<MapData>,
    counters: PerCpuArray<MapData, [u64; 2]>,
    losses: Array<MapData, [u64; 2]>,
}

impl Loaded {
    /// Loads the programs; the kernel checks them. Nothing is attached yet.
    ///
    /// # Errors
    /// [`CaptureError::Unavailable`] where this kernel or these privileges do not allow it.
    pub(crate) fn load(settings: &Settings) -> Result<Self, CaptureError> {
        let object = object::bytes().ok_or_else(|| {
            unavailable(format!(
                "it is built for x86_64 and aarch64 and not for {}",
                std::env::consts::ARCH
            ))
        })?;
        let btf = Btf::from_sys_fs().map_err(|error| {
            unavailable(format!(
                "the kernel does not describe its types in /sys/kernel/btf/vmlinux ({})",
                chain(&error)
            ))
        })?;
        // Kernels before 5.11 count maps as locked memory. Where it is not allowed, loading says so.
        let _ = setrlimit(
            Resource::Memlock,
            Rlimit {
                current: None,
                maximum: None,
            },
        );
        let (target, root, name) = match &settings.follow {
            Follow::Tree(root) => (0u32, *root, [0; 16]),
            Follow::Cgroup(_) => (1, 0, [0; 16]),
            Follow::Comm(name) => (2, 0, *name),
            Follow::All => (3, 0, [0; 16]),
        };
        let name = u128::from_le_bytes(name);
        let low = u64::try_from(name & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(name >> 64).unwrap_or(0);
        let flag = |set: bool| u32::from(set);
        let (outcomes, untyped) = (flag(settings.outcomes), flag(settings.untyped));
        let mut bpf = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("target", &target, true)
            .override_global("root", &root, true)
            .override_global("name_low", &low, true)
            .override_global("name_high", &high, true)
            .override_global("outcomes", &outcomes, true)
            .override_global("untyped", &untyped, true)
            .map_max_entries("events", settings.ring_bytes)
            .map_max_entries("threads", settings.threads)
            .load(object)
            .map_err(|error| refused(&error))?;
        for (program, point) in PROGRAMS {
            let program: &mut BtfTracePoint = typed(bpf.program_mut(program))?;
            program.load(point, &btf).map_err(|error| refused(&error))?;
        }
        for program in ITERATORS {
            let program: &mut Iter = typed(bpf.program_mut(program))?;
            program
                .load("task", &btf)
                .map_err(|error| refused(&error))?;
        }
        if let Follow::Cgroup(folder) = &settings.follow {
            let mut map = CgroupArray::try_from(bpf.map_mut("cgroup").ok_or_else(broken)?)
                .map_err(|error| refused(&error))?;
            map.set(0, folder.as_fd().as_raw_fd(), 0)
                .map_err(|error| refused(&error))?;
        }
        let events = RingBuf::try_from(bpf.take_map("events").ok_or_else(broken)?)
            .map_err(|error| refused(&error))?;
        let counters = PerCpuArray::try_from(bpf.take_map("counters").ok_or_else(broken)?)
            .map_err(|error| refused(&error))?;
        let losses = Array::try_from(bpf.take_map("losses").ok_or_else(broken)?)
            .map_err(|error| refused(&error))?;
        Ok(Loaded {
            bpf,
            events,
            counters,
            losses,
        })
    }

    fn run_iterator(&mut self, name: &str) -> Result<(), CaptureError> {
        let program: &mut Iter = typed(self.bpf.program_mut(name))?;
        let link = program
            .attach()
            .and_then(|id| program.take_link(id))
            .map_err(|error| refused(&error))?;
        let mut file = link.into_file().map_err(|error| refused(&error))?;
        // It writes nothing; reading to the end runs it.
        let mut nothing = Vec::new();
        file.read_to_end(&mut nothing).map_err(|error| {
            CaptureError::system("cannot go through the threads of the machine", error)
        })?;
        Ok(())
    }
}

impl Kernel for Loaded {
    fn attach(&mut self) -> Result<(), CaptureError> {
        self.run_iterator("introduce")?;
        for (name, _) in PROGRAMS {
            let program: &mut BtfTracePoint = typed(self.bpf.program_mut(name))?;
            program.attach().map_err(|error| refused(&error))?;
        }
        self.run_iterator("seed")
    }

    fn drain(&mut self, most: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut count = 0;
        while count < most
            && let Some(record) = self.events.next()
        {
            each(&record);
            count += 1;
        }
        count
    }

    fn counters(&self) -> Result<Counters, CaptureError> {
        let unread = |error: MapError| {
            let error = io::Error::other(chain(&error));
            CaptureError::system("cannot read the kernel side's counters", error)
        };
        let [ring_full, table_full] = self.losses.get(&0, 0).map_err(unread)?;
        let by_processor = self.counters.get(&0, 0).map_err(unread)?;
        let [began, ended] = by_processor.iter().fold([0u64; 2], |sum, more| {
            array::from_fn(|i| sum[i].wrapping_add(more[i]))
        });
        Ok(Counters {
            followed: began.saturating_sub(ended),
            lost: Lost {
                ring_full,
                table_full,
            },
        })
    }

    fn detach(&mut self) -> Result<(), CaptureError> {
        for (name, _) in PROGRAMS {
            let program: &mut BtfTracePoint = typed(self.bpf.program_mut(name))?;
            program.unload().map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

fn typed<'a, P>(program: Option<&'a mut aya::programs::Program>) -> Result<&'a mut P, CaptureError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    program
        .and_then(|program| program.try_into().ok())
        .ok_or_else(broken)
}

/// The object and this file do not fit each other.
fn broken() -> CaptureError {
    unavailable("its object is not the one that this program was built for".to_owned())
}

fn unavailable(why: String) -> CaptureError {
    CaptureError::Unavailable {
        backend: Backend::Ebpf,
        why,
    }
}

/// What the kernel did not allow, and what would help.
fn refused(error: &(dyn Error + 'static)) -> CaptureError {
    if Lockdown::of_this_machine() == Lockdown::Confidentiality {
        return unavailable(format!("{CONFIDENTIAL} ({UNLOCK})"));
    }
    let mut cause = Some(error);
    while let Some(at) = cause {
        if let Some(system) = at.downcast_ref::<io::Error>()
            && matches!(system.raw_os_error(), Some(libc::EPERM | libc::EACCES))
        {
            return unavailable(
                "the kernel does not permit us to load its programs: that takes root, or the capabilities \
                 CAP_BPF and CAP_PERFMON, and no lockdown for confidentiality (`idiolect doctor` says what is missing)"
                    .to_owned(),
            );
        }
        cause = at.source();
    }
    unavailable(format!("the kernel refuses its programs: {}", chain(error)))
}

/// An error with what caused it. Of the kernel's log of checking a program only the end is kept, which says what it
/// did not like.
fn chain(error: &(dyn Error + 'static)) -> String {
    const MOST: usize = 600;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(at) = cause {
        let more = at.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = at.source();
    }
    let count = text.chars().count();
    if count > MOST {
        let begin: String = text.chars().take(MOST / 4).collect();
        let end: String = text.chars().skip(count - MOST * 3 / 4).collect();
        text = format!("{begin} ... {end}");
    }
    text.replace('\n', "; ")
}
