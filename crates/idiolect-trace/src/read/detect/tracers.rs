//! What tracers of the kernel print.

use super::contains;
use crate::read::{Format, bpftrace, lttng, perf_trace, sysdig, tracepoint};

/// Which tracer's JSON this is.
pub(super) fn by_json(lines: &[&[u8]]) -> Option<Format> {
    let has = |key: &[u8]| lines.iter().any(|line| contains(line, key));
    let sysdig = !has(b"\"output_fields\"") && (has(b"\"evt.type\"") || has(b"\"syscall.type\""));
    sysdig.then_some(Format::SysdigJson)
}

/// Which tracer's text this is: the first of these of which more than half of the lines are.
///
/// Of tracepoints one line in sixteen is enough, since a call graph may stand below each (`-g`).
pub(super) fn by_lines(lines: &[&[u8]]) -> Option<Format> {
    type Test = (fn(&[u8]) -> bool, usize, Format);
    const TESTS: &[Test] = &[
        (perf_trace::looks_like, 2, Format::PerfTrace),
        (bpftrace::looks_like, 2, Format::Bpftrace),
        (lttng::looks_like, 2, Format::Lttng),
        (sysdig::looks_like, 2, Format::Sysdig),
        (tracepoint::looks_like, 16, Format::PerfScript),
    ];
    let (_, _, format) = TESTS.iter().find(|(test, share, _)| {
        let alike = lines.iter().filter(|line| test(line)).count();
        alike * share > lines.len()
    })?;
    let of_perf = || {
        let groups: [&[u8]; 3] = [b" raw_syscalls:", b" syscalls:", b": PERF_RECORD_"];
        lines
            .iter()
            .any(|line| groups.iter().any(|group| contains(line, group)))
    };
    Some(match format {
        Format::PerfScript if !of_perf() => Format::Ftrace,
        format => *format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::detect::{Detected, Hints, detect};

    #[test]
    fn looks() {
        let hints = Hints {
            whole: true,
            ..Hints::default()
        };
        for (text, format) in [
            (
                "131 16:17:57.881730713 0 cat (20072) < execve res=0\n",
                Format::Sysdig,
            ),
            (
                "131 16:17:57.881730713 0 cat (20072) brk res=0\n",
                Format::Sysdig,
            ),
            (
                "1470327477881730713 0 759 ifplugd 759 ioctl < res=0\n",
                Format::Sysdig,
            ),
            (
                "10 00:10:46.675969994 6 999 mysqld 22467 < futex res=-110(ETIMEDOUT) \n",
                Format::Sysdig,
            ),
            (
                "{\"evt.num\":1,\"evt.type\":\"read\"}\n",
                Format::SysdigJson,
            ),
            (
                "     0.369 ( 0.015 ms): sshd/14484 close(fd: 3) = 0\n",
                Format::PerfTrace,
            ),
            (
                "perf  5375 [007] 59632.478528:   raw_syscalls:sys_enter: NR 1 (3)\n",
                Format::PerfScript,
            ),
            (
                "cat-23553 [000] .... 205825.968557: sys_enter: NR 0 (3)\n",
                Format::Ftrace,
            ),
            (
                "cat-23553 [000] .... 205825.968557: sys_read(fd: 3)\n",
                Format::Ftrace,
            ),
            ("11731727086910 3302 3302 enter 12 cat\n", Format::Bpftrace),
            (
                "[09:40:47.5] (+0.1) h syscall_entry_read: { cpu_id = 2 }, { fd = 1 }\n",
                Format::Lttng,
            ),
        ] {
            let found = detect(text.as_bytes(), hints);
            assert_eq!(found, Detected::Known(format), "{text}");
        }
    }

    #[test]
    fn a_call_graph_below_each_event() {
        let event = "cat 7 [000] 5.000001: raw_syscalls:sys_enter: NR 0 (3)\n";
        let text = [event, &"\t7f2b4e0a read+0x7 (libc.so.6)\n".repeat(12), "\n"].concat();
        let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
        assert_eq!(by_lines(&lines), Some(Format::PerfScript));
    }
}
