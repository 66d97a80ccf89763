//! Which index stands for which call.

use std::collections::HashMap;

use idiolect_trace::StartKind;
use serde::{Deserialize, Serialize};

/// Index of a token in a profile's vocabulary.
pub type Token = u32;

/// The tokens of a profile: five that stand for no call, then the calls seen in training, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    names: Vec<String>,
    index: HashMap<String, Token>,
}

/// The names of the tokens that stand for no call, in the order of their indices.
const SPECIAL: [&str; 5] = ["<unk>", "<exec>", "<thread>", "<attach>", "<gap>"];

impl Vocabulary {
    /// A call that no training stream made.
    pub const UNKNOWN: Token = 0;
    /// Calls are missing here.
    pub const GAP: Token = 4;
    /// The first token that stands for a call.
    pub const FIRST_CALL: Token = SPECIAL.len() as Token;
    /// Most tokens that a vocabulary may have: every call of every ABI fits many times over.
    pub const MAX_TOKENS: usize = 16_384;

    /// The vocabulary of these call names; copies count once.
    pub fn of_calls<'a>(calls: impl IntoIterator<Item = &'a str>) -> Self {
        let mut calls: Vec<&str> = calls.into_iter().collect();
        calls.sort_unstable();
        calls.dedup();
        let names = SPECIAL.into_iter().chain(calls);
        Self::index(names.map(str::to_owned).collect())
    }

    /// The token that a stream begins with.
    pub fn start(kind: StartKind) -> Token {
        match kind {
            StartKind::Exec => 1,
            StartKind::Thread => 2,
            StartKind::Attach => 3,
        }
    }

    /// The token of a call name, [`Self::UNKNOWN`] for one never seen in training.
    pub fn token(&self, call: &str) -> Token {
        self.index.get(call).copied().unwrap_or(Self::UNKNOWN)
    }

    /// What a token stands for.
    pub fn name(&self, token: Token) -> &str {
        self.names
            .get(token as usize)
            .map_or(SPECIAL[0], String::as_str)
    }

    /// How many tokens there are, the special ones included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: there are always the special tokens.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The calls, sorted by name.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.names[SPECIAL.len()..].iter().map(String::as_str)
    }

    /// The vocabulary that a file lists, if it is one: the special tokens first, then distinct sorted calls.
    pub(crate) fn from_listed(names: Vec<String>) -> Result<Self, String> {
        if names.len() > Self::MAX_TOKENS {
            return Err(format!(
                "{} tokens, more than the {} that a vocabulary may have",
                names.len(),
                Self::MAX_TOKENS
            ));
        }
        if names.len() < SPECIAL.len() || names[..SPECIAL.len()] != SPECIAL {
            return Err(format!("it does not begin with {}", SPECIAL.join(" ")));
        }
        if !names[SPECIAL.len()..].is_sorted_by(|a, b| a < b) {
            return Err("its calls are not distinct and sorted".to_owned());
        }
        Ok(Self::index(names))
    }

    fn index(names: Vec<String>) -> Self {
        let index = names.iter().cloned().zip(0..).collect();
        Vocabulary { names, index }
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::deserialize(deserializer)?;
        Vocabulary::from_listed(names)
            .map_err(|why| serde::de::Error::custom(format!("bad vocabulary: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sorted_and_reversible() {
        let vocabulary = Vocabulary::of_calls(["read", "close", "read", "i386:execve"]);
        assert_eq!(
            vocabulary.calls().collect::<Vec<_>>(),
            ["close", "i386:execve", "read"]
        );
        assert_eq!(vocabulary.name(vocabulary.token("read")), "read");
        assert_eq!(vocabulary.token("open"), Vocabulary::UNKNOWN);
        for kind in StartKind::ALL {
            assert_eq!(vocabulary.name(Vocabulary::start(kind)), kind.token());
        }
        assert_eq!(vocabulary.name(Vocabulary::GAP), "<gap>");
    }

    #[test]
    fn a_listed_vocabulary_is_checked() {
        let good = Vocabulary::of_calls(["a", "b"]);
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), good);
        for bad in [
            "[]",
            r#"["<unk>"]"#,
            r#"["<unk>","<exec>","<thread>","<attach>","<gap>","b","a"]"#,
            r#"["<unk>","<exec>","<thread>","<attach>","<gap>","a","a"]"#,
        ] {
            assert!(serde_json::from_str::<Vocabulary>(bad).is_err(), "{bad}");
        }
    }
}
