//! Bags of n-grams by what they hold, for the products of one with all others.

use std::collections::HashMap;

use idiolect_detect::Streams;
use rayon::prelude::*;

use super::Score;
use super::bag::{Calls, unit_grams};

/// A bag: how often each sequence of calls occurs, by a number that stands for it, as a unit vector.
pub(super) type Bag = Vec<(u64, f32)>;

/// Bags of training streams: for each sequence those that have it, with its weight in each.
#[derive(Debug)]
pub(super) struct Index {
    calls: Calls,
    longest: usize,
    bags: usize,
    occurs: HashMap<u64, Vec<(u32, f32)>>,
}

impl Index {
    /// Of these streams, as bags of sequences of up to so many calls (at most 3).
    pub(super) fn of(streams: &Streams, longest: usize) -> Self {
        let calls = Calls::of(streams);
        let bags = bags(streams, &calls, longest);
        Index::of_bags(calls, longest, &bags)
    }

    /// Of bags of these calls, in their order.
    pub(super) fn of_bags(calls: Calls, longest: usize, bags: &[Bag]) -> Self {
        let mut occurs: HashMap<u64, Vec<(u32, f32)>> = HashMap::new();
        for (place, bag) in bags.iter().enumerate() {
            for &(gram, weight) in bag {
                occurs.entry(gram).or_default().push((place as u32, weight));
            }
        }
        Index {
            calls,
            longest,
            bags: bags.len(),
            occurs,
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let entries: usize = self.occurs.values().map(Vec::len).sum();
        (self.occurs.len() * size_of::<u64>() + entries * size_of::<(u32, f32)>()) as u64
    }

    /// The scalar product of a bag with each of its own.
    pub(super) fn products(&self, bag: &Bag, products: &mut Vec<f32>) {
        products.clear();
        products.resize(self.bags, 0.0);
        for (gram, weight) in bag {
            for &(other, of_other) in self.occurs.get(gram).into_iter().flatten() {
                products[other as usize] += weight * of_other;
            }
        }
    }

    /// The scores of streams by the products of their bags with its own.
    pub(super) fn score(
        &self,
        streams: &Streams,
        places: &[usize],
        threads: usize,
        score: impl Fn(&[f32]) -> f32 + Sync,
    ) -> Vec<Score> {
        let of = self.calls.translate(streams);
        super::on_threads(threads, || {
            let scored = places.par_iter().map_init(Vec::new, |products, &place| {
                let bag = unit_grams(&streams.get(place).symbols, &of, self.longest);
                self.products(&bag, products);
                Score {
                    whole: vec![score(products)],
                    after_each: None,
                }
            });
            scored.collect()
        })
    }
}

/// Streams as bags.
pub(super) fn bags(streams: &Streams, calls: &Calls, longest: usize) -> Vec<Bag> {
    let of = calls.translate(streams);
    let bag = |stream: &idiolect_detect::Stream| unit_grams(&stream.symbols, &of, longest);
    streams.iter().map(bag).collect()
}
