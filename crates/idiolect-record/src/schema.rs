//! The columns of a Parquet file of records; `docs/recording-format.md` says what they mean.

use std::sync::Arc;

use idiolect_trace::{GapCause, LifecycleKind};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};

/// The version of the format that is written, of Parquet files and of recordings.
pub const FORMAT: u32 = 1;

/// The key of a Parquet file's metadata under which its [`RecordingInfo`](crate::RecordingInfo) is.
pub(crate) const INFO_KEY: &str = "idiolect";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    TimeNs,
    Kind,
    Origin,
    Host,
    Boot,
    Tgid,
    StartNs,
    Tid,
    Incarnation,
    ExecGeneration,
    Abi,
    Number,
    Name,
    Returned,
    Errno,
    ParentOrigin,
    ParentHost,
    ParentBoot,
    ParentTgid,
    ParentStartNs,
    ParentTid,
    ParentIncarnation,
    ParentExecGeneration,
    Executable,
    Uid,
    Cgroup,
    ExitCode,
    ExitSignal,
    GapScope,
    GapCpu,
    GapLost,
    GapCause,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// UTF-8.
    Text,
    /// A whole number of this many bits (32 or 64 at rest), signed or not.
    Int { bits: i8, signed: bool },
}

const U64: Content = Content::Int {
    bits: 64,
    signed: false,
};
const U32: Content = Content::Int {
    bits: 32,
    signed: false,
};
const U16: Content = Content::Int {
    bits: 16,
    signed: false,
};
const U8: Content = Content::Int {
    bits: 8,
    signed: false,
};
const I64: Content = Content::Int {
    bits: 64,
    signed: true,
};
const I32: Content = Content::Int {
    bits: 32,
    signed: true,
};

/// All columns in the order of the file.
pub(crate) const COLUMNS: [(Column, &str, Content); 32] = {
    use Content::Text;
    [
        (Column::TimeNs, "time_ns", U64),
        (Column::Kind, "kind", Text),
        (Column::Origin, "origin", Text),
        (Column::Host, "host", Text),
        (Column::Boot, "boot", Text),
        (Column::Tgid, "tgid", U32),
        (Column::StartNs, "start_ns", U64),
        (Column::Tid, "tid", U32),
        (Column::Incarnation, "incarnation", U32),
        (Column::ExecGeneration, "exec_generation", U32),
        (Column::Abi, "abi", Text),
        (Column::Number, "number", U32),
        (Column::Name, "name", Text),
        (Column::Returned, "returned", I64),
        (Column::Errno, "errno", U16),
        (Column::ParentOrigin, "parent_origin", Text),
        (Column::ParentHost, "parent_host", Text),
        (Column::ParentBoot, "parent_boot", Text),
        (Column::ParentTgid, "parent_tgid", U32),
        (Column::ParentStartNs, "parent_start_ns", U64),
        (Column::ParentTid, "parent_tid", U32),
        (Column::ParentIncarnation, "parent_incarnation", U32),
        (Column::ParentExecGeneration, "parent_exec_generation", U32),
        (Column::Executable, "executable", Text),
        (Column::Uid, "uid", U32),
        (Column::Cgroup, "cgroup", Text),
        (Column::ExitCode, "exit_code", I32),
        (Column::ExitSignal, "exit_signal", U8),
        (Column::GapScope, "gap_scope", Text),
        (Column::GapCpu, "gap_cpu", U32),
        (Column::GapLost, "gap_lost", U64),
        (Column::GapCause, "gap_cause", Text),
    ]
};

/// The columns of a stream's identity, in the order origin, host, boot, tgid, start, tid, incarnation,
/// exec generation.
pub(crate) const STREAM: [Column; 8] = [
    Column::Origin,
    Column::Host,
    Column::Boot,
    Column::Tgid,
    Column::StartNs,
    Column::Tid,
    Column::Incarnation,
    Column::ExecGeneration,
];

