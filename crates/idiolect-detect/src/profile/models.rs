//! Models as headers and tensors, and back.

use std::collections::BTreeMap;

use idiolect_nn::one_hot::{Autoencoder, Map};
use idiolect_nn::{Architecture, Weights};

use super::Model;
use super::container::{Tensor, Whole};
use super::error::Problem;
use super::header::{HmmHeader, ModelHeader, NetworkHeader};
use crate::hmm::{HmmModel, HmmParameters};
use crate::tables::{Grams, LookaheadPairs, PairParts, Parts, TableConfig, TableError, TableModel};
use crate::{Coder, CoderModel, LstmModel, Vocabulary, WindowModel, Windows};

/// What the file says of a model, and its tensors by name.
pub(super) fn parts(model: &Model) -> (ModelHeader, Vec<(String, Tensor<'_>)>) {
    match model {
        Model::Lstm(network) => (ModelHeader::Lstm(header_of(network)), weights_of(network)),
        Model::Window(model) => {
            let header = ModelHeader::Window {
                inputs: model.inputs(),
                network: header_of(model.network()),
            };
            (header, weights_of(model.network()))
        }
        Model::Table(model) => {
            let header = ModelHeader::Table {
                table: model.config(),
            };
            (header, tensors_of(model))
        }
        Model::Hmm(model) => {
            let HmmParameters {
                states,
                calls,
                ref initial,
                ref transition,
                ref emission,
            } = *model.parameters();
            let header = ModelHeader::Hmm(HmmHeader {
                states,
                unknown: model.unknown(),
            });
            let starts = initial.len() / states;
            let tensors = [
                ("hmm.initial", Tensor::floats(&[starts, states], initial)),
                (
                    "hmm.transition",
                    Tensor::floats(&[states, states], transition),
                ),
                ("hmm.emission", Tensor::floats(&[calls, states], emission)),
            ];
            (header, named(tensors))
        }
        Model::Coder(model) => coder_parts(model),
    }
}

fn coder_parts(model: &CoderModel) -> (ModelHeader, Vec<(String, Tensor<'_>)>) {
    let window = model.window();
    match model.coder() {
        Coder::Map(map) => {
            let (units, weights) = (map.units(), map.weights());
            let tensor = Tensor::floats(&[weights.len() / units, units], weights);
            let header = ModelHeader::Som { window, units };
            (header, named([("som.units", tensor)]))
        }
        Coder::Autoencoder(network) => {
            let tensors = network.tensors().into_iter().map(|(name, shape, values)| {
                let tensor = Tensor::floats(&shape, values);
                (format!("autoencoder.{name}"), tensor)
            });
            let [hidden, code] = network.widths();
            let header = ModelHeader::Autoencoder {
                window,
                hidden,
                code,
            };
            (header, tensors.collect())
        }
    }
}

fn named<'t, const N: usize>(tensors: [(&str, Tensor<'t>); N]) -> Vec<(String, Tensor<'t>)> {
    let tensors = tensors.into_iter();
    tensors
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .collect()
}

fn header_of(network: &LstmModel) -> NetworkHeader {
    let architecture = network.weights().architecture();
    NetworkHeader {
        embedding: architecture.embedding,
        hidden: architecture.hidden.clone(),
        unknown: network.unknown(),
        form: network.form(),
    }
}

fn weights_of(network: &LstmModel) -> Vec<(String, Tensor<'_>)> {
    let tensors = network.weights().tensors();
    let tensors =
        tensors.map(|(name, shape, values)| (name.to_string(), Tensor::floats(shape, values)));
    tensors.collect()
}

fn tensors_of(model: &TableModel) -> Vec<(String, Tensor<'_>)> {
    if let TableModel::Lookahead(pairs) = model {
        let parts = pairs.parts();
        return named([
            ("pairs.later", Tensor::list(parts.later)),
            ("pairs.earlier", Tensor::list(parts.earlier)),
            ("pairs.near", Tensor::list(parts.near)),
            ("pairs.far", Tensor::list(parts.far)),
        ]);
    }
    let parts = model.grams().map(Grams::parts);
    let tensors = parts.map(|parts| {
        named([
            ("grams.tokens", Tensor::list(parts.tokens.as_slice())),
            ("grams.depths", Tensor::list(parts.depths.as_slice())),
            ("grams.followers", Tensor::list(parts.followers.as_slice())),
            ("grams.calls", Tensor::list(parts.calls.as_slice())),
            ("grams.counts", Tensor::list(parts.counts.as_slice())),
        ])
    });
    tensors.unwrap_or_default()
}

/// A model's own tensors, by their names in it.
struct Own {
    place: usize,
    tensors: BTreeMap<String, Tensor<'static>>,
}

impl Own {
    fn take(&mut self, name: &str) -> Result<Tensor<'static>, Problem> {
        let place = self.place;
        self.tensors
            .remove(name)
            .ok_or_else(|| Problem::Shape(format!("\"model.{place}.{name}\" is missing")))
    }

    /// A list of whole numbers.
    fn list<T: Whole>(&mut self, name: &str) -> Result<Vec<T>, Problem> {
        let whole = format!("model.{}.{name}", self.place);
        self.take(name)?.into_list(&whole)
    }

    /// Floats of two dimensions, of which the second is this.
    fn rows(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Problem> {
        let (shape, values) = self.take(name)?.into_floats(name)?;
        match shape[..] {
            [_, width] if width == len => Ok(values),
            _ => {
                let place = self.place;
                Err(Problem::Shape(format!(
                    "\"model.{place}.{name}\" is not of {len} columns"
                )))
            }
        }
    }
}

