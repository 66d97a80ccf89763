//! How a system call ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Linux error number, 1 to 4095 (kernel: `include/linux/err.h`, `MAX_ERRNO`).
///
/// The numbers are those of the generic table, which all supported ABIs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errno(pub u16);

/// How a call ended, where the source says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It returned this value.
    Returned(i64),
    /// It failed with this error.
    Failed(Errno),
}

impl Errno {
    /// The largest number that the kernel returns as an error.
    pub const MAX: u16 = 4095;

    /// The error of a name (`ENOENT`), second names (`EWOULDBLOCK`) included.
    pub fn from_name(name: &str) -> Option<Errno> {
        let canonical = SECOND_NAMES
            .iter()
            .find_map(|&(second, first)| (second == name).then_some(first))
            .unwrap_or(name);
        NAMES
            .iter()
            .find_map(|&(number, known)| (known == canonical).then_some(Errno(number)))
    }

    /// The name, where the number has one.
    pub fn name(self) -> Option<&'static str> {
        let index = NAMES
            .binary_search_by_key(&self.0, |&(number, _)| number)
            .ok()?;
        Some(NAMES[index].1)
    }

    /// Whether it is one of the kernel's own numbers that no program sees: the call was interrupted by a
    /// signal and is either restarted or fails with `EINTR` (kernel: `include/linux/errno.h`). Tracers
    /// see them, since they look before the kernel decides.
    pub fn is_restart(self) -> bool {
        matches!(self.0, 512..=514 | 516)
    }
}

impl fmt::Display for Errno {
    /// `ENOENT`, or `errno 2345` for a number without a name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl Outcome {
    /// What a raw return register says: -4095 to -1 are errors, all else is a value.
    pub fn from_raw(value: i64) -> Outcome {
        match u16::try_from(value.unsigned_abs()) {
            Ok(number) if value < 0 && number <= Errno::MAX => Outcome::Failed(Errno(number)),
            _ => Outcome::Returned(value),
        }
    }

    /// Whether the call did what it was asked for.
    pub fn is_ok(self) -> bool {
        matches!(self, Outcome::Returned(_))
    }

    /// The error, if it failed.
    pub fn errno(self) -> Option<Errno> {
        match self {
            Outcome::Returned(_) => None,
            Outcome::Failed(errno) => Some(errno),
        }
    }
}

impl fmt::Display for Outcome {
    /// The value, or the error's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Returned(value) => write!(f, "{value}"),
            Outcome::Failed(errno) => errno.fmt(f),
        }
    }
}

/// Two names for one number, with the one that [`NAMES`] has.
const SECOND_NAMES: [(&str, &str); 4] = [
    ("EWOULDBLOCK", "EAGAIN"),
    ("EDEADLOCK", "EDEADLK"),
    ("ENOTSUP", "EOPNOTSUPP"),
    ("ERESTART_RESTARTBLK", "ERESTART_RESTARTBLOCK"),
];