/// The same of a parent.
pub(crate) const PARENT: [Column; 8] = [
    Column::ParentOrigin,
    Column::ParentHost,
    Column::ParentBoot,
    Column::ParentTgid,
    Column::ParentStartNs,
    Column::ParentTid,
    Column::ParentIncarnation,
    Column::ParentExecGeneration,
];

impl Column {
    /// Its name in the file.
    pub(crate) fn name(self) -> &'static str {
        COLUMNS[self as usize].1
    }
}

impl Content {
    /// How its values lie in the file.
    pub(crate) fn physical(self) -> Physical {
        match self {
            Content::Text => Physical::BYTE_ARRAY,
            Content::Int { bits: 64, .. } => Physical::INT64,
            Content::Int { .. } => Physical::INT32,
        }
    }

    fn logical(self) -> LogicalType {
        match self {
            Content::Text => LogicalType::String,
            Content::Int { bits, signed } => LogicalType::integer(bits, signed),
        }
    }
}

/// The schema that is written. Every column but `kind` may be absent in a row.
pub(crate) fn message() -> Result<TypePtr, ParquetError> {
    let fields = COLUMNS
        .iter()
        .map(|&(column, name, content)| {
            Type::primitive_type_builder(name, content.physical())
                .with_repetition(match column {
                    Column::Kind => Repetition::REQUIRED,
                    _ => Repetition::OPTIONAL,
                })
                .with_logical_type(Some(content.logical()))
                .build()
                .map(Arc::new)
        })
        .collect::<Result<_, _>>()?;
    Type::group_type_builder("idiolect")
        .with_fields(fields)
        .build()
        .map(Arc::new)
}

/// The word for a call in the column `kind`.
pub(crate) const CALL: &str = "call";
/// The word for a gap.
pub(crate) const GAP: &str = "gap";

/// The words for what happens in a life.
pub(crate) const LIFECYCLES: [(LifecycleKind, &str); 5] = [
    (LifecycleKind::Fork, "fork"),
    (LifecycleKind::Clone, "clone"),
    (LifecycleKind::Exec, "exec"),
    (LifecycleKind::Exit, "exit"),
    (LifecycleKind::Attach, "attach"),
];

/// The words for causes of gaps.
pub(crate) const CAUSES: [(GapCause, &str); 5] = [
    (GapCause::BufferFull, "buffer_full"),
    (GapCause::TableFull, "table_full"),
    (GapCause::RateLimit, "rate_limit"),
    (GapCause::Unreadable, "unreadable"),
    (GapCause::Unknown, "unknown"),
];

/// The words for where a gap is.
pub(crate) const SCOPE_ORIGIN: &str = "origin";
/// On a processor.
pub(crate) const SCOPE_CPU: &str = "cpu";
/// In a stream.
pub(crate) const SCOPE_STREAM: &str = "stream";

/// The word of a pair's value.
pub(crate) fn word<T: PartialEq>(pairs: &[(T, &'static str)], value: &T) -> Option<&'static str> {
    pairs
        .iter()
        .find_map(|(known, word)| (known == value).then_some(*word))
}

/// The value of a pair's word.
pub(crate) fn value<T: Copy>(pairs: &[(T, &'static str)], word: &str) -> Option<T> {
    pairs
        .iter()
        .find_map(|&(value, known)| (known == word).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_where_their_number_says() {
        for (place, (column, name, _)) in COLUMNS.into_iter().enumerate() {
            assert_eq!(column as usize, place, "{name}");
            assert_eq!(column.name(), name);
        }
        assert_eq!(message().unwrap().get_fields().len(), COLUMNS.len());
    }

    #[test]
    fn every_kind_and_cause_has_a_word() {
        for kind in LifecycleKind::ALL {
            assert!(word(&LIFECYCLES, &kind).is_some(), "{kind:?}");
        }
        for cause in GapCause::ALL {
            assert!(word(&CAUSES, &cause).is_some(), "{cause:?}");
        }
    }
}
