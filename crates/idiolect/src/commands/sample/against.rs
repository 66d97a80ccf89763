//! How well drawn streams resemble real ones, as the person sees it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use idiolect_detect::profile::Profile;
use idiolect_detect::sample::{Halves, Halving, Lengths, Overlap, Resemblance, Shares, is_end};
use idiolect_detect::{Stream, Streams, Symbol, Token};
use idiolect_trace::StartKind;
use idiolect_trace::read::Part;
use serde_json::json;

use super::{Drawn, Sample};
use crate::args::Reading;
use crate::collect;
use crate::ui;

/// Most calls drawn where no number of streams is given.
const MOST_CALLS: usize = 100_000;

/// The real streams.
pub(super) struct Real {
    /// Those that start as the drawn ones do.
    streams: Streams,
    halves: Halves,
    /// Streams that start otherwise.
    others: usize,
}

impl Real {
    /// Reads them; of labelled data sets what is normal and was not to be trained on, unless told
    /// otherwise.
    pub(super) fn read(paths: &[PathBuf], reading: &Reading, start: StartKind) -> Result<Self> {
        let parts: &[Part] = match reading.part.as_slice() {
            [] => &[Part::Validation],
            parts => parts,
        };
        let read = collect::read(paths, reading, parts)?.streams;
        let mut streams = Streams::default();
        for stream in read.iter().filter(|stream| stream.start == start) {
            let symbols = stream.symbols.iter();
            let same = symbols.map(|&symbol| match symbol {
                Streams::GAP => Streams::GAP,
                symbol => streams.symbol(read.name(symbol)),
            });
            let symbols = same.collect();
            streams.push(Stream {
                symbols,
                ..stream.clone()
            });
        }
        if streams.is_empty() {
            let there: Vec<&str> = StartKind::ALL
                .into_iter()
                .filter(|&kind| read.iter().any(|stream| stream.start == kind))
                .map(StartKind::token)
                .collect();
            match there.as_slice() {
                [] => bail!("there is no stream to compare with in what was read"),
                there => bail!(
                    "no real stream starts with {}, as the drawn ones do; they start with {}: choose \
                     with --start",
                    start.token(),
                    there.join(" and ")
                ),
            }
        }
        Ok(Real {
            halves: Halves::of(&streams)?,
            others: read.len() - streams.len(),
            streams,
        })
    }

    /// How many calls it takes to compare as many as there are.
    pub(super) fn calls_to_draw(&self) -> usize {
        self.halves.calls().min(MOST_CALLS)
    }

    fn lengths(&self, ends: &[String]) -> Option<Lengths> {
        let is_cut = |stream: &Stream| {
            let last = stream.symbols.last();
            !last.is_some_and(|&symbol| is_end(self.streams.name(symbol), ends))
        };
        let streams = self.streams.iter();
        Lengths::of(streams.map(|stream| (stream.calls(), is_cut(stream))))
    }
}

/// The comparison, as text or JSON.
pub(super) fn compare(
    drawn: &Drawn,
    real: &Real,
    profile: &Profile,
    args: &Sample,
    start: StartKind,
) -> String {
    let mut names = real.streams.clone();
    let mut symbol = |token: &Token| names.symbol(profile.vocabulary.name(*token));
    let samples: Vec<Vec<Symbol>> = drawn
        .streams
        .iter()
        .map(|tokens| tokens.iter().map(&mut symbol).collect())
        .collect();
    let resemblance = real.halves.compare(&samples, args.seed);
    let lengths = [
        Lengths::of(drawn.lengths.iter().copied()),
        real.lengths(&args.end),
    ];
    let comparable = lengths
        .iter()
        .all(|lengths| lengths.is_some_and(|lengths| lengths.are_whole()));
    if args.json {
        let [of_drawn, of_real] = lengths;
        let object = json!({
            "start": start,
            "temperature": args.temperature,
            "seed": args.seed,
            "streams": drawn.streams.len(),
            "calls": drawn.calls,
            "mean_surprise": drawn.mean_surprise(),
            "held_out_surprise": profile.provenance.tune_surprise,
            "real_streams": real.streams.len(),
            "real_streams_that_start_otherwise": real.others,
            "resemblance": resemblance,
            "lengths": {"drawn": of_drawn, "real": of_real, "comparable": comparable},
        });
        return format!("{object}\n");
    }
    let mut text = format!(
        "{} against {} that start with {}",
        ui::plural(drawn.streams.len(), "drawn stream"),
        ui::plural(real.streams.len(), "real one"),
        start.token(),
    );
    if real.others > 0 {
        text += &format!(
            " ({} that start otherwise left out)",
            ui::count(real.others)
        );
    }
    text += "\n\n";
    text += &overlaps(&resemblance);
    text.push('\n');
    if let [Some(of_drawn), Some(of_real)] = &lengths {
        text += &lengths_text(of_drawn, of_real, comparable, args);
    }
    text
}

fn overlaps(resemblance: &Resemblance) -> String {
    let mut text = format!(
        "{:<9}  {:<29}  which of the real ones occur\n{:<9}  {:<29}  in them\n",
        "", "which occur in the real ones", "n-grams", ""
    );
    let heads = ["drawn", "real", "independent"];
    let _ = writeln!(
        text,
        "{:<9}  {:>7} {:>7} {:>13}  {:>7} {:>7} {:>13}",
        "", heads[0], heads[1], heads[2], heads[0], heads[1], heads[2]
    );
    for overlap in &resemblance.overlaps {
        let Overlap {
            n,
            samples,
            real,
            independent,
        } = overlap;
        let column = |share: fn(&Shares) -> f64| {
            let of = |shares: &Option<Shares>| {
                let share = shares.as_ref().map(share);
                share.map_or("-".to_owned(), ui::percent)
            };
            [of(samples), of(real), of(independent)]
        };
        let [a, b, c] = column(|shares| shares.known);
        let [d, e, f] = column(|shares| shares.covered);
        let _ = writeln!(
            text,
            "{:<9}  {a:>7} {b:>7} {c:>13}  {d:>7} {e:>7} {f:>13}",
            ui::plural(*n, "call"),
        );
    }
    let how = match resemblance.halving {
        Halving::Content => "by content, copies together",
        Halving::Time => "each stream in its middle, since there are few",
    };
    let _ = writeln!(
        text,
        "each set is cut to {} and held against the first half of the real streams, {} (halved {how});\n\
         \"real\" is their second half, \"independent\" calls drawn from the real frequencies alone",
        ui::plural(resemblance.compared_calls, "call"),
        ui::plural(resemblance.reference_calls, "call"),
    );
    text
}

fn lengths_text(drawn: &Lengths, real: &Lengths, comparable: bool, args: &Sample) -> String {
    let mut text = String::new();
    for (what, lengths) in [("drawn", drawn), ("real", real)] {
        let _ = writeln!(
            text,
            "length {what:<6} median {:.0} (quartiles {:.0} and {:.0}); {} of {} without {} at the end",
            lengths.median,
            lengths.low,
            lengths.high,
            ui::count(lengths.cut),
            ui::plural(lengths.streams, "stream"),
            args.end.join(" or "),
        );
    }
    if !comparable {
        let mut why = Vec::new();
        if !drawn.are_whole() {
            why.push(format!("drawn streams were cut at --calls {}", args.calls));
        }
        if !real.are_whole() {
            why.push("real ones end otherwise, so they were cut or went on".to_owned());
        }
        let _ = writeln!(
            text,
            "the lengths cannot be compared: {}",
            why.join(", and ")
        );
    }
    text
}
