//! How a data set numbers its calls where its files do not say.

use std::fmt;
use std::str::FromStr;

use crate::{Abi, table};

/// How the call numbers of a file in UNM's format are meant. The data sets have three ways, and nothing in
/// a file says which one it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Numbering {
    /// SunOS counted from 0: exit 0, fork 1, read 2, open 4, close 5.
    Sunos0,
    /// SunOS counted from 1: exit 1, fork 2, read 3, open 5, close 6.
    Sunos1,
    /// Linux on i386.
    I386,
}

impl Numbering {
    /// All of them.
    pub const ALL: [Numbering; 3] = [Numbering::Sunos0, Numbering::Sunos1, Numbering::I386];

    /// What to type.
    pub(crate) const ADVICE: &str = "--numbering sunos0 (SunOS counted from 0: read 2, open 4), \
        sunos1 (from 1: read 3, open 5) or i386 (Linux: read 3, mmap 90)";

    /// The name used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Numbering::Sunos0 => "sunos0",
            Numbering::Sunos1 => "sunos1",
            Numbering::I386 => "i386",
        }
    }

    /// The ABI whose table it uses.
    pub fn abi(self) -> Abi {
        match self {
            Numbering::Sunos0 | Numbering::Sunos1 => Abi::Sunos,
            Numbering::I386 => Abi::I386,
        }
    }

    /// The number in its ABI's table of a number in the file.
    pub fn to_abi(self, number: u32) -> u32 {
        number.saturating_add(u32::from(self == Numbering::Sunos0))
    }

    /// The number in a file of a number in its ABI's table; none where the file cannot say it.
    pub fn from_abi(self, number: u32) -> Option<u32> {
        number.checked_sub(u32::from(self == Numbering::Sunos0))
    }

    /// Whether nothing makes the call of this number in the file: it was retired before the system that
    /// the traces are of, or was never a program's to make.
    pub(crate) fn is_retired(self, number: u32) -> bool {
        // Measured on UNM's sets: by the right table none of these occurs, by a wrong one one call in
        // 8,000 at least.
        const SUNOS: &[&str] = &[
            "sbreak",
            "ftime",
            "stty",
            "gtty",
            "phys",
            "mpxchan",
            "vread",
            "vwrite",
            "sbrk",
            "sstk",
            "vlimit",
            "getdopt",
            "setdopt",
            "resuba",
            "vtrace",
            "vtimes",
            "socketaddr",
            "quota",
            "setquota",
        ];
        const I386: &[&str] = &[
            "restart_syscall",
            "break",
            "stty",
            "gtty",
            "ftime",
            "prof",
            "lock",
            "mpx",
            "ulimit",
            "profil",
            "idle",
            "afs_syscall",
        ];
        let retired = match self.abi() {
            Abi::Sunos => SUNOS,
            _ => I386,
        };
        let name = table::by_number(self.abi(), self.to_abi(number));
        retired.contains(&name.as_str())
    }
}

impl fmt::Display for Numbering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no numbering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such numbering: {0:?} (known: sunos0, sunos1, i386)")]
pub struct UnknownNumbering(pub String);

impl FromStr for Numbering {
    type Err = UnknownNumbering;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Numbering::ALL
            .into_iter()
            .find(|numbering| numbering.as_str() == text)
            .ok_or_else(|| UnknownNumbering(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_by_three_numbers() {
        for (numbering, read, close, exit) in [
            (Numbering::Sunos0, 2, 5, 0),
            (Numbering::Sunos1, 3, 6, 1),
            (Numbering::I386, 3, 6, 1),
        ] {
            for (number, name) in [(read, "read"), (close, "close"), (exit, "exit")] {
                let abi = numbering.abi();
                assert_eq!(
                    table::by_number(abi, numbering.to_abi(number)).as_str(),
                    name
                );
                assert_eq!(numbering.from_abi(numbering.to_abi(number)), Some(number));
            }
            assert_eq!(numbering.to_string().parse(), Ok(numbering));
        }
        assert_eq!(Numbering::Sunos0.from_abi(0), None);
        assert!("sunos".parse::<Numbering>().is_err());
    }

    #[test]
    fn retired_calls_are_in_their_tables() {
        let count = |numbering: Numbering| (0..256).filter(|&n| numbering.is_retired(n)).count();
        assert_eq!(count(Numbering::Sunos0), 19);
        assert_eq!(count(Numbering::Sunos1), 19);
        assert_eq!(count(Numbering::I386), 12);
    }
}
