//! The kernel's own protection from root (kernel_lockdown(7)).

use crate::proc;

/// How far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lockdown {
    None,
    Integrity,
    Confidentiality,
    /// It is told in securityfs, which is not mounted, or is not in this kernel.
    Unknown,
}

impl Lockdown {
    pub(crate) fn of_this_machine() -> Self {
        Lockdown::read(proc::line("/sys/kernel/security/lockdown").as_deref())
    }

    /// `none [integrity] confidentiality`: the one in brackets.
    fn read(text: Option<&str>) -> Self {
        let chosen = text
            .and_then(|text| text.split_once('[')?.1.split_once(']'))
            .map(|(chosen, _)| chosen);
        match chosen {
            Some("none") => Lockdown::None,
            Some("integrity") => Lockdown::Integrity,
            Some("confidentiality") => Lockdown::Confidentiality,
            _ => Lockdown::Unknown,
        }
    }
}

/// What takes programs and trace points away, and what would give them back.
pub(crate) const CONFIDENTIAL: &str = "the kernel is locked down for confidentiality, so that neither programs nor trace points may read its memory";
pub(crate) const UNLOCK: &str = "boot with lockdown=integrity; ptrace works without";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_stands_in_brackets() {
        for (text, expected) in [
            ("[none] integrity confidentiality", Lockdown::None),
            ("none [integrity] confidentiality", Lockdown::Integrity),
            (
                "none integrity [confidentiality]",
                Lockdown::Confidentiality,
            ),
            ("", Lockdown::Unknown),
        ] {
            assert_eq!(Lockdown::read(Some(text)), expected);
        }
        assert_eq!(Lockdown::read(None), Lockdown::Unknown);
    }
}
