//! What strace says of itself, on a line of its own or in the middle of a call.

use crate::read::text::{rfind, take_u32};

/// A message of strace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// `strace: Process 12 attached`, `Process 12 attached`
    Attached(u32),
    /// `strace: Process 12 detached`
    Detached(u32),
    /// `strace: [ Process PID=12 runs in 32 bit mode. ]`
    Mode(u32, Mode),
    /// Any other (`strace: deprecated option -F ignored`).
    Other,
}

/// How wide a process's registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Bits64,
    Bits32,
    X32,
}

/// Reads a message that is all of the text.
pub(super) fn parse(text: &[u8]) -> Option<Message> {
    let text = text.trim_ascii_end();
    match text.strip_prefix(b"strace: ") {
        Some(rest) => Some(of_process(rest).unwrap_or(Message::Other)),
        None => of_process(text),
    }
}

/// Splits off a message at the end of the text: strace writes at once, while a call's line is not full.
pub(super) fn split(text: &[u8]) -> (&[u8], Option<Message>) {
    let Some(at) = rfind(text, b"Process ") else {
        return (text, None);
    };
    let Some(message) = [&b"strace: [ "[..], b"strace: ", b"[ ", b""]
        .iter()
        .find_map(|lead| {
            let before = text[..at].strip_suffix(*lead)?;
            Some((before, parse(&text[before.len()..])?))
        })
    else {
        return (text, None);
    };
    (message.0, Some(message.1))
}

fn of_process(text: &[u8]) -> Option<Message> {
    if let Some(inside) = text.strip_prefix(b"[ Process PID=") {
        let (pid, rest) = take_u32(inside)?;
        let mode = match rest.strip_prefix(b" runs in ")? {
            b"64 bit mode. ]" => Mode::Bits64,
            b"32 bit mode. ]" => Mode::Bits32,
            b"x32 mode. ]" => Mode::X32,
            _ => return None,
        };
        return Some(Message::Mode(pid, mode));
    }
    let (pid, rest) = take_u32(text.strip_prefix(b"Process ")?)?;
    // strace before 4.9 adds how (` (waiting for parent)`, ` - interrupt to quit`), later ones may add
    // ` with 4 threads`.
    if let Some(more) = rest.strip_prefix(b" attached") {
        (more.is_empty() || more.starts_with(b" ")).then_some(Message::Attached(pid))
    } else if rest == b" detached" {
        Some(Message::Detached(pid))
    } else if rest.starts_with(b" resumed") || rest.starts_with(b" suspended") {
        Some(Message::Other)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (text, expected) in [
            ("strace: Process 12 attached", Some(Message::Attached(12))),
            (
                "strace: Process 12 attached with 3 threads",
                Some(Message::Attached(12)),
            ),
            ("Process 12 attached", Some(Message::Attached(12))),
            (
                "Process 12 attached (waiting for parent)",
                Some(Message::Attached(12)),
            ),
            (
                "Process 12 attached - interrupt to quit",
                Some(Message::Attached(12)),
            ),
            ("strace: Process 12 detached", Some(Message::Detached(12))),
            ("Process 12 suspended", Some(Message::Other)),
            ("Process 12 resumed (parent 11 ready)", Some(Message::Other)),
            (
                "[ Process PID=7 runs in 32 bit mode. ]",
                Some(Message::Mode(7, Mode::Bits32)),
            ),
            (
                "strace: [ Process PID=7 runs in x32 mode. ]",
                Some(Message::Mode(7, Mode::X32)),
            ),
            (
                "strace: [ Process PID=7 runs in 64 bit mode. ]",
                Some(Message::Mode(7, Mode::Bits64)),
            ),
            ("strace: deprecated option -F ignored", Some(Message::Other)),
            ("Process 12 of 13", None),
            ("Process attached", None),
            ("[ Process PID=7 runs in circles ]", None),
            ("hello", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn at_the_end_of_a_call() {
        for (text, before, message) in [
            (
                "SIGCHLDstrace: Process 7 attached",
                "SIGCHLD",
                Some(Message::Attached(7)),
            ),
            (
                "SIGCHLDProcess 7 attached",
                "SIGCHLD",
                Some(Message::Attached(7)),
            ),
            (
                "0x0, strace: [ Process PID=7 runs in 32 bit mode. ]",
                "0x0, ",
                Some(Message::Mode(7, Mode::Bits32)),
            ),
            (
                "0x0, [ Process PID=7 runs in 32 bit mode. ]",
                "0x0, ",
                Some(Message::Mode(7, Mode::Bits32)),
            ),
            ("Process of thought", "Process of thought", None),
            ("none", "none", None),
        ] {
            assert_eq!(
                split(text.as_bytes()),
                (before.as_bytes(), message),
                "{text}"
            );
        }
    }
}
