//! What a file that is no trace of ours looks like, so that the error can help.

use std::fmt;

use super::{Detected, contains};
use crate::read::Format;

/// What a file that cannot be read looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is named by what Display prints")]
pub enum Foreign {
    Elf,
    Script,
    Gzip,
    Zip,
    Tar,
    Xz,
    Bzip2,
    Zstd,
    SevenZip,
    Parquet,
    Pcap,
    Scap,
    PerfData,
    TraceDat,
    Ctf,
    Png,
    Jpeg,
    Pdf,
    Sqlite,
    Onnx,
    Profile,
    Safetensors,
    Utf16,
    Binary,
    AusearchCsv,
    Json,
    NumberPairs,
    Html,
    Xml,
}

impl Foreign {
    /// What to do about it; empty where nothing is known.
    pub fn advice(self) -> &'static str {
        match self {
            Foreign::Xz | Foreign::Bzip2 | Foreign::Zstd | Foreign::SevenZip => {
                ". Unpack it, or pack it as .gz, .tar.gz or .zip"
            }
            Foreign::Utf16 => ". Convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
            Foreign::Parquet => {
                ". One of records is read from a file of its own, not out of a pipe or an archive"
            }
            Foreign::Profile => ": it is what the traces are scored with",
            Foreign::Scap => ". Write it out as text first (sysdig -r FILE)",
            Foreign::PerfData => ". Write it out as text first (perf script)",
            Foreign::TraceDat => ". Write it out as text first (trace-cmd report)",
            Foreign::Ctf => ". Write it out as text first (babeltrace2 FOLDER)",
            Foreign::AusearchCsv => ". Write it out with ausearch --raw",
            Foreign::Json => ". If it holds calls, say where (--map name=/POINTER,pid=/POINTER)",
            Foreign::NumberPairs => ". Name the table of its call numbers (--numbering)",
            _ => "",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::Elf => "a compiled program (ELF)",
            Foreign::Script => "a script",
            Foreign::Gzip => "gzip data",
            Foreign::Zip => "a zip archive",
            Foreign::Tar => "a tar archive",
            Foreign::Xz => "xz data",
            Foreign::Bzip2 => "bzip2 data",
            Foreign::Zstd => "zstd data",
            Foreign::SevenZip => "a 7z archive",
            Foreign::Parquet => "a Parquet file",
            Foreign::Pcap => "a network capture (pcap)",
            Foreign::Scap => "a sysdig capture (scap)",
            Foreign::PerfData => "a perf.data recording",
            Foreign::TraceDat => "a trace-cmd recording",
            Foreign::Ctf => "an LTTng recording (CTF)",
            Foreign::Png => "a PNG picture",
            Foreign::Jpeg => "a JPEG picture",
            Foreign::Pdf => "a PDF document",
            Foreign::Sqlite => "an SQLite database",
            Foreign::Onnx => "an ONNX model",
            Foreign::Profile => "a profile of idiolect",
            Foreign::Safetensors => "a safetensors file",
            Foreign::Utf16 => "UTF-16 text",
            Foreign::Binary => "binary data",
            Foreign::AusearchCsv => {
                "the table of ausearch --format csv, which names neither calls nor processes"
            }
            Foreign::Json => "JSON, but not of idiolect's records",
            Foreign::NumberPairs => "pairs of a process number and a call, as in UNM's data",
            Foreign::Html => "an HTML page",
            Foreign::Xml => "XML",
        })
    }
}

/// First bytes of a file and what they mean.
const MAGIC: &[(&[u8], Foreign)] = &[
    (b"\x7fELF", Foreign::Elf),
    (b"\x1f\x8b", Foreign::Gzip),
    (b"PK\x03\x04", Foreign::Zip),
    (b"PK\x05\x06", Foreign::Zip),
    (b"\xfd7zXZ\0", Foreign::Xz),
    (b"BZh", Foreign::Bzip2),
    (b"\x28\xb5\x2f\xfd", Foreign::Zstd),
    (b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip),
    (b"PAR1", Foreign::Parquet),
    (b"\xd4\xc3\xb2\xa1", Foreign::Pcap),
    (b"\xa1\xb2\xc3\xd4", Foreign::Pcap),
    (b"\x4d\x3c\xb2\xa1", Foreign::Pcap),
    (b"PERFILE2", Foreign::PerfData),
    (b"\x17\x08\x44tracing", Foreign::TraceDat),
    (b"\xc1\x1f\xfc\xc1", Foreign::Ctf),
    (b"\x75\xd1\x1d\x57", Foreign::Ctf),
    (b"/* CTF 1.", Foreign::Ctf),
    (b"\x89PNG\r\n", Foreign::Png),
    (b"\xff\xd8\xff", Foreign::Jpeg),
    (b"%PDF-", Foreign::Pdf),
    (b"SQLite format 3\0", Foreign::Sqlite),
    (b"\xff\xfe", Foreign::Utf16),
    (b"\xfe\xff", Foreign::Utf16),
    (b"#!", Foreign::Script),
    (b"<!DOCTYPE", Foreign::Html),
    (b"<!doctype", Foreign::Html),
    (b"<html", Foreign::Html),
    (b"<?xml", Foreign::Xml),
];

