//! Detectors as they are typed.

use std::fmt;
use std::sync::Arc;

use crate::combine::Rule;
use crate::methods::Method;

/// A score of a method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The method's name.
    pub method: String,
    /// The place of its readout.
    pub readout: usize,
    /// Both as typed.
    name: String,
}

/// A detector: one score, or several combined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// One.
    One(Part),
    /// Several: `sum:lstm+novelty`.
    Combined {
        /// By which rule.
        rule: Rule,
        /// What is combined.
        members: Vec<Part>,
    },
}

/// What was typed is no detector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// There is no such score.
    #[error("no detector is called {name:?}; there are {known}")]
    Unknown {
        /// What was typed.
        name: String,
        /// All that there is.
        known: String,
    },
    /// There is no such rule.
    #[error("no rule is called {0:?}; there are {rules}", rules = Rule::ALL.map(Rule::as_str).join(", "))]
    UnknownRule(String),
    /// One is no combination.
    #[error("{0}: combining needs two detectors or more: sum:lstm+novelty")]
    Alone(String),
}

impl Spec {
    /// Reads what was typed: `lstm`, `lstm/distinct3`, or `RULE:ONE+ANOTHER`.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn parse(text: &str, methods: &[Arc<dyn Method>]) -> Result<Self, SpecError> {
        let Some((rule, members)) = text.split_once(':') else {
            return Part::parse(text, methods).map(Spec::One);
        };
        let rule = Rule::ALL
            .into_iter()
            .find(|known| known.as_str() == rule)
            .ok_or_else(|| SpecError::UnknownRule(rule.to_owned()))?;
        let members: Vec<Part> = members
            .split('+')
            .map(|member| Part::parse(member, methods))
            .collect::<Result<_, _>>()?;
        if members.len() < 2 {
            return Err(SpecError::Alone(text.to_owned()));
        }
        Ok(Spec::Combined { rule, members })
    }

    /// The scores that it is made of.
    pub fn parts(&self) -> &[Part] {
        match self {
            Spec::One(part) => std::slice::from_ref(part),
            Spec::Combined { members, .. } => members,
        }
    }
}

impl Part {
    fn parse(text: &str, methods: &[Arc<dyn Method>]) -> Result<Self, SpecError> {
        let mut known = Vec::new();
        for method in methods {
            for (readout, of) in method.readouts().iter().enumerate() {
                let name = match of.name {
                    "" => method.name().to_owned(),
                    of => format!("{}/{of}", method.name()),
                };
                if name == text {
                    return Ok(Part {
                        method: method.name().to_owned(),
                        readout,
                        name,
                    });
                }
                known.push(name);
            }
        }
        Err(SpecError::Unknown {
            name: text.to_owned(),
            known: known.join(", "),
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::One(part) => f.write_str(&part.name),
            Spec::Combined { rule, members } => {
                let members: Vec<&str> = members.iter().map(|part| part.name.as_str()).collect();
                write!(f, "{}:{}", rule.as_str(), members.join("+"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::whole_stream;

    #[test]
    fn what_is_typed_reads_back() {
        let methods = whole_stream();
        for text in [
            "novelty",
            "novelty/kth",
            "sum:bag-1+novelty/kth",
            "vote:bag-1+bag-3+k-means",
        ] {
            assert_eq!(Spec::parse(text, &methods).unwrap().to_string(), text);
        }
        let error = |text| Spec::parse(text, &methods).unwrap_err().to_string();
        assert!(error("nosuch").contains("novelty/kth"));
        assert!(error("best:bag-1+novelty").contains("ranks"));
        assert!(error("sum:novelty").contains("two detectors"));
    }
}
