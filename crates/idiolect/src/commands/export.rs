//! `idiolect export`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use idiolect_detect::Vocabulary;
use idiolect_detect::profile::{Model, Profile};
use idiolect_onnx::Share;
use serde_json::json;

use crate::exit;
use crate::output::WholeFile;
use crate::ui;

/// Write a profile's network as ONNX, for other runtimes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idiolect export nginx.idio -o nginx.onnx

Inputs are `tokens` (int64 [batch, steps]) and the state of each layer, `h0`, `c0` and so on (float
[batch, width], zeros for a fresh stream). `log_probs` (float [batch, steps, vocabulary]) is ln p of each
token to come after each step: what is below 0 by so much is the surprise, in nats. The states after it
have the names of those before and `_after`. The file's metadata has the vocabulary, in the order of its
tokens; a stream begins with one of the first, such as <exec>. A model of windows is given each window
anew, from zeros. Thresholds are not part of it (idiolect inspect --json has them).

The weights alone are also in the profile itself, which is a safetensors file: see docs/weights.md.")]
pub(crate) struct Export {
    /// The profile
    profile: PathBuf,

    /// Where to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: &Export) -> Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let model = &profile.models[0];
    let Some(network) = model.network() else {
        bail!(
            "{}: its model ({}) is no network, and ONNX files hold networks (train --model lstm)",
            args.profile.display(),
            model.detector().kind()
        );
    };
    let vocabulary = &profile.vocabulary;
    let names: Vec<&str> = (0..vocabulary.len())
        .map(|token| vocabulary.name(token as u32))
        .collect();
    let share = Share {
        first_call: Vocabulary::FIRST_CALL,
        unknown: network.unknown(),
    };
    let mut metadata = vec![
        ("vocabulary", json!(names).to_string()),
        ("kind", model.detector().kind().to_owned()),
    ];
    if let Model::Window(model) = model {
        metadata.push(("window", model.inputs().to_string()));
    }
    let bytes = idiolect_onnx::export(network.weights(), share, &metadata);
    let mut file = WholeFile::create(&args.output)?;
    std::io::Write::write_all(&mut file, &bytes)?;
    file.finish()?;
    ui::say(&format!(
        "wrote a network of {} weights and {} tokens to {}",
        ui::count(network.weights().architecture().weight_count()),
        vocabulary.len(),
        args.output.display()
    ));
    Ok(exit::OK)
}
