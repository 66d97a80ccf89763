//! Standard output, to which a closed pipe is no error.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output, buffered.
pub(crate) fn out() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Whether an error is that the reader of a pipe has gone: `idiolect score ... | head` is done then.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Writes all of it and reports what a full disk or a closed pipe says, which dropping would hide.
pub(crate) fn finish(mut out: impl Write) -> io::Result<()> {
    out.flush()
}

/// An error and its causes. A cause that its parent's text already holds is not said twice.
pub(crate) fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
