//! Figures as text, Markdown and CSV.

use std::fmt::Write as _;
use std::io;

use super::{Results, Row, SetResults};
use crate::data::Variant;
use crate::metrics::Measure;
use crate::resample::Estimate;

/// The columns of a table: what stands above, and what a row has there.
type Column = (&'static str, fn(&Row) -> String);

const COLUMNS: [Column; 9] = [
    ("AUC", |row| with_interval(row, Variant::All, Measure::Auc)),
    ("without copies", |row| {
        with_interval(row, Variant::WithoutCopies, Measure::Auc)
    }),
    ("nor copies of training", |row| {
        with_interval(row, Variant::Unseen, Measure::Auc)
    }),
    ("detected at 1 % / 5 %", |row| {
        let [one, five] = [Measure::DetectedAt1, Measure::DetectedAt5]
            .map(|measure| of(row, Variant::All, measure).map_or_else(none, |e| three(e.value)));
        format!("{one} / {five}")
    }),
    ("false alarms at 90 %", |row| {
        of(row, Variant::All, Measure::FalseAlarmsAt90).map_or_else(none, |e| three(e.value))
    }),
    ("1 % / 5 % asked, reached", |row| {
        let reached = row.asked.iter().filter(|asked| asked.rate >= 0.01);
        let reached = reached.map(|asked| asked.achieved.map_or_else(none, percent));
        reached.collect::<Vec<_>>().join(" / ")
    }),
    ("AUC less the first's", |row| {
        let all = row.variants.iter().find(|v| v.variant == Variant::All);
        let auc = all.and_then(|v| v.differences.iter().find(|d| d.measure == Measure::Auc));
        auc.map_or_else(String::new, |d| {
            let between = d
                .between
                .map_or_else(String::new, |b| format!(" [{:+.3}, {:+.3}]", b.low, b.high));
            format!("{:+.3}{between}", d.value)
        })
    }),
    ("calls/s fit / score", |row| {
        let cost = row.cost;
        let [fit, score] = [cost.fit_calls_per_second, cost.score_calls_per_second]
            .map(|rate| rate.map_or_else(none, thousands));
        format!("{fit} / {score}")
    }),
    ("model", |row| bytes(row.cost.bytes)),
];

/// Columns of a table on a terminal.
const IN_TEXT: usize = 7;

impl Results {
    /// A table for each data set, for a terminal: without what detectors cost.
    pub fn as_text(&self) -> String {
        let mut text = String::new();
        for set in &self.sets {
            let _ = writeln!(text, "{}", heading(set));
            for note in &set.notes {
                let _ = writeln!(text, "  {note}");
            }
            // A terminal has no room for what things cost; the files have all.
            let rows = rows(set)
                .into_iter()
                .map(|row| row[..=IN_TEXT.min(row.len() - 1)].to_vec());
            text += &layout(&rows.collect::<Vec<_>>());
            for (what, rows) in [
                (
                    "above a threshold with at most 5 % false alarms, by family:",
                    families(set),
                ),
                (
                    "by recording, of the highest score among its streams:",
                    by_recording(set),
                ),
                ("alarms while streams go on:", streaming(set)),
            ] {
                if rows.len() > 1 {
                    let _ = write!(text, "\n{what}\n{}", layout(&rows));
                }
            }
            text += &failures(set);
            text.push('\n');
        }
        text += &self.footing();
        text
    }

    /// The same in Markdown.
    pub fn as_markdown(&self) -> String {
        let mut text = String::new();
        for set in &self.sets {
            let _ = writeln!(text, "### {}\n", heading(set));
            text += &as_markdown(&rows(set));
            let recordings = by_recording(set);
            if recordings.len() > 1 {
                text += "\nBy recording, of the highest score among its streams:\n\n";
                text += &as_markdown(&recordings);
            }
            let failures = failures(set);
            if !failures.is_empty() {
                let _ = write!(text, "\n{failures}");
            }
            text.push('\n');
        }
        text += &self.footing();
        text
    }

    /// Every figure, a line each: set, detector, what it is of, what it is, its value and how sure it is.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_csv(&self, out: impl io::Write) -> Result<(), csv::Error> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record([
            "set",
            "detector",
            "of",
            "figure",
            "value",
            "low",
            "high",
            "deviation",
        ])?;
        for set in &self.sets {
            for row in &set.rows {
                let mut line = |of: &str, figure: &str, values: [Option<f64>; 4]| {
                    let values = values.map(|v| v.map_or_else(String::new, |v| v.to_string()));
                    let [value, low, high, deviation] = &values;
                    out.write_record([
                        &set.name,
                        &row.detector,
                        of,
                        figure,
                        value,
                        low,
                        high,
                        deviation,
                    ])
                };
                figures(row, &mut line)?;
            }
        }
        out.flush()?;
        Ok(())
    }

    fn footing(&self) -> String {
        format!(
            "Intervals: middle 95 % of {} bootstrap replicates over streams. Means over {} seed{}; a set without a \
             split in {} folds.\n",
            self.replicates,
            self.seeds,
            if self.seeds == 1 { "" } else { "s" },
            self.folds,
        )
    }
}

