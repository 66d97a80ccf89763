//! Calls in tables and JSON objects of any layout, where whoever reads them says which part stands where.
//!
//! The [`Map`] names columns, by their titles or their numbers from 1, or JSON pointers (RFC 6901). A part
//! that it does not name is absent. A row of which a named part cannot be read is counted, and a gap stands
//! in its place, since it may have been a call; an empty cell, or a field that is not there or null, is a
//! part that is absent.
//!
//! Traps: the ABI of calls by number has to be said (`abi=`, or `--abi`). A number is no time without its
//! unit. An error number of 0 says that a call succeeded and not what it returned, so it tells no outcome
//! alone. Forks are not known; `exit` and `exit_group` end a stream, and an `execve` that is known to have
//! succeeded begins one. Where a row is half a call, name the column that says which half (`direction=`).

use std::borrow::Cow;
use std::ops::ControlFlow;

mod json;
mod row;
mod spec;
mod table;

pub(crate) use self::json::JsonReader;
pub use self::spec::{BadMap, Map, TimeUnit};
pub(crate) use self::table::TableReader;

use self::row::Rows;
use self::spec::Part;

/// Gives the text of a part of a row: none where it is absent.
type Cells<'a> = dyn Fn(Part) -> Result<Option<Cow<'a, str>>, Unreadable> + 'a;

/// A part of a row that is there and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unreadable;

/// What a row was.
enum Row {
    /// Taken, or refused with the whole file.
    Done(ControlFlow<()>),
    /// Not in the form that the map says.
    Bad,
}
