//! Networks as ONNX files (operator set 17), so that other runtimes can run them.
//!
//! | input | shape | |
//! |---|---|---|
//! | `tokens` | int64 [batch, steps] | what came |
//! | `h0`, `c0`, `h1`, ... | float [batch, width] | state of each layer before; zeros for a fresh stream |
//!
//! | output | shape | |
//! |---|---|---|
//! | `log_probs` | float [batch, steps, vocabulary] | ln p, in nats, of each token to come after each step |
//! | `h0_after`, `c0_after`, ... | float [batch, width] | state of each layer afterwards |

#![forbid(unsafe_code)]

mod proto;

use idiolect_nn::Weights;
use prost::Message as _;

use proto::{
    ATTRIBUTE_INT, ATTRIBUTE_INTS, Attribute, BOOL, Dimension, Entry, Extent, FLOAT, Graph, INT64,
    Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};

/// How the probability is shared between calls that the network knows and the others.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Tokens below this one are no calls; each has the fixed probability.
    pub first_call: u32,
    /// That probability, between 0 and 1. Calls divide the rest among them as the network says.
    pub unknown: f64,
}

/// Version of the file's own form, and of the operators: what ONNX 1.12 and everything later reads.
const IR_VERSION: i64 = 8;
const OPERATORS: i64 = 17;

/// A network as an ONNX file. `metadata` is written into it as it is.
pub fn export(weights: &Weights, share: Share, metadata: &[(&str, String)]) -> Vec<u8> {
    let mut graph = Builder(Graph {
        name: "idiolect".to_owned(),
        ..Graph::default()
    });
    graph.network(weights);
    graph.share(weights.architecture().vocab, share);
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "idiolect".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.0),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPERATORS,
        }],
        metadata_props: metadata
            .iter()
            .map(|(key, value)| Entry {
                key: (*key).to_owned(),
                value: value.clone(),
            })
            .collect(),
    };
    model.encode_to_vec()
}

struct Builder(Graph);

