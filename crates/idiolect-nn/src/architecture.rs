//! The shape of a network.

use serde::{Deserialize, Serialize};

/// The shape of a network: how many tokens, how wide, how deep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Number of tokens, V. Every token is below it.
    pub vocab: usize,
    /// Width of the embedding, E; `None` for one-hot input: the first layer reads the V numbers of which
    /// the token's is 1 and the others 0, so its `weight_ih` has a column for each token and there is no
    /// embedding to learn. Written as a number or `null`, and never left out.
    #[serde(deserialize_with = "Option::deserialize")]
    pub embedding: Option<usize>,
    /// Width of each LSTM layer, H, from the input to the output.
    pub hidden: Vec<usize>,
}

impl Architecture {
    /// Most tokens a network may have.
    pub const MAX_VOCAB: usize = 65_536;
    /// Most layers a network may have.
    pub const MAX_LAYERS: usize = 8;
    /// Greatest width of the embedding or of a layer.
    pub const MAX_WIDTH: usize = 8_192;
    /// Most weights a network may have: 2 GiB of them, so that a hostile file cannot ask for more.
    pub const MAX_WEIGHTS: usize = 1 << 29;

    /// Checks the bounds; everything that takes an architecture calls this first.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        if self.vocab == 0 || self.vocab > Self::MAX_VOCAB {
            return Err(ArchitectureError::Vocab(self.vocab));
        }
        if self.hidden.is_empty() || self.hidden.len() > Self::MAX_LAYERS {
            return Err(ArchitectureError::Layers(self.hidden.len()));
        }
        for &width in self.hidden.iter().chain(&self.embedding) {
            if width == 0 || width > Self::MAX_WIDTH {
                return Err(ArchitectureError::Width(width));
            }
        }
        // The bounds above keep this below 2^40.
        let weights = self.weight_count();
        if weights > Self::MAX_WEIGHTS {
            return Err(ArchitectureError::Weights(weights));
        }
        Ok(())
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        let mut count = self.embedding.map_or(0, |width| self.vocab * width);
        let mut input = self.embedding.unwrap_or(self.vocab);
        for &hidden in &self.hidden {
            count += 4 * hidden * (input + hidden + 1);
            input = hidden;
        }
        count + self.vocab * (input + 1)
    }

    /// Width of what layer `layer` is fed: the embedding (V with one-hot input), or the layer below.
    pub fn input_width(&self, layer: usize) -> usize {
        if layer == 0 {
            self.embedding.unwrap_or(self.vocab)
        } else {
            self.hidden[layer - 1]
        }
    }

    /// Width of the layer that the output reads.
    pub(crate) fn top_width(&self) -> usize {
        // `validate` refuses a network without layers.
        self.hidden.last().copied().unwrap_or(0)
    }

    /// Name and shape of each tensor, in the order in which they are kept and written.
    pub fn tensor_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        if let Some(width) = self.embedding {
            shapes.push((EMBEDDING.to_owned(), vec![self.vocab, width]));
        }
        for (layer, &hidden) in self.hidden.iter().enumerate() {
            shapes.push((
                format!("lstm.{layer}.weight_ih"),
                vec![4 * hidden, self.input_width(layer)],
            ));
            shapes.push((format!("lstm.{layer}.weight_hh"), vec![4 * hidden, hidden]));
            shapes.push((format!("lstm.{layer}.bias"), vec![4 * hidden]));
        }
        shapes.push((
            "output.weight".to_owned(),
            vec![self.vocab, self.top_width()],
        ));
        shapes.push(("output.bias".to_owned(), vec![self.vocab]));
        shapes
    }
}

/// Name of the embedding's tensor.
pub(crate) const EMBEDDING: &str = "embedding.weight";

/// An architecture beyond the bounds, or first weights that it cannot have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArchitectureError {
    /// No token, or too many.
    #[error("a vocabulary of {0} tokens: it must have 1 to {max}", max = Architecture::MAX_VOCAB)]
    Vocab(usize),
    /// No layer, or too many.
    #[error("{0} LSTM layers: there must be 1 to {max}", max = Architecture::MAX_LAYERS)]
    Layers(usize),
    /// A layer or the embedding is too wide or has no width.
    #[error("a layer or embedding of width {0}: it must be 1 to {max}", max = Architecture::MAX_WIDTH)]
    Width(usize),
    /// Within the other bounds, but too large altogether.
    #[error("{0} weights altogether: there may be {max} at most", max = Architecture::MAX_WEIGHTS)]
    Weights(usize),
    /// [`Init::Uniform`](crate::Init::Uniform) with a bound that is none.
    #[error("first weights uniform in ±{0}: the bound must be above 0 and finite as an f32")]
    InitBound(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        let of = |vocab, embedding, hidden: &[usize]| Architecture {
            vocab,
            embedding: Some(embedding),
            hidden: hidden.to_vec(),
        };
        assert_eq!(of(10, 4, &[8, 3]).validate(), Ok(()));
        assert_eq!(of(0, 4, &[8]).validate(), Err(ArchitectureError::Vocab(0)));
        assert_eq!(
            of(65_537, 4, &[8]).validate(),
            Err(ArchitectureError::Vocab(65_537))
        );
        assert_eq!(of(10, 0, &[8]).validate(), Err(ArchitectureError::Width(0)));
        assert_eq!(
            of(10, 4, &[8, 9000]).validate(),
            Err(ArchitectureError::Width(9000))
        );
        assert_eq!(of(10, 4, &[]).validate(), Err(ArchitectureError::Layers(0)));
        assert_eq!(
            of(10, 4, &[1; 9]).validate(),
            Err(ArchitectureError::Layers(9))
        );
        assert!(matches!(
            of(65_536, 8192, &[8192; 8]).validate(),
            Err(ArchitectureError::Weights(_))
        ));
    }

    #[test]
    fn shapes_add_up_to_the_count() {
        for embedding in [Some(5), None] {
            let arch = Architecture {
                vocab: 7,
                embedding,
                hidden: vec![3, 4],
            };
            assert_eq!(arch.validate(), Ok(()));
            let shapes = arch.tensor_shapes();
            let sum: usize = shapes
                .iter()
                .map(|(_, s)| s.iter().product::<usize>())
                .sum();
            assert_eq!(sum, arch.weight_count());
            assert_eq!(shapes[0].0 == EMBEDDING, embedding.is_some());
            let first = shapes.iter().find(|(name, _)| name == "lstm.0.weight_ih");
            assert_eq!(first.unwrap().1, [12, embedding.unwrap_or(7)]);
        }
    }

    #[test]
    fn the_embedding_is_a_number_or_null_but_never_left_out() {
        let read = |json: &str| serde_json::from_str::<Architecture>(json);
        let numbered = read(r#"{"vocab": 9, "embedding": 64, "hidden": [8]}"#).unwrap();
        assert_eq!(numbered.embedding, Some(64));
        let one_hot = read(r#"{"vocab": 9, "embedding": null, "hidden": [8]}"#).unwrap();
        assert_eq!(one_hot.embedding, None);
        assert!(read(r#"{"vocab": 9, "hidden": [8]}"#).is_err());
        for arch in [numbered, one_hot] {
            let json = serde_json::to_string(&arch).unwrap();
            assert_eq!(read(&json).unwrap(), arch);
        }
    }
}
