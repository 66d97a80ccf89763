//! `idiolect inspect`.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use idiolect_detect::profile::{Model, Profile};
use idiolect_detect::tables::{TableConfig, TableModel};
use idiolect_detect::{Coder, LstmModel, SignalKind, Unit};
use idiolect_nn::Form;
use idiolect_trace::StartKind;
use idiolect_trace::read::escape;
use serde_json::json;

use crate::args::Inspect;
use crate::learn;
use crate::output::{finish, out};
use crate::ui;

pub(crate) fn run(args: &Inspect) -> Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let text = if args.json {
        format!("{:#}\n", as_json(&profile))
    } else {
        as_text(&profile)
    };
    let mut out = out();
    out.write_all(text.as_bytes())?;
    finish(out)?;
    Ok(crate::exit::OK)
}

fn as_text(profile: &Profile) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<14}{value}");
    };
    for (place, model) in profile.models.iter().enumerate() {
        line(if place == 0 { "model" } else { "" }, described(model));
        match model {
            Model::Table(TableModel::Ngram(_) | TableModel::Ppm(_)) => {
                line(
                    "unknown calls",
                    "get what the counts leave to calls never seen".to_owned(),
                );
            }
            Model::Table(_) => line("unknown calls", "never fit".to_owned()),
            _ => {}
        }
        if let Some(unknown) = unknown_probability(model) {
            line(
                "unknown calls",
                format!(
                    "have a probability of {} ({:.1} nats)",
                    ui::percent(unknown),
                    -unknown.ln()
                ),
            );
        }
    }
    let calls: Vec<String> = profile
        .vocabulary
        .calls()
        .map(|call| escape(call.as_bytes()))
        .collect();
    line("vocabulary", ui::plural(calls.len(), "call"));
    for row in wrap(&calls, ui::width().saturating_sub(14)) {
        line("", row);
    }
    if !profile.programs.is_empty() {
        line("programs", ui::count(profile.programs.len()));
        for program in &profile.programs {
            line("", escape(program.as_bytes()));
        }
    }

    let decision = profile.decision;
    let measure = profile.detector().measure();
    line(
        "score",
        format!(
            "{} ({})",
            decision.signal.as_str(),
            decision.signal.unit(measure)
        ),
    );
    line(
        "false alarms",
        format!("{} asked for", ui::percent(decision.rate)),
    );
    for calibration in profile
        .calibrations
        .iter()
        .filter(|calibration| calibration.signal == decision.signal)
    {
        let units = match calibration.unit {
            Unit::Stream => "stream".to_owned(),
            Unit::Block(len) => format!("block of {len} call"),
        };
        let n = calibration.scores().len();
        let copies = match n - calibration.distinct {
            0 => String::new(),
            _ => format!(" ({} different)", ui::count(calibration.distinct)),
        };
        let reach = match (
            calibration.threshold(decision.rate),
            calibration.interval(decision.rate),
        ) {
            (Ok(threshold), Ok(interval)) => format!(
                "threshold {threshold:.3}, reaches {} to {}",
                ui::percent(interval.low),
                ui::percent(interval.high)
            ),
            _ => format!(
                "supports no less than {}; all kinds together decide",
                ui::percent(calibration.lowest_rate())
            ),
        };
        line(
            "",
            format!(
                "{:<9} {}{copies}: {reach}",
                start_name(calibration.start),
                ui::plural(n, &units)
            ),
        );
    }

    let from = &profile.provenance;
    line("calibrated", format!("by {}", from.calibrated_by));
    line("made", format!("{} by {}", from.created, from.tool));
    line(
        "from",
        format!(
            "{} ({} different), {}",
            ui::plural(from.streams, "stream"),
            ui::count(from.distinct_streams),
            ui::plural(from.calls, "call")
        ),
    );
    for source in &from.sources {
        line("", escape(source.as_bytes()));
    }
    if from.selected {
        line(
            "",
            "some of them hold only calls that were chosen".to_owned(),
        );
    }
    line(
        "split",
        format!(
            "{} trained, {} tuned, {} calibrated",
            from.split[0], from.split[1], from.split[2]
        ),
    );
    line(
        "trained",
        match from.epochs {
            [0, _] => format!("{} held out; seed {}", learn::held_out(profile), from.seed),
            [epochs, kept] => format!(
                "{epochs} epochs, kept epoch {kept}: {} held out; seed {}",
                learn::held_out(profile),
                from.seed
            ),
        },
    );
    line("data", from.data_hash.clone());
    text
}

