//! What a map says, as it is typed: `name=syscall,pid=2,time=/ts,unit=ms`.

use std::str::FromStr;

/// A part of a call that a map can place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Name,
    Number,
    Pid,
    Tid,
    Time,
    Errno,
    Result,
    Abi,
    Host,
    Direction,
}

impl Part {
    pub(super) const ALL: [Part; 10] = [
        Part::Name,
        Part::Number,
        Part::Pid,
        Part::Tid,
        Part::Time,
        Part::Errno,
        Part::Result,
        Part::Abi,
        Part::Host,
        Part::Direction,
    ];

    fn key(self) -> &'static str {
        match self {
            Part::Name => "name",
            Part::Number => "number",
            Part::Pid => "pid",
            Part::Tid => "tid",
            Part::Time => "time",
            Part::Errno => "errno",
            Part::Result => "result",
            Part::Abi => "abi",
            Part::Host => "host",
            Part::Direction => "direction",
        }
    }
}

/// What a number that is a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named by what it is")]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl TimeUnit {
    /// Nanoseconds in one.
    pub fn ns(self) -> u64 {
        match self {
            TimeUnit::Seconds => 1_000_000_000,
            TimeUnit::Milliseconds => 1_000_000,
            TimeUnit::Microseconds => 1_000,
            TimeUnit::Nanoseconds => 1,
        }
    }
}

/// Where the parts of a call stand in a table or in JSON objects.
///
/// It is read from text: `KEY=PLACE` with commas between (`\,` is a comma in a place). A place is a column's
/// title, its number from 1, or a JSON pointer.
///
/// | key | part |
/// |---|---|
/// | `name` | the call: a name in any tool's spelling, or a number |
/// | `number` | the call's number |
/// | `pid`, `tid` | process and thread |
/// | `time` | when it was entered: RFC 3339, or a number in the unit of `unit` |
/// | `errno` | the error: `ENOENT`, `2` or `-2`; `0` is none |
/// | `result` | what it returned; -4095 to -1 are errors |
/// | `abi` | its ABI |
/// | `host` | the host |
/// | `direction` | which half of the call the row is: `>`, `enter` or `E`, and `<`, `exit` or `X` |
///
/// and of all rows: `unit` (`s`, `ms`, `us`, `ns`), `header` (`yes` or `no`: whether the first row of a table
/// holds titles), `separator` (`comma`, `tab`, `semicolon`, `pipe` or `space`; found by the first row where
/// absent).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    places: [Option<String>; Part::ALL.len()],
    pub(super) unit: Option<TimeUnit>,
    pub(super) header: Option<bool>,
    pub(super) separator: Option<u8>,
}

/// The text is no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMap {
    /// A piece is not `KEY=PLACE`.
    #[error("{0:?} is not KEY=PLACE, such as name=syscall or pid=2")]
    Form(String),
    /// A key that does not exist.
    #[error(
        "there is no {0:?} to map (there are name, number, pid, tid, time, errno, result, abi, host, \
         direction, unit, header and separator)"
    )]
    Key(String),
    /// A key that comes twice.
    #[error("{0} is mapped twice")]
    Twice(String),
    /// A value that its key does not have.
    #[error("{key}={value}: it is {expected}")]
    Value {
        /// The key.
        key: String,
        /// What was given.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// Nothing says which call a row is.
    #[error("neither name nor number is mapped, and one of them has to be")]
    NoCall,
}

impl Map {
    /// Where a part stands, as it was typed.
    pub(super) fn place(&self, part: Part) -> Option<&str> {
        self.places[part as usize].as_deref()
    }

    /// Whether the columns are all given by number.
    pub(super) fn by_numbers(&self) -> bool {
        let is_number = |place: &String| place.bytes().all(|b| b.is_ascii_digit());
        self.places.iter().flatten().all(is_number)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), BadMap> {
        let twice = || BadMap::Twice(key.to_owned());
        if let Some(part) = Part::ALL.into_iter().find(|part| part.key() == key) {
            let place = &mut self.places[part as usize];
            return match place.replace(value) {
                None => Ok(()),
                Some(_) => Err(twice()),
            };
        }
        let bad = |expected| BadMap::Value {
            key: key.to_owned(),
            value: value.clone(),
            expected,
        };
        let before = match key {
            "unit" => {
                let unit = match value.as_str() {
                    "s" => TimeUnit::Seconds,
                    "ms" => TimeUnit::Milliseconds,
                    "us" => TimeUnit::Microseconds,
                    "ns" => TimeUnit::Nanoseconds,
                    _ => return Err(bad("s, ms, us or ns")),
                };
                self.unit.replace(unit).is_some()
            }
            "header" => {
                let header = match value.as_str() {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(bad("yes or no")),
                };
                self.header.replace(header).is_some()
            }
            "separator" => {
                let separator = match value.as_str() {
                    "comma" => b',',
                    "tab" => b'\t',
                    "semicolon" => b';',
                    "pipe" => b'|',
                    "space" => b' ',
                    _ => return Err(bad("comma, tab, semicolon, pipe or space")),
                };
                self.separator.replace(separator).is_some()
            }
            _ => return Err(BadMap::Key(key.to_owned())),
        };
        if before { Err(twice()) } else { Ok(()) }
    }
}

impl FromStr for Map {
    type Err = BadMap;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut map = Map::default();
        for piece in pieces(text) {
            let form = || BadMap::Form(piece.clone());
            let (key, value) = piece.split_once('=').ok_or_else(form)?;
            let value = value.trim();
            if value.is_empty() {
                return Err(form());
            }
            map.set(key.trim(), value.to_owned())?;
        }
        if map.place(Part::Name).or(map.place(Part::Number)).is_none() {
            return Err(BadMap::NoCall);
        }
        Ok(map)
    }
}

/// The text between commas, `\,` being a comma itself.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(last) = pieces.last_mut() else {
            break;
        };
        match c {
            '\\' if chars.next_if_eq(&',').is_some() => last.push(','),
            ',' => pieces.push(String::new()),
            _ => last.push(c),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_as_they_are_typed() {
        let map: Map = r"name=syscall, pid=2,time=/a\,b/ts,unit=ms,header=no,separator=tab"
            .parse()
            .unwrap();
        assert_eq!(map.place(Part::Name), Some("syscall"));
        assert_eq!(map.place(Part::Pid), Some("2"));
        assert_eq!(map.place(Part::Time), Some("/a,b/ts"));
        assert_eq!(map.place(Part::Tid), None);
        assert_eq!(map.unit.map(TimeUnit::ns), Some(1_000_000));
        assert_eq!((map.header, map.separator), (Some(false), Some(b'\t')));
        assert!(!map.by_numbers());
        assert!("name=1,pid=3".parse::<Map>().unwrap().by_numbers());
    }

    #[test]
    fn what_is_no_map() {
        for (text, error) in [
            ("", BadMap::Form(String::new())),
            ("name", BadMap::Form("name".to_owned())),
            ("name=", BadMap::Form("name=".to_owned())),
            ("mood=1", BadMap::Key("mood".to_owned())),
            ("name=1,name=2", BadMap::Twice("name".to_owned())),
            ("pid=1", BadMap::NoCall),
        ] {
            assert_eq!(text.parse::<Map>(), Err(error), "{text}");
        }
        let error = "name=1,unit=min".parse::<Map>().unwrap_err().to_string();
        assert_eq!(error, "unit=min: it is s, ms, us or ns");
    }

    #[test]
    fn parts_are_indexed_by_their_place() {
        for (index, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!(part as usize, index);
        }
    }
}