/// The model that the header and the tensors of its number make, which are taken out.
pub(super) fn of_parts(
    place: usize,
    header: &ModelHeader,
    vocab: usize,
    tensors: &mut BTreeMap<String, Tensor<'static>>,
) -> Result<Model, Problem> {
    let prefix = format!("model.{place}.");
    let own = tensors.extract_if(.., |name, _| name.starts_with(&prefix));
    let own = own.map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor));
    let mut own = Own {
        place,
        tensors: own.collect(),
    };
    let model = match header {
        ModelHeader::Lstm(network) => Model::Lstm(network_of(network, vocab, &mut own)?),
        ModelHeader::Window { inputs, network } => {
            if !(1..=Windows::MAX_INPUTS).contains(inputs) {
                return Err(Problem::Header(format!(
                    "model {place} reads windows of {inputs} calls"
                )));
            }
            Model::Window(WindowModel::of(
                network_of(network, vocab, &mut own)?,
                *inputs,
            ))
        }
        ModelHeader::Table { table } => Model::Table(table_of(*table, vocab, &mut own)?),
        ModelHeader::Hmm(header) => Model::Hmm(hmm_of(header, vocab, &mut own)?),
        ModelHeader::Som { window, units } => {
            let weights = own.rows("som.units", *units)?;
            let map = Map::from_weights(*window, vocab, *units, weights);
            let map = map.map_err(|error| Problem::Shape(format!("model {place}: {error}")))?;
            Model::Coder(CoderModel::new(vocab, Coder::Map(map)))
        }
        ModelHeader::Autoencoder {
            window,
            hidden,
            code,
        } => {
            let mut weights = Vec::new();
            for name in Autoencoder::TENSORS {
                let name = format!("autoencoder.{name}");
                weights.push(own.take(&name)?.into_floats(&name)?.1);
            }
            let network = Autoencoder::from_weights(*window, vocab, *hidden, *code, &weights);
            let network =
                network.map_err(|error| Problem::Shape(format!("model {place}: {error}")))?;
            Model::Coder(CoderModel::new(vocab, Coder::Autoencoder(network)))
        }
    };
    match own.tensors.keys().next() {
        None => Ok(model),
        Some(name) => Err(Problem::Shape(format!(
            "\"{prefix}{name}\" belongs to nothing"
        ))),
    }
}

fn check_unknown(place: usize, unknown: f64) -> Result<(), Problem> {
    if unknown > 0.0 && unknown < 1.0 {
        return Ok(());
    }
    Err(Problem::Header(format!(
        "model {place} gives unknown calls a probability of {unknown}"
    )))
}

fn network_of(header: &NetworkHeader, vocab: usize, own: &mut Own) -> Result<LstmModel, Problem> {
    let place = own.place;
    check_unknown(place, header.unknown)?;
    let architecture = Architecture {
        vocab,
        embedding: header.embedding,
        hidden: header.hidden.clone(),
    };
    let mut floats = Vec::new();
    for (name, tensor) in std::mem::take(&mut own.tensors) {
        let (shape, values) = tensor.into_floats(&name)?;
        floats.push((name, shape, values));
    }
    let weights = Weights::from_tensors(&architecture, floats)
        .map_err(|error| Problem::Shape(format!("model {place}: {error}")))?;
    Ok(LstmModel::in_form(weights, header.unknown, header.form))
}

fn table_of(config: TableConfig, vocab: usize, own: &mut Own) -> Result<TableModel, Problem> {
    let place = own.place;
    let wrong = |error: TableError| Problem::Header(format!("model {place}: {error}"));
    if let TableConfig::TStide { rare, .. } = config
        && !(0.0..1.0).contains(&rare)
    {
        return Err(Problem::Header(format!(
            "model {place} calls a share of {rare} rare"
        )));
    }
    if let TableConfig::Lookahead { len } = config {
        let parts = PairParts {
            later: own.list("pairs.later")?,
            earlier: own.list("pairs.earlier")?,
            near: own.list("pairs.near")?,
            far: own.list("pairs.far")?,
        };
        let pairs = LookaheadPairs::from_parts(len, vocab, &parts).map_err(wrong)?;
        return Ok(TableModel::Lookahead(pairs));
    }
    let parts = Parts {
        tokens: own.list("grams.tokens")?,
        depths: own.list("grams.depths")?,
        followers: own.list("grams.followers")?,
        calls: own.list("grams.calls")?,
        counts: own.list("grams.counts")?,
    };
    let grams = Grams::from_parts(config.order(), vocab, parts).map_err(wrong)?;
    config.of_grams(grams, vocab).map_err(wrong)
}

fn hmm_of(header: &HmmHeader, vocab: usize, own: &mut Own) -> Result<HmmModel, Problem> {
    check_unknown(own.place, header.unknown)?;
    let states = header.states;
    let parameters = HmmParameters {
        states,
        calls: vocab - Vocabulary::FIRST_CALL as usize,
        initial: own.rows("hmm.initial", states)?,
        transition: own.rows("hmm.transition", states)?,
        emission: own.rows("hmm.emission", states)?,
    };
    HmmModel::new(parameters, header.unknown)
        .map_err(|why| Problem::Shape(format!("model {}: {why}", own.place)))
}