/// Tells what a file is by its first bytes.
pub(crate) fn by_magic(head: &[u8]) -> Option<Foreign> {
    if let Some((_, foreign)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(*foreign);
    }
    // pcapng and scap are both a section header block, told apart by the type of the second block; its
    // length stands at 4, the magic at 8, in either byte order.
    if head.starts_with(b"\x0a\x0d\x0d\x0a") {
        let length = head.get(4..8).and_then(|b| b.try_into().ok());
        let second = length
            .map(u32::from_le_bytes)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| head.get(at..at.checked_add(4)?));
        // Block types of scap are 0x201 and above (sysdig: scap_savefile.h); pcapng's are small.
        return Some(match second {
            Some([_, 2, 0, 0]) => Foreign::Scap,
            _ => Foreign::Pcap,
        });
    }
    safetensors(head)
}

/// A safetensors file begins with the length of its JSON header in 8 bytes.
fn safetensors(head: &[u8]) -> Option<Foreign> {
    let length = u64::from_le_bytes(*head.first_chunk::<8>()?);
    if head.get(8) != Some(&b'{') || !(2..=100 << 20).contains(&length) {
        return None;
    }
    Some(if contains(&head[8..], b"idiolect") {
        Foreign::Profile
    } else {
        Foreign::Safetensors
    })
}

/// Whether more than one byte in twenty is one that text does not have.
///
/// Not every such byte decides: a traced program's output may be glued into a trace.
pub(crate) fn is_binary(head: &[u8]) -> bool {
    let odd = head
        .iter()
        .filter(|byte| {
            (**byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
                || **byte == 0x7f
        })
        .count();
    let invalid: usize = head.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    (odd + invalid) * 20 > head.len()
}

/// Which program's JSON this is.
pub(super) fn json(lines: &[&[u8]]) -> Detected {
    let has = |key: &str| {
        let key = format!("\"{key}\"");
        lines.iter().any(|line| contains(line, key.as_bytes()))
    };
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    if has("output_fields") {
        Detected::Known(Format::Falco)
    } else if any(&[
        "process_kprobe",
        "process_exec",
        "process_exit",
        "process_close",
        "process_connect",
        "process_listen",
        "process_tracepoint",
    ]) {
        Detected::Known(Format::Tetragon)
    } else if has("eventName")
        || (has("threadStartTime") && has("processorId"))
        || (has("workload") && has("policies"))
    {
        Detected::Known(Format::Tracee)
    } else {
        Detected::Foreign(Foreign::Json)
    }
}

/// Whether more than half of the lines are of auditd.
pub(super) fn by_lines(lines: &[&[u8]]) -> Option<Foreign> {
    let alike = lines.iter().filter(|line| is_ausearch_csv(line)).count();
    (alike * 2 > lines.len()).then_some(Foreign::AusearchCsv)
}

/// `,SYSCALL,11/26/26,04:28:08,60127,audit-rule,unset,system,root,privileged-acct,sent-to,success,...`
fn is_ausearch_csv(line: &[u8]) -> bool {
    line.starts_with(b"NODE,EVENT,DATE,TIME,SERIAL_NUM,")
        || (line.iter().filter(|byte| **byte == b',').count() >= 15
            && [
                &b",audit-rule,"[..],
                b",configuration,",
                b",audit-daemon,",
                b",user-login,",
            ]
            .iter()
            .any(|kind| contains(line, kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::detect::{Hints, detect};

    #[test]
    fn looks() {
        for (head, foreign) in [
            (&b"\x7fELF\x02\x01\x01"[..], Foreign::Elf),
            (b"\xff\xfer\0e\0a\0d\0", Foreign::Utf16),
            (b"PAR1\x15\x04", Foreign::Parquet),
            (
                b"\x0a\x0d\x0d\x0a\x0c\0\0\0\x4d\x3c\x2b\x1a\x01\x02\0\0",
                Foreign::Scap,
            ),
            (
                b"\x0a\x0d\x0d\x0a\x0c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0",
                Foreign::Pcap,
            ),
            (
                b"\x20\0\0\0\0\0\0\0{\"__metadata__\":{\"idiolect\":",
                Foreign::Profile,
            ),
            (
                b"\x20\0\0\0\0\0\0\0{\"w\":{\"dtype\":",
                Foreign::Safetensors,
            ),
            (b"\x01\x02\x03\x04abc", Foreign::Binary),
            (
                b"NODE,EVENT,DATE,TIME,SERIAL_NUM,EVENT_KIND,SESSION\n",
                Foreign::AusearchCsv,
            ),
            (b"{\"a\": 1}", Foreign::Json),
        ] {
            assert_eq!(
                detect(
                    head,
                    Hints {
                        whole: true,
                        ..Hints::default()
                    }
                ),
                Detected::Foreign(foreign),
                "{}",
                head.escape_ascii()
            );
        }
    }
}