/// Writes a line: what a figure is of, its name, and value, low, high and deviation.
type WriteLine<'a> = dyn FnMut(&str, &str, [Option<f64>; 4]) -> Result<(), csv::Error> + 'a;

/// Every figure of a row.
fn figures(row: &Row, line: &mut WriteLine<'_>) -> Result<(), csv::Error> {
    let only = |value: Option<f64>| [value, None, None, None];
    line("", "runs", only(Some(row.runs as f64)))?;
    for variant in &row.variants {
        let of = variant.variant.describe();
        line(of, "normal", only(Some(variant.normal as f64)))?;
        line(of, "attack", only(Some(variant.attack as f64)))?;
        for e in &variant.estimates {
            let (low, high) = (e.between.map(|b| b.low), e.between.map(|b| b.high));
            line(
                of,
                e.measure.as_str(),
                [Some(e.value), low, high, e.deviation],
            )?;
        }
        for d in &variant.differences {
            let (low, high) = (d.between.map(|b| b.low), d.between.map(|b| b.high));
            let figure = format!("{}_less_first", d.measure.as_str());
            line(of, &figure, [Some(d.value), low, high, None])?;
        }
    }
    for asked in &row.asked {
        let of = format!("asked {}", asked.rate);
        let expected = asked.expected;
        let (low, high) = (expected.map(|e| e[0]), expected.map(|e| e[1]));
        line(
            &of,
            "achieved",
            [asked.achieved, low, high, asked.deviation],
        )?;
        let figure = "achieved_without_copies";
        line(&of, figure, only(asked.achieved_without_copies))?;
        line(&of, "detected", only(asked.detected))?;
    }
    for family in &row.families {
        let of = format!(
            "{} {}",
            if family.attack { "attack" } else { "normal" },
            family.name
        );
        line(&of, "streams", only(Some(family.streams as f64)))?;
        line(&of, "auc", only(family.auc))?;
        line(&of, "above_at_5", only(family.above_at_5))?;
    }
    if let Some(r) = &row.by_recording {
        for (figure, value) in [
            ("normal", r.normal),
            ("attack", r.attack),
            ("auc", r.auc),
            ("detected_at_1", r.detected_at_1),
            ("detected_at_5", r.detected_at_5),
            ("false_alarms_at_90", r.false_alarms_at_90),
        ] {
            line("by recording", figure, only(Some(value)))?;
        }
    }
    if let Some(s) = &row.streaming {
        for (figure, value) in [
            ("asked", Some(s.asked)),
            ("normal_ever", Some(s.normal_ever)),
            ("detected", s.detected),
            ("calls_to_detection", s.calls_to_detection),
            ("seconds_to_detection", s.seconds_to_detection),
            ("false_alarms", Some(s.false_alarms)),
            ("consecutive_false_alarms", Some(s.consecutive_false_alarms)),
            ("false_alarms_per_hour", s.false_alarms_per_hour),
        ] {
            line("streaming", figure, only(value))?;
        }
    }
    line(
        "cost",
        "fit_calls_per_second",
        only(row.cost.fit_calls_per_second),
    )?;
    line(
        "cost",
        "score_calls_per_second",
        only(row.cost.score_calls_per_second),
    )?;
    line("cost", "bytes", only(Some(row.cost.bytes as f64)))
}

fn heading(set: &SetResults) -> String {
    let [normal, attack] = set.tested;
    let split = if set.has_split {
        "its own split"
    } else {
        "folds"
    };
    let copies = set.rows.iter().find_map(|row| {
        let of = |variant| row.variants.iter().find(|v| v.variant == variant);
        let (some, fewest) = (of(Variant::WithoutCopies)?, of(Variant::Unseen)?);
        Some(format!(
            "; without copies {} and {}, nor copies of training {} and {}",
            some.normal, some.attack, fewest.normal, fewest.attack
        ))
    });
    format!(
        "{}: {} streams to learn from, {normal} normal and {attack} attacks to test on, by {split}{}",
        set.name,
        set.train,
        copies.unwrap_or_default()
    )
}

