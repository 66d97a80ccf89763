//! Tables that are counted: n-grams, PPM, STIDE and its kin.

use std::iter;
use std::sync::Arc;

use idiolect_detect::tables::{Escape, Smoothing, TableConfig};
use idiolect_detect::{Token, Vocabulary};

use super::{Built, Job, Method, PerCall};

/// The tables of the literature, each counted in all training streams, by the name under which it is asked
/// for. The number behind a name is that of the calls of a window or an n-gram.
pub fn counted() -> Vec<Arc<dyn Method>> {
    let ngram = |order, smoothing| TableConfig::Ngram { order, smoothing };
    let named = [
        ("stide-3", TableConfig::Stide { len: 3 }),
        ("stide", TableConfig::Stide { len: 6 }),
        ("stide-10", TableConfig::Stide { len: 10 }),
        // Warrender et al. 1999: below 0.001 % of all windows.
        ("t-stide", TableConfig::TStide { len: 6, rare: 1e-5 }),
        ("frequency", TableConfig::Frequency { len: 6 }),
        ("lookahead", TableConfig::Lookahead { len: 9 }),
        ("markov", ngram(2, Smoothing::WittenBell)),
        ("ngram-3", ngram(3, Smoothing::WittenBell)),
        ("ngram-5", ngram(5, Smoothing::WittenBell)),
        ("ngram", ngram(8, Smoothing::WittenBell)),
        ("ngram-12", ngram(12, Smoothing::WittenBell)),
        ("kneser-ney", ngram(10, Smoothing::KneserNey)),
        (
            "ppm",
            TableConfig::Ppm {
                order: 8,
                escape: Escape::D,
            },
        ),
    ];
    let method = |(name, config): (&str, TableConfig)| {
        let method = PerCall::new(name, format!("{config:?}"), move |job| count(config, job));
        Arc::new(method) as Arc<dyn Method>
    };
    named.into_iter().map(method).collect()
}

fn count(config: TableConfig, job: &Job<'_>) -> Result<Built, String> {
    let vocabulary = job.vocabulary();
    let table = config.count(vocabulary.len(), sequences(job, &vocabulary));
    let table = table.map_err(|error| error.to_string())?;
    Ok(Built {
        bytes: table.bytes() as u64,
        detector: table.into_detector(),
        vocabulary,
    })
}

/// The streams, each behind its start.
pub(super) fn sequences(
    job: &Job<'_>,
    vocabulary: &Vocabulary,
) -> impl Iterator<Item = impl Iterator<Item = Token>> {
    let streams = job.tokens(vocabulary).into_iter();
    streams.map(|(start, tokens)| iter::once(Vocabulary::start(start)).chain(tokens))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::scores;

    #[test]
    fn each_finds_what_it_has_not_counted() {
        let normal = ["a b c d e f g h i j k l"; 8];
        // The calls are known, in an order that is not.
        let test = ["a b c d e f g h i j k l", "l k j i h g f e d c b a"];
        for method in counted() {
            let got = scores(method.as_ref(), &normal, &test, 1);
            assert!(got[0] < got[1], "{}: {got:?}", method.name());
        }
    }

    #[test]
    fn windows_say_nothing_of_a_streams_first_calls() {
        let stide = counted().into_iter().find(|m| m.name() == "stide-3");
        // Windows abc, bcd; of xbcd: xbc, which was never seen, and bcd.
        let got = scores(
            stide.unwrap().as_ref(),
            &["a b c d"],
            &["a b c d", "x b c d"],
            1,
        );
        assert_eq!(got, [0.0, 0.5]);
    }
}
