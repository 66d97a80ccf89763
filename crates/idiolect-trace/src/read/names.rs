//! Calls by the names and numbers that a format gives, with what both mean in the file's ABI.

use std::collections::HashMap;

use crate::read::ReadOptions;
use crate::read::text::ascii;
use crate::{Abi, CallName, table};

/// Spellings that are remembered; a file has a few hundred at most.
const MAX_REMEMBERED: usize = 4096;

/// The mark that x32 sets in a call's number.
const X32_MARK: u32 = 0x4000_0000;

/// A call as a format names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) abi: Abi,
    /// Its number in that ABI, where it has one.
    pub(crate) number: Option<u32>,
    pub(crate) name: CallName,
}

/// The calls of a file in one ABI.
#[derive(Debug)]
pub(crate) struct Names {
    abi: Abi,
    remembered: HashMap<Box<[u8]>, Named>,
}

impl Names {
    /// In the ABI that was given, else the machine's own: none of the formats that use this names one.
    pub(crate) fn new(options: &ReadOptions) -> Self {
        Names::of(options.abi.or_else(Abi::native).unwrap_or(Abi::X86_64))
    }

    /// In this ABI.
    pub(crate) fn of(abi: Abi) -> Self {
        Names {
            abi,
            remembered: HashMap::new(),
        }
    }

    /// The ABI of the file.
    pub(crate) fn abi(&self) -> Abi {
        self.abi
    }

    /// The call of a spelling; none where it can be no call's name.
    pub(crate) fn by_name(&mut self, spelling: &[u8]) -> Option<Named> {
        if let Some(named) = self.remembered.get(spelling) {
            return Some(named.clone());
        }
        let mut name = table::canonical(ascii(spelling)?)?;
        // The kernel's function behind `sendfile` of 64-bit ABIs is `sys_sendfile64`, and tracepoints are
        // named after the functions.
        if name.as_str() == "sendfile64" && table::number(self.abi, &name).is_none() {
            name = CallName::from_static("sendfile");
        }
        let named = Named {
            abi: self.abi,
            number: table::number(self.abi, &name),
            name,
        };
        if self.remembered.len() < MAX_REMEMBERED {
            self.remembered.insert(spelling.into(), named.clone());
        }
        Some(named)
    }

    /// The call of a number.
    pub(crate) fn by_number(&self, number: u32) -> Named {
        let (abi, number) = match self.abi {
            Abi::X86_64 | Abi::X32 if number & X32_MARK != 0 => (Abi::X32, number & !X32_MARK),
            abi => (abi, number),
        };
        Named {
            abi,
            number: Some(number),
            name: table::by_number(abi, number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_meet() {
        let mut names = Names::of(Abi::X86_64);
        let read = names.by_name(b"sys_read").unwrap();
        assert_eq!(read, names.by_number(0));
        assert_eq!(names.by_name(b"sys_read"), Some(read));
        assert_eq!(names.by_number(X32_MARK | 39).abi, Abi::X32);
        assert_eq!(names.by_number(9999).name.as_str(), "syscall_9999");
        assert_eq!(names.by_name(b"sys_sendfile64"), Some(names.by_number(40)));
        let i386 = Names::of(Abi::I386).by_name(b"sendfile64").unwrap();
        assert_eq!((i386.name.as_str(), i386.number), ("sendfile64", Some(239)));
        assert_eq!(names.by_name(b"no name"), None);
        assert_eq!(names.by_name(b"\xff"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut names = Names::of(Abi::X86_64);
        for n in 0..2 * MAX_REMEMBERED {
            assert!(names.by_name(format!("call_{n}").as_bytes()).is_some());
        }
        assert_eq!(names.remembered.len(), MAX_REMEMBERED);
    }
}