impl Builder {
    fn node(&mut self, operator: &str, input: &[&str], output: &[&str], attribute: Vec<Attribute>) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.0.node.push(Node {
            name: output
                .first()
                .map_or_else(String::new, |&name| name.to_owned()),
            op_type: operator.to_owned(),
            input: owned(input),
            output: owned(output),
            attribute,
        });
    }

    fn tensor(&mut self, name: &str, dims: &[usize], data_type: i32, raw_data: Vec<u8>) {
        self.0.initializer.push(Tensor {
            dims: dims.iter().map(|&n| n as i64).collect(),
            data_type,
            name: name.to_owned(),
            raw_data,
        });
    }

    fn floats(&mut self, name: &str, dims: &[usize], numbers: impl IntoIterator<Item = f32>) {
        let bytes = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        self.tensor(name, dims, FLOAT, bytes);
    }

    fn integers(&mut self, name: &str, dims: &[usize], numbers: &[i64]) {
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.tensor(name, dims, INT64, bytes);
    }

    /// From the tokens to `network`, ln p by the network alone, and the states.
    fn network(&mut self, weights: &Weights) {
        let architecture = weights.architecture();
        self.0
            .input
            .push(value("tokens", INT64, &[Err("batch"), Err("steps")]));
        self.integers("first_axis", &[1], &[0]);
        self.integers("second_axis", &[1], &[1]);
        self.node(
            "Transpose",
            &["tokens"],
            &["by_step"],
            vec![ints("perm", &[1, 0])],
        );
        match architecture.embedding {
            Some(width) => {
                let rows = weights.tensor("embedding.weight").unwrap_or_default();
                self.floats(
                    "embedding",
                    &[architecture.vocab, width],
                    rows.iter().copied(),
                );
                self.node("Gather", &["embedding", "by_step"], &["x0"], Vec::new());
            }
            None => {
                self.integers("vocabulary", &[1], &[architecture.vocab as i64]);
                self.floats("off_and_on", &[2], [0.0, 1.0]);
                let input = ["by_step", "vocabulary", "off_and_on"];
                self.node("OneHot", &input, &["x0"], Vec::new());
            }
        }
        for layer in 0..architecture.hidden.len() {
            self.layer(weights, layer);
        }
        let (top, vocab) = (architecture.hidden.len(), architecture.vocab);
        let width = architecture.hidden.last().copied().unwrap_or(0);
        let rows = weights.tensor("output.weight").unwrap_or_default();
        let columns = (0..width * vocab).map(|i| rows[i % vocab * width + i / vocab]);
        self.floats("output", &[width, vocab], columns);
        let bias = weights.tensor("output.bias").unwrap_or_default();
        self.floats("output_bias", &[vocab], bias.iter().copied());
        let top = format!("x{top}");
        self.node(
            "Transpose",
            &[&top],
            &["by_stream"],
            vec![ints("perm", &[1, 0, 2])],
        );
        self.node(
            "MatMul",
            &["by_stream", "output"],
            &["products"],
            Vec::new(),
        );
        self.node("Add", &["products", "output_bias"], &["logits"], Vec::new());
        self.node(
            "LogSoftmax",
            &["logits"],
            &["network"],
            vec![int("axis", -1)],
        );
    }

    fn layer(&mut self, weights: &Weights, layer: usize) {
        let architecture = weights.architecture();
        let (input, width) = (architecture.input_width(layer), architecture.hidden[layer]);
        let of = |what: &str| {
            let name = format!("lstm.{layer}.{what}");
            weights.tensor(&name).unwrap_or_default()
        };
        for (name, what, depth) in [("w", "weight_ih", input), ("r", "weight_hh", width)] {
            let rows = reordered(of(what), width * depth);
            self.floats(&format!("{name}{layer}"), &[1, 4 * width, depth], rows);
        }
        // ONNX has a second bias, of the recurrent part.
        let bias: Vec<f32> = reordered(of("bias"), width).collect();
        let bias = bias.into_iter().chain(std::iter::repeat_n(0.0, 4 * width));
        self.floats(&format!("b{layer}"), &[1, 8 * width], bias);
        let name = |what: &str| format!("{what}{layer}");
        for state in ["h", "c"] {
            let (before, after) = (name(state), format!("{state}{layer}_after"));
            let shape = [Err("batch"), Ok(width)];
            self.0.input.push(value(&before, FLOAT, &shape));
            self.0.output.push(value(&after, FLOAT, &shape));
            let input = [before.as_str(), "first_axis"];
            self.node("Unsqueeze", &input, &[&format!("{before}_in")], Vec::new());
        }
        let inputs = [name("x"), name("w"), name("r"), name("b"), String::new()];
        let inputs = inputs
            .into_iter()
            .chain([format!("h{layer}_in"), format!("c{layer}_in")]);
        let inputs: Vec<String> = inputs.collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let outputs = [name("y"), format!("h{layer}_out"), format!("c{layer}_out")];
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let hidden = int("hidden_size", width as i64);
        self.node("LSTM", &inputs, &outputs, vec![hidden]);
        let next = format!("x{}", layer + 1);
        self.node(
            "Squeeze",
            &[outputs[0], "second_axis"],
            &[&next],
            Vec::new(),
        );
        for (state, out) in ["h", "c"].into_iter().zip(&outputs[1..]) {
            let after = format!("{state}{layer}_after");
            self.node("Squeeze", &[out, "first_axis"], &[&after], Vec::new());
        }
    }

    /// From `network` to `log_probs`.
    fn share(&mut self, vocab: usize, share: Share) {
        let calls = (0..vocab).map(|token| u8::from(token >= share.first_call as usize));
        self.tensor("is_call", &[vocab], BOOL, calls.collect());
        self.floats("known_share", &[], [(-share.unknown).ln_1p() as f32]);
        self.floats("unknown_share", &[], [share.unknown.ln() as f32]);
        self.node(
            "Add",
            &["network", "known_share"],
            &["of_calls"],
            Vec::new(),
        );
        let input = ["is_call", "of_calls", "unknown_share"];
        self.node("Where", &input, &["log_probs"], Vec::new());
        let shape = [Err("batch"), Err("steps"), Ok(vocab)];
        self.0.output.insert(0, value("log_probs", FLOAT, &shape));
    }
}

