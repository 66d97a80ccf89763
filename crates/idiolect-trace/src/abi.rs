//! Which table a system-call number is read with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The calling convention a system call was made by. A call number means nothing without it.
///
/// A process may use more than one: a 64-bit x86 process can make i386 calls by `int 0x80`, and x32
/// calls by setting bit 30 of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Abi {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 32-bit x86, also by `int 0x80` from a 64-bit process.
    I386,
    /// 64-bit x86 with 32-bit pointers; numbers are given without the `0x4000_0000` mark.
    X32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, EABI.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// SunOS 4.1, by the list of the data sets of the University of New Mexico, which counts from 1.
    Sunos,
    /// macOS: names alone, since there is no table of its numbers here.
    Darwin,
}

impl Abi {
    /// All of them: those of Linux, then the others.
    pub const ALL: [Abi; 8] = [
        Abi::X86_64,
        Abi::I386,
        Abi::X32,
        Abi::Aarch64,
        Abi::Arm,
        Abi::Riscv64,
        Abi::Sunos,
        Abi::Darwin,
    ];

    /// Those of Linux, in the order in which its table and help list them.
    pub const LINUX: [Abi; 6] = [
        Abi::X86_64,
        Abi::I386,
        Abi::X32,
        Abi::Aarch64,
        Abi::Arm,
        Abi::Riscv64,
    ];

    /// The name used in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Abi::X86_64 => "x86_64",
            Abi::I386 => "i386",
            Abi::X32 => "x32",
            Abi::Aarch64 => "aarch64",
            Abi::Arm => "arm",
            Abi::Riscv64 => "riscv64",
            Abi::Sunos => "sunos",
            Abi::Darwin => "darwin",
        }
    }

    /// The ABI of the machine this was compiled for, where there is a table for it.
    pub fn native() -> Option<Abi> {
        std::env::consts::ARCH.parse().ok()
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no ABI that there is a table for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such ABI: {0:?} (known: x86_64, i386, x32, aarch64, arm, riscv64, sunos, darwin)")]
pub struct UnknownAbi(pub String);

impl FromStr for Abi {
    type Err = UnknownAbi;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "x86_64" | "amd64" | "x64" => Abi::X86_64,
            "i386" | "x86" | "i686" | "ia32" => Abi::I386,
            "x32" => Abi::X32,
            "aarch64" | "arm64" => Abi::Aarch64,
            "arm" | "arm32" => Abi::Arm,
            "riscv64" => Abi::Riscv64,
            "sunos" => Abi::Sunos,
            "darwin" | "macos" => Abi::Darwin,
            _ => return Err(UnknownAbi(text.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for abi in Abi::ALL {
            assert_eq!(abi.as_str().parse::<Abi>(), Ok(abi));
            let json = serde_json::to_string(&abi).unwrap();
            assert_eq!(json, format!("\"{abi}\""));
            assert_eq!(serde_json::from_str::<Abi>(&json).unwrap(), abi);
        }
        assert!("vax".parse::<Abi>().is_err());
    }
}
