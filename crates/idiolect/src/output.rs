//! Standard output, to which a closed pipe is no error, and files that are there when they are whole.

use std::fs::Permissions;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

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

/// A file that is written aside and takes its place when it is whole.
#[derive(Debug)]
pub(crate) struct WholeFile {
    aside: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            bail!("{}: it is a folder, and a file is wanted", path.display());
        }
        let file = aside()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder_of(path))
            .with_context(|| cannot_write(path))?;
        Ok(WholeFile {
            aside: BufWriter::new(file),
            path: path.to_owned(),
        })
    }

    /// Puts it in its place.
    pub(crate) fn finish(self) -> Result<()> {
        let cannot = || cannot_write(&self.path);
        let file = self
            .aside
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        file.persist(&self.path)
            .map_err(|error| error.error)
            .with_context(cannot)?;
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.aside.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.aside.flush()
    }
}

/// Makes files and folders that are renamed when they are whole.
pub(crate) fn aside() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".idiolect-");
    builder
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(crate) fn cannot_write(path: &Path) -> String {
    format!("{}: cannot write", path.display())
}
