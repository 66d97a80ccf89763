//! The seccomp filter that stops a program for its tracer at each call, before the call is made.

use std::io;

/// Installs it in the calling thread, for good, and for all that it starts. Without a tracer, every call fails
/// from then on. Gives up the right to gain privileges by setuid files first, without which the kernel accepts
/// no filter from unprivileged programs.
///
/// Allocates nothing: it may be called between fork and exec.
///
/// # Errors
/// Where the kernel has no seccomp filters.
pub(crate) fn trace_all() -> io::Result<()> {
    /// `BPF_RET | BPF_K`: answers with a constant.
    const RETURN: u16 = 0x06;
    let mut answer = libc::sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_TRACE,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut answer,
    };
    // SAFETY: Both calls change the calling thread only; the program lives until they return.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