/// What a model is, in a line.
fn described(model: &Model) -> String {
    match model {
        Model::Table(table) => {
            let (order, entries) = (table.config().order(), ui::count(table.entries()));
            let bytes = ui::count(table.bytes());
            let what = match table.config() {
                TableConfig::Ngram {
                    order: 2,
                    smoothing,
                } => format!("first-order Markov chain, {smoothing} smoothing, {entries} pairs"),
                TableConfig::Ngram { smoothing, .. } => {
                    format!(
                        "n-gram model of order {order}, {smoothing} smoothing, {entries} n-grams"
                    )
                }
                TableConfig::Ppm { escape, .. } => format!(
                    "PPM of order {order} (contexts of up to {} calls), escapes by method {}, {entries} n-grams",
                    order - 1,
                    escape.as_str().to_uppercase()
                ),
                TableConfig::Stide { .. } => format!("STIDE, {entries} windows of {order} calls"),
                TableConfig::TStide { rare, .. } => format!(
                    "t-STIDE, {entries} windows of {order} calls, rare below {} % of all",
                    rare * 100.0
                ),
                TableConfig::Frequency { .. } => {
                    format!("frequencies of {entries} windows of {order} calls")
                }
                TableConfig::Lookahead { .. } => {
                    format!("{entries} lookahead pairs in windows of {order} calls")
                }
            };
            format!("{what}, {bytes} bytes")
        }
        Model::Hmm(model) => {
            let parameters = model.parameters();
            format!(
                "hidden Markov model, {}, {} calls",
                ui::plural(parameters.states, "state"),
                ui::count(parameters.calls)
            )
        }
        Model::Coder(model) => {
            let (window, bytes) = (model.window(), ui::count(model.bytes()));
            match model.coder() {
                Coder::Map(map) => format!(
                    "self-organising map of {} units, windows of {window} calls, {bytes} bytes",
                    map.units()
                ),
                Coder::Autoencoder(network) => {
                    let [hidden, code] = network.widths();
                    format!(
                        "autoencoder, layers {hidden} + {code} + {hidden}, windows of {window} calls, {bytes} bytes"
                    )
                }
            }
        }
        _ => model.network().map(network_described).map_or_else(
            || model.detector().kind().to_owned(),
            |network| match model {
                Model::Window(model) => {
                    format!("LSTM over windows of {} calls, {network}", model.inputs())
                }
                _ => format!("LSTM, {network}"),
            },
        ),
    }
}

fn network_described(network: &LstmModel) -> String {
    let architecture = network.weights().architecture();
    let layers: Vec<String> = architecture.hidden.iter().map(usize::to_string).collect();
    format!(
        "{}, layers {}, {} weights{}",
        match architecture.embedding {
            Some(width) => format!("embedding {width}"),
            None => "one-hot input".to_owned(),
        },
        layers.join(" + "),
        ui::count(architecture.weight_count()),
        match network.form() {
            Form::Full => "",
            Form::Reduced => ", reduced to 16 bits",
        }
    )
}

/// The fixed probability that a model gives unknown calls, if it does.
fn unknown_probability(model: &Model) -> Option<f64> {
    match model {
        Model::Hmm(model) => Some(model.unknown()),
        _ => model.network().map(LstmModel::unknown),
    }
}

fn start_name(start: Option<StartKind>) -> &'static str {
    start.map_or("all", StartKind::token)
}

/// Words in rows of at most this many columns.
fn wrap(words: &[String], width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in words {
        match rows.last_mut() {
            Some(row) if row.len() + 1 + word.len() <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.clone()),
        }
    }
    rows
}

fn as_json(profile: &Profile) -> serde_json::Value {
    let models: Vec<_> = profile
        .models
        .iter()
        .map(|model| {
            let mut shown = json!({
                "kind": model.detector().kind(),
                "measure": model.detector().measure(),
            });
            if let Some(network) = model.network() {
                let architecture = network.weights().architecture();
                shown["form"] = json!(network.form());
                shown["architecture"] = json!(architecture);
                shown["weights"] = json!(architecture.weight_count());
            }
            if let Some(unknown) = unknown_probability(model) {
                shown["unknown_probability"] = json!(unknown);
            }
            match model {
                Model::Window(model) => shown["inputs"] = json!(model.inputs()),
                Model::Table(model) => {
                    shown["table"] = json!(model.config());
                    shown["entries"] = json!(model.entries());
                    shown["bytes"] = json!(model.bytes());
                }
                Model::Coder(model) => {
                    shown["window"] = json!(model.window());
                    shown["bytes"] = json!(model.bytes());
                }
                Model::Hmm(model) => shown["states"] = json!(model.parameters().states),
                _ => {}
            }
            shown
        })
        .collect();
    let calibrations: Vec<_> = profile
        .calibrations
        .iter()
        .map(|calibration| {
            let rate = profile.decision.rate;
            json!({
                "model": calibration.model,
                "signal": calibration.signal,
                "start": calibration.start,
                "unit": calibration.unit,
                "n": calibration.scores().len(),
                "distinct": calibration.distinct,
                "lowest_rate": calibration.lowest_rate(),
                "threshold": calibration.threshold(rate).ok(),
                "interval": calibration.interval(rate).ok(),
            })
        })
        .collect();
    json!({
        "token_scheme": profile.token_scheme,
        "models": models,
        "vocabulary": profile.vocabulary.calls().collect::<Vec<_>>(),
        "signals": profile.signals,
        "decision": profile.decision,
        "decision_unit": SignalKind::unit(profile.decision.signal, profile.detector().measure()),
        "calibrations": calibrations,
        "programs": profile.programs,
        "provenance": profile.provenance,
    })
}
