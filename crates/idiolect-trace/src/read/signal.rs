//! Signals by name.

/// Names of the signals from 1 on (kernel: `include/uapi/asm-generic/signal.h`, which x86 and ARM share).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Name of a signal without its `SIG`; none of the real-time ones, from 32 on.
pub(crate) fn name(signal: u8) -> Option<&'static str> {
    let index = usize::from(signal).checked_sub(1)?;
    NAMES.get(index).copied()
}

/// Number of a signal.
pub(crate) fn number(name: &str) -> Option<u8> {
    let name = name.strip_prefix("SIG")?;
    if let Some(index) = NAMES.iter().position(|known| *known == name) {
        return u8::try_from(index + 1).ok();
    }
    // `SIGRTMIN`, and `SIGRT_5` for the fifth after it.
    let after = match name {
        "RTMIN" => 0,
        _ => name.strip_prefix("RT_")?.parse::<u8>().ok()?,
    };
    32_u8.checked_add(after).filter(|signal| *signal <= 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_numbers() {
        for (name, expected) in [
            ("SIGHUP", Some(1)),
            ("SIGKILL", Some(9)),
            ("SIGSEGV", Some(11)),
            ("SIGSYS", Some(31)),
            ("SIGRTMIN", Some(32)),
            ("SIGRT_5", Some(37)),
            ("SIGRT_99", None),
            ("KILL", None),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}
