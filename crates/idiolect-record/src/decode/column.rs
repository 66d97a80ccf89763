//! Columns in memory.

use crate::columns::NONE;

/// The code of each row in a dictionary, [`NONE`] where nothing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Codes {
    /// All rows have the same.
    Constant(u32, usize),
    /// One a row.
    Each(Vec<u32>),
}

impl Codes {
    pub(crate) fn len(&self) -> usize {
        match self {
            Codes::Constant(_, rows) => *rows,
            Codes::Each(codes) => codes.len(),
        }
    }

    /// The code of a row; [`NONE`] beyond the end.
    pub(crate) fn get(&self, row: usize) -> u32 {
        match self {
            Codes::Constant(code, _) => *code,
            Codes::Each(codes) => codes.get(row).copied().unwrap_or(NONE),
        }
    }

    /// Appends rows of one code.
    pub(super) fn push(&mut self, code: u32, count: usize) {
        match self {
            _ if count == 0 => {}
            Codes::Constant(constant, rows) if *rows == 0 => (*constant, *rows) = (code, count),
            Codes::Constant(constant, rows) if *constant == code => *rows += count,
            _ => self.each().extend(std::iter::repeat_n(code, count)),
        }
    }

    /// One a row from now on.
    pub(super) fn each(&mut self) -> &mut Vec<u32> {
        if let Codes::Constant(code, rows) = *self {
            *self = Codes::Each(vec![code; rows]);
        }
        match self {
            Codes::Each(codes) => codes,
            Codes::Constant(..) => unreachable!("it was made one a row"),
        }
    }
}

/// A column whose values are named by their place in a dictionary.
#[derive(Clone, Debug)]
pub(crate) struct Coded<V> {
    pub(crate) dictionary: Vec<V>,
    pub(crate) codes: Codes,
}

impl<V> Coded<V> {
    /// A column with nothing in it.
    pub(crate) fn absent(rows: usize) -> Self {
        Coded {
            dictionary: Vec::new(),
            codes: Codes::Constant(NONE, rows),
        }
    }

    /// The value of a row.
    pub(crate) fn get(&self, row: usize) -> Option<&V> {
        self.dictionary.get(self.codes.get(row) as usize)
    }
}

/// A column of numbers, one a row.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    /// 0 where there is none.
    pub(crate) values: Vec<i64>,
    pub(crate) present: Present,
}

/// Which rows have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    All,
    None,
    Each(Vec<bool>),
}

impl Present {
    /// Whether a row has one.
    pub(crate) fn at(&self, row: usize) -> bool {
        match self {
            Present::All => true,
            Present::None => false,
            Present::Each(each) => each.get(row).copied().unwrap_or(false),
        }
    }
}

impl Numbers {
    /// Appends a page's numbers; `levels` say which rows have one.
    pub(super) fn push(&mut self, numbers: &[i64], levels: &[(bool, usize)]) {
        let before = self.values.len();
        let here = match levels {
            [(true, _)] => {
                self.values.extend_from_slice(numbers);
                Present::All
            }
            [(false, count)] => {
                self.values.resize(before + count, 0);
                Present::None
            }
            _ => {
                let mut numbers = numbers.iter();
                let mut each = Vec::with_capacity(levels.iter().map(|run| run.1).sum());
                for &(present, count) in levels {
                    each.resize(each.len() + count, present);
                    if present {
                        self.values.extend(numbers.by_ref().take(count));
                    } else {
                        self.values.resize(self.values.len() + count, 0);
                    }
                }
                Present::Each(each)
            }
        };
        if before == 0 {
            self.present = here;
        } else if self.present != here || matches!(here, Present::Each(_)) {
            let mut each: Vec<bool> = (0..before).map(|row| self.present.at(row)).collect();
            each.extend((0..self.values.len() - before).map(|row| here.at(row)));
            self.present = Present::Each(each);
        }
    }
}