/// The four gates' parts of a tensor: from input, forget, cell, output to ONNX's input, output, forget,
/// cell.
fn reordered(numbers: &[f32], part: usize) -> impl Iterator<Item = f32> {
    let gates = [0, 3, 1, 2].into_iter();
    gates.flat_map(move |gate| numbers[gate * part..][..part].iter().copied())
}

/// A value of this shape, of which some extents are only named.
fn value(name: &str, elem_type: i32, shape: &[Result<usize, &str>]) -> ValueInfo {
    let extents = shape.iter().map(|extent| match extent {
        Ok(value) => Extent::Value(*value as i64),
        Err(name) => Extent::Name((*name).to_owned()),
    });
    let dim = extents.map(|extent| Dimension {
        extent: Some(extent),
    });
    let shape = Shape { dim: dim.collect() };
    ValueInfo {
        name: name.to_owned(),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type,
                shape: Some(shape),
            }),
        }),
    }
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute {
        name: name.to_owned(),
        i,
        ints: Vec::new(),
        r#type: ATTRIBUTE_INT,
    }
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute {
        name: name.to_owned(),
        i: 0,
        ints: ints.to_vec(),
        r#type: ATTRIBUTE_INTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use idiolect_nn::Architecture;
    use std::collections::HashSet;

    fn exported(embedding: Option<usize>) -> (Weights, Graph) {
        let architecture = Architecture {
            vocab: 9,
            embedding,
            hidden: vec![3, 5],
        };
        let weights = Weights::init(&architecture, 2).unwrap();
        let share = Share {
            first_call: 5,
            unknown: 0.01,
        };
        let bytes = export(&weights, share, &[("key", "value".to_owned())]);
        let model = Model::decode(&bytes[..]).unwrap();
        assert_eq!(model.metadata_props[0].key, "key");
        (weights, model.graph.unwrap())
    }

    #[test]
    fn every_value_is_made_before_it_is_used_and_once() {
        for embedding in [Some(4), None] {
            let (_, graph) = exported(embedding);
            let mut made: HashSet<&str> = graph.input.iter().map(|v| v.name.as_str()).collect();
            made.extend(graph.initializer.iter().map(|t| t.name.as_str()));
            made.insert("");
            for node in &graph.node {
                for input in &node.input {
                    assert!(made.contains(input.as_str()), "{input} of {}", node.op_type);
                }
                for output in &node.output {
                    assert!(made.insert(output), "{output} twice");
                }
            }
            assert!(graph.output.iter().all(|v| made.contains(v.name.as_str())));
            let outputs: Vec<&str> = graph.output.iter().map(|v| v.name.as_str()).collect();
            let expected = ["log_probs", "h0_after", "c0_after", "h1_after", "c1_after"];
            assert_eq!(outputs, expected);
            for tensor in &graph.initializer {
                let numbers: i64 = tensor.dims.iter().product();
                let size = match tensor.data_type {
                    FLOAT => 4,
                    INT64 => 8,
                    _ => 1,
                };
                assert_eq!(
                    tensor.raw_data.len() as i64,
                    size * numbers,
                    "{}",
                    tensor.name
                );
            }
        }
    }

    #[test]
    fn gates_stand_in_the_order_of_onnx() {
        let (weights, graph) = exported(Some(4));
        let ours = weights.tensor("lstm.0.weight_hh").unwrap();
        let tensor = graph.initializer.iter().find(|t| t.name == "r0").unwrap();
        let theirs: Vec<f32> = tensor
            .raw_data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        // Width 3: a gate has nine numbers.
        for (to, from) in [(0, 0), (1, 3), (2, 1), (3, 2)] {
            assert_eq!(theirs[to * 9..][..9], ours[from * 9..][..9]);
        }
    }
}