/// Numbers and names, by number (kernel: `include/uapi/asm-generic/errno-base.h` and `errno.h`; from 512 on
/// `include/linux/errno.h`).
const NAMES: [(u16, &str); 150] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (4, "EINTR"),
    (5, "EIO"),
    (6, "ENXIO"),
    (7, "E2BIG"),
    (8, "ENOEXEC"),
    (9, "EBADF"),
    (10, "ECHILD"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (15, "ENOTBLK"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (18, "EXDEV"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (23, "ENFILE"),
    (24, "EMFILE"),
    (25, "ENOTTY"),
    (26, "ETXTBSY"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (29, "ESPIPE"),
    (30, "EROFS"),
    (31, "EMLINK"),
    (32, "EPIPE"),
    (33, "EDOM"),
    (34, "ERANGE"),
    (35, "EDEADLK"),
    (36, "ENAMETOOLONG"),
    (37, "ENOLCK"),
    (38, "ENOSYS"),
    (39, "ENOTEMPTY"),
    (40, "ELOOP"),
    (42, "ENOMSG"),
    (43, "EIDRM"),
    (44, "ECHRNG"),
    (45, "EL2NSYNC"),
    (46, "EL3HLT"),
    (47, "EL3RST"),
    (48, "ELNRNG"),
    (49, "EUNATCH"),
    (50, "ENOCSI"),
    (51, "EL2HLT"),
    (52, "EBADE"),
    (53, "EBADR"),
    (54, "EXFULL"),
    (55, "ENOANO"),
    (56, "EBADRQC"),
    (57, "EBADSLT"),
    (59, "EBFONT"),
    (60, "ENOSTR"),
    (61, "ENODATA"),
    (62, "ETIME"),
    (63, "ENOSR"),
    (64, "ENONET"),
    (65, "ENOPKG"),
    (66, "EREMOTE"),
    (67, "ENOLINK"),
    (68, "EADV"),
    (69, "ESRMNT"),
    (70, "ECOMM"),
    (71, "EPROTO"),
    (72, "EMULTIHOP"),
    (73, "EDOTDOT"),
    (74, "EBADMSG"),
    (75, "EOVERFLOW"),
    (76, "ENOTUNIQ"),
    (77, "EBADFD"),
    (78, "EREMCHG"),
    (79, "ELIBACC"),
    (80, "ELIBBAD"),
    (81, "ELIBSCN"),
    (82, "ELIBMAX"),
    (83, "ELIBEXEC"),
    (84, "EILSEQ"),
    (85, "ERESTART"),
    (86, "ESTRPIPE"),
    (87, "EUSERS"),
    (88, "ENOTSOCK"),
    (89, "EDESTADDRREQ"),
    (90, "EMSGSIZE"),
    (91, "EPROTOTYPE"),
    (92, "ENOPROTOOPT"),
    (93, "EPROTONOSUPPORT"),
    (94, "ESOCKTNOSUPPORT"),
    (95, "EOPNOTSUPP"),
    (96, "EPFNOSUPPORT"),
    (97, "EAFNOSUPPORT"),
    (98, "EADDRINUSE"),
    (99, "EADDRNOTAVAIL"),
    (100, "ENETDOWN"),
    (101, "ENETUNREACH"),
    (102, "ENETRESET"),
    (103, "ECONNABORTED"),
    (104, "ECONNRESET"),
    (105, "ENOBUFS"),
    (106, "EISCONN"),
    (107, "ENOTCONN"),
    (108, "ESHUTDOWN"),
    (109, "ETOOMANYREFS"),
    (110, "ETIMEDOUT"),
    (111, "ECONNREFUSED"),
    (112, "EHOSTDOWN"),
    (113, "EHOSTUNREACH"),
    (114, "EALREADY"),
    (115, "EINPROGRESS"),
    (116, "ESTALE"),
    (117, "EUCLEAN"),
    (118, "ENOTNAM"),
    (119, "ENAVAIL"),
    (120, "EISNAM"),
    (121, "EREMOTEIO"),
    (122, "EDQUOT"),
    (123, "ENOMEDIUM"),
    (124, "EMEDIUMTYPE"),
    (125, "ECANCELED"),
    (126, "ENOKEY"),
    (127, "EKEYEXPIRED"),
    (128, "EKEYREVOKED"),
    (129, "EKEYREJECTED"),
    (130, "EOWNERDEAD"),
    (131, "ENOTRECOVERABLE"),
    (132, "ERFKILL"),
    (133, "EHWPOISON"),
    (512, "ERESTARTSYS"),
    (513, "ERESTARTNOINTR"),
    (514, "ERESTARTNOHAND"),
    (515, "ENOIOCTLCMD"),
    (516, "ERESTART_RESTARTBLOCK"),
    (517, "EPROBE_DEFER"),
    (518, "EOPENSTALE"),
    (519, "ENOPARAM"),
    (521, "EBADHANDLE"),
    (522, "ENOTSYNC"),
    (523, "EBADCOOKIE"),
    (524, "ENOTSUPP"),
    (525, "ETOOSMALL"),
    (526, "ESERVERFAULT"),
    (527, "EBADTYPE"),
    (528, "EJUKEBOX"),
    (529, "EIOCBQUEUED"),
    (530, "ERECALLCONFLICT"),
    (531, "ENOGRACE"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_read_back() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for (number, name) in NAMES {
            assert_eq!(Errno(number).name(), Some(name));
            assert_eq!(Errno::from_name(name), Some(Errno(number)));
        }
    }

    #[test]
    fn well_known_numbers() {
        for (name, number) in [
            ("EPERM", 1),
            ("ENOENT", 2),
            ("EAGAIN", 11),
            ("EWOULDBLOCK", 11),
            ("EDEADLK", 35),
            ("EDEADLOCK", 35),
            ("ENOSYS", 38),
            ("EOPNOTSUPP", 95),
            ("ENOTSUP", 95),
            ("ETIMEDOUT", 110),
            ("EINPROGRESS", 115),
            ("EHWPOISON", 133),
            ("ERESTARTSYS", 512),
            ("ERESTART_RESTARTBLOCK", 516),
            ("ERECALLCONFLICT", 530),
        ] {
            assert_eq!(Errno::from_name(name), Some(Errno(number)), "{name}");
        }
        assert_eq!(Errno::from_name("ENONSENSE"), None);
        assert_eq!(Errno(41).name(), None);
        assert_eq!(Errno(41).to_string(), "errno 41");
        assert_eq!(Errno(13).to_string(), "EACCES");
    }

    #[test]
    fn restarts_are_told_from_other_errors() {
        let restarts: Vec<u16> = (1..=Errno::MAX)
            .filter(|n| Errno(*n).is_restart())
            .collect();
        assert_eq!(restarts, [512, 513, 514, 516]);
    }

    #[test]
    fn raw_values() {
        assert_eq!(Outcome::from_raw(0), Outcome::Returned(0));
        assert_eq!(Outcome::from_raw(-2), Outcome::Failed(Errno(2)));
        assert_eq!(Outcome::from_raw(-4095), Outcome::Failed(Errno(4095)));
        assert_eq!(Outcome::from_raw(-4096), Outcome::Returned(-4096));
        assert_eq!(Outcome::from_raw(i64::MIN), Outcome::Returned(i64::MIN));
        assert_eq!(Outcome::Returned(7).to_string(), "7");
        assert_eq!(Outcome::from_raw(-2).to_string(), "ENOENT");
        assert!(Outcome::Returned(-5000).is_ok());
        assert_eq!(Outcome::from_raw(-2).errno(), Some(Errno(2)));
    }
}
