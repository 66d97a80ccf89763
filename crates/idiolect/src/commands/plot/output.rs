//! Writing a picture, and saying so.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use idiolect_report::Picture;
use idiolect_trace::read::escape;

use crate::output::{finish, out};

/// A file to write, and as what.
#[derive(Clone, Debug)]
pub(super) struct Target {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Svg,
    Png,
}

/// A target, by the end of its name.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().and_then(|ending| ending.to_str());
    let kind = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => Kind::Svg,
        Some("png") => Kind::Png,
        _ => return Err("a picture's name ends in .svg or .png".to_owned()),
    };
    Ok(Target { path, kind })
}

/// Writes a picture and prints a line on it: the file, and what was chosen, as key=value.
pub(super) fn write(
    picture: &Picture,
    look: &super::Look,
    chosen: &[(&str, String)],
) -> Result<u8> {
    let Target { path, kind } = &look.output;
    let bytes = match kind {
        Kind::Svg => picture.svg().into_bytes(),
        Kind::Png => picture.png(look.scale)?,
    };
    write_aside(path, &bytes)
        .with_context(|| format!("{}: cannot write the picture", path.display()))?;
    let mut line = format!("wrote={}", value(&path.to_string_lossy()));
    let scale = match kind {
        Kind::Svg => 1,
        Kind::Png => look.scale,
    };
    line += &format!(
        " width={} height={}",
        picture.width() * scale,
        picture.height() * scale
    );
    for (key, chosen) in chosen {
        line += &format!(" {key}={}", value(chosen));
    }
    let mut out = out();
    writeln!(out, "{line}")?;
    finish(out)?;
    Ok(crate::exit::OK)
}

/// Writes aside and renames, so that nobody sees half a picture.
pub(in crate::commands) fn write_aside(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    /// As any new file: what the umask leaves of it.
    const MODE: u32 = 0o666;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut aside = tempfile::Builder::new()
        .prefix(".idiolect-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    aside.write_all(bytes)?;
    aside.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A value as it stands after `key=`: in quotes where it has anything but plain characters.
fn value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escape(quoted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_they_must_be() {
        assert_eq!(value("a/b.svg"), "a/b.svg");
        assert_eq!(value("two words"), "\"two words\"");
        assert_eq!(value("a\"\\\n"), r#""a\"\\\n""#);
        assert_eq!(value(""), "\"\"");
    }

    #[test]
    fn the_ending_decides() {
        assert!(matches!(target("x.SVG").unwrap().kind, Kind::Svg));
        assert!(matches!(target("x.png").unwrap().kind, Kind::Png));
        for bad in ["x", "x.jpg", "-", ".svg"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