fn rows(set: &SetResults) -> Vec<Vec<String>> {
    let mut rows = vec![
        std::iter::once("detector")
            .chain(COLUMNS.map(|(name, _)| name))
            .map(str::to_owned)
            .collect(),
    ];
    for row in &set.rows {
        let mut cells = vec![row.detector.clone()];
        if !row.variants.is_empty() {
            cells.extend(COLUMNS.map(|(_, cell)| cell(row)));
        }
        cells.resize(COLUMNS.len() + 1, String::new());
        rows.push(cells);
    }
    rows
}

/// Rows as a table in Markdown, the first its heads.
fn as_markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if place == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

/// Cells in columns as wide as they need.
fn layout(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Most families that a terminal has room for.
const FAMILIES: usize = 12;

fn families(set: &SetResults) -> Vec<Vec<String>> {
    let with = |row: &&Row| (1..=FAMILIES).contains(&row.families.len());
    let Some(first) = set.rows.iter().find(with) else {
        return Vec::new();
    };
    let names = first.families.iter().map(|family| {
        let normal = if family.attack { "" } else { " (normal)" };
        format!("{}{normal}: {}", family.name, family.streams)
    });
    let mut rows = vec![
        std::iter::once("detector".to_owned())
            .chain(names)
            .collect(),
    ];
    for row in set.rows.iter().filter(with) {
        let shares = row.families.iter();
        let shares = shares.map(|family| family.above_at_5.map_or_else(none, three));
        rows.push(
            std::iter::once(row.detector.clone())
                .chain(shares)
                .collect(),
        );
    }
    rows
}

fn by_recording(set: &SetResults) -> Vec<Vec<String>> {
    let heads = [
        "detector",
        "normal",
        "attacked",
        "AUC",
        "detected at 1 % / 5 %",
        "false alarms at 90 %",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for row in &set.rows {
        let Some(r) = &row.by_recording else {
            continue;
        };
        rows.push(vec![
            row.detector.clone(),
            format!("{:.0}", r.normal),
            format!("{:.0}", r.attack),
            format!("{:.4}", r.auc),
            format!("{} / {}", three(r.detected_at_1), three(r.detected_at_5)),
            three(r.false_alarms_at_90),
        ]);
    }
    rows
}

fn streaming(set: &SetResults) -> Vec<Vec<String>> {
    let heads = [
        "detector",
        "asked of normal streams",
        "reached",
        "attacks found",
        "after calls",
        "after seconds",
        "false alarms in a row",
        "of them an hour",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for row in &set.rows {
        let Some(s) = &row.streaming else {
            continue;
        };
        let number = |value: f64| format!("{value:.1}");
        rows.push(vec![
            row.detector.clone(),
            percent(s.asked),
            percent(s.normal_ever),
            s.detected.map_or_else(none, percent),
            s.calls_to_detection.map_or_else(none, number),
            s.seconds_to_detection.map_or_else(none, three),
            number(s.consecutive_false_alarms),
            s.false_alarms_per_hour.map_or_else(none, number),
        ]);
    }
    rows
}

fn failures(set: &SetResults) -> String {
    let failed = set.rows.iter().filter_map(|row| {
        let reason = row.failed.as_ref()?;
        Some(format!("{}: not everywhere: {reason}\n", row.detector))
    });
    failed.collect()
}

fn of(row: &Row, variant: Variant, measure: Measure) -> Option<&Estimate> {
    let variant = row.variants.iter().find(|v| v.variant == variant)?;
    variant.estimates.iter().find(|e| e.measure == measure)
}

fn with_interval(row: &Row, variant: Variant, measure: Measure) -> String {
    of(row, variant, measure).map_or_else(none, |e| {
        let spread = e
            .deviation
            .map_or_else(String::new, |d| format!(" ± {d:.3}"));
        let between = e
            .between
            .map_or_else(String::new, |b| format!(" [{:.3}, {:.3}]", b.low, b.high));
        format!("{:.4}{spread}{between}", e.value)
    })
}

fn none() -> String {
    "-".to_owned()
}

fn three(value: f64) -> String {
    format!("{value:.3}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn thousands(rate: f64) -> String {
    match rate {
        r if r >= 1e6 => format!("{:.1} M", r / 1e6),
        r if r >= 1e3 => format!("{:.0} k", r / 1e3),
        r => format!("{r:.0}"),
    }
}

fn bytes(bytes: u64) -> String {
    const KB: f64 = 1_024.0;
    let bytes = bytes as f64;
    if bytes >= KB * KB {
        format!("{:.1} MB", bytes / KB / KB)
    } else {
        format!("{:.0} KB", (bytes / KB).ceil())
    }
}
