//! The weights that a training begins with.

use serde::{Deserialize, Serialize};

use crate::architecture::EMBEDDING;
use crate::{Architecture, ArchitectureError, Rng, Weights};

/// How fresh weights are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// PyTorch's own scheme with one change. The embedding is drawn from N(0, 1); the LSTM's weights and
    /// biases and the output's are uniform in ±1/sqrt(H), H the width of the layer they belong to or
    /// read. The change: the forget gate's bias has 1 added, so that a fresh cell keeps what it holds
    /// (Jozefowicz, Zaremba and Sutskever 2015).
    #[default]
    Usual,
    /// What Keras 3 gives an `Embedding`, an `LSTM` and a `Dense` layer by default. `weight_ih` and the
    /// output's weights are uniform in ±sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010), where an
    /// LSTM counts as 4H outputs; `weight_hh` has orthonormal columns (Saxe, McClelland and Ganguli
    /// 2014), for all four gates together; biases are 0 but for the forget gate's, which are 1; the
    /// embedding is uniform in ±0.05. Making columns orthogonal takes time of the order of H^3.
    Keras,
    /// Every weight and bias uniform in ± the number given, an f32 above 0: Zaremba, Sutskever and
    /// Vinyals 2014; Kim et al. 2016 with 0.1.
    Uniform(f64),
}

impl Weights {
    /// Fresh weights by the scheme [`Init::Usual`].
    pub fn init(architecture: &Architecture, seed: u64) -> Result<Self, ArchitectureError> {
        Weights::init_with(architecture, Init::Usual, seed)
    }

    /// Fresh weights. Each tensor has a generator of its own, made from the seed and its place.
    pub fn init_with(
        architecture: &Architecture,
        init: Init,
        seed: u64,
    ) -> Result<Self, ArchitectureError> {
        architecture.validate()?;
        if let Init::Uniform(bound) = init
            && !(bound > 0.0 && (bound as f32).is_finite())
        {
            return Err(ArchitectureError::InitBound(bound));
        }
        let tensors = architecture.tensor_shapes().into_iter().enumerate();
        let data = tensors.map(|(index, (name, shape))| {
            let rng = Rng::from_parts(&[seed, index as u64]);
            let tensor = Fresh { name, shape, rng };
            match init {
                Init::Usual => tensor.usual(architecture),
                Init::Keras => tensor.keras(),
                Init::Uniform(bound) => tensor.uniform(bound),
            }
        });
        Ok(Weights::from_ordered(architecture, data.collect()))
    }
}

/// Bound of Keras' embedding.
const KERAS_EMBEDDING: f64 = 0.05;

/// A tensor that is to be drawn.
struct Fresh {
    name: String,
    shape: Vec<usize>,
    rng: Rng,
}

impl Fresh {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn uniform(mut self, bound: f64) -> Vec<f32> {
        (0..self.len())
            .map(|_| ((2.0 * self.rng.uniform() - 1.0) * bound) as f32)
            .collect()
    }

    fn usual(mut self, architecture: &Architecture) -> Vec<f32> {
        if self.name == EMBEDDING {
            return (0..self.len()).map(|_| self.rng.normal() as f32).collect();
        }
        let layer = lstm_layer(&self.name);
        let width = layer.map_or(architecture.top_width(), |l| architecture.hidden[l]);
        let bias = layer.is_some() && self.name.ends_with(".bias");
        let mut data = self.uniform(1.0 / (width as f64).sqrt());
        if bias {
            for forget in &mut data[width..2 * width] {
                *forget += 1.0;
            }
        }
        data
    }

    fn keras(self) -> Vec<f32> {
        if self.name == EMBEDDING {
            return self.uniform(KERAS_EMBEDDING);
        }
        match self.shape[..] {
            [rows, columns] if self.name.ends_with("weight_hh") => {
                orthonormal_columns(rows, columns, self.rng)
            }
            [outputs, inputs] => self.uniform((6.0 / (inputs + outputs) as f64).sqrt()),
            _ => {
                let mut data = vec![0.0; self.len()];
                if lstm_layer(&self.name).is_some() {
                    let width = data.len() / 4;
                    data[width..2 * width].fill(1.0);
                }
                data
            }
        }
    }
}

/// A row-major matrix with at least as many rows as columns, of which the columns are orthonormal: the Q
/// of a normal matrix's QR decomposition, with the signs for which R's diagonal is positive, so that all
/// such matrices are equally likely.
///
/// By Gram and Schmidt's process, each column taken off twice, after which rounding leaves nothing of it
/// ("twice is enough", Giraud et al. 2005).
fn orthonormal_columns(rows: usize, columns: usize, mut rng: Rng) -> Vec<f32> {
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(columns);
    for _ in 0..columns {
        let mut column: Vec<f64> = (0..rows).map(|_| rng.normal()).collect();
        for _ in 0..2 {
            for other in &done {
                let along = dot(&column, other);
                for (x, y) in column.iter_mut().zip(other) {
                    *x -= along * y;
                }
            }
        }
        let length = dot(&column, &column).sqrt();
        column.iter_mut().for_each(|x| *x /= length);
        done.push(column);
    }
    let by_rows = (0..rows).flat_map(|row| done.iter().map(move |column| column[row] as f32));
    by_rows.collect()
}

/// The sum of products, in eight sums side by side so that the compiler can use vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += x * y;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// The layer's number in a name such as `lstm.2.bias`.
fn lstm_layer(name: &str) -> Option<usize> {
    name.strip_prefix("lstm.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture(embedding: Option<usize>) -> Architecture {
        Architecture {
            vocab: 300,
            embedding,
            hidden: vec![100, 25],
        }
    }

    fn largest(weights: &Weights, name: &str) -> f32 {
        let data = weights.tensor(name).unwrap();
        data.iter().fold(0f32, |m, x| m.max(x.abs()))
    }

    fn assert_uniform(weights: &Weights, name: &str, bound: f64) {
        let data = weights.tensor(name).unwrap();
        let largest = f64::from(largest(weights, name));
        assert!(
            largest <= bound * 1.000_001 && largest > 0.9 * bound,
            "{name} {largest}"
        );
        // Mean and variance within five standard errors.
        let n = data.len() as f64;
        let mean = data.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let square = data.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
        assert!(
            mean.abs() < 5.0 * bound / (3.0 * n).sqrt(),
            "{name} mean {mean}"
        );
        let (variance, error) = (bound * bound / 3.0, bound * bound * (4.0 / 45.0 / n).sqrt());
        assert!(
            (square - variance).abs() < 5.0 * error,
            "{name} variance {square}"
        );
    }

    #[test]
    fn usual_weights_follow_the_stated_scheme() {
        let arch = architecture(Some(64));
        let weights = Weights::init(&arch, 9).unwrap();
        assert_eq!(weights, Weights::init_with(&arch, Init::Usual, 9).unwrap());
        assert_ne!(weights, Weights::init(&arch, 10).unwrap());
        let embedding = weights.tensor("embedding.weight").unwrap();
        let variance = embedding.iter().map(|x| x * x).sum::<f32>() / embedding.len() as f32;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        for (name, bound) in [
            ("lstm.0.weight_hh", 0.1),
            ("lstm.1.weight_ih", 0.2),
            ("output.weight", 0.2),
        ] {
            assert_uniform(&weights, name, bound);
        }
        let bias = weights.tensor("lstm.0.bias").unwrap();
        assert!(bias[100..200].iter().all(|x| (0.9..=1.1).contains(x)));
        assert!(bias[200..].iter().all(|x| x.abs() <= 0.1));
    }

    #[test]
    fn keras_weights_follow_its_defaults() {
        for embedding in [None, Some(64)] {
            let arch = architecture(embedding);
            let weights = Weights::init_with(&arch, Init::Keras, 3).unwrap();
            let inputs = embedding.unwrap_or(300) as f64;
            if embedding.is_some() {
                assert_uniform(&weights, EMBEDDING, 0.05);
            }
            assert_uniform(
                &weights,
                "lstm.0.weight_ih",
                (6.0 / (inputs + 400.0)).sqrt(),
            );
            assert_uniform(&weights, "lstm.1.weight_ih", (6f64 / 200.0).sqrt());
            assert_uniform(&weights, "output.weight", (6f64 / 325.0).sqrt());
            assert_eq!(largest(&weights, "output.bias"), 0.0);
            for (layer, width) in [(0, 100), (1, 25)] {
                let bias = weights.tensor(&format!("lstm.{layer}.bias")).unwrap();
                for (at, &x) in bias.iter().enumerate() {
                    assert_eq!(x, f32::from(u8::from(at / width == 1)));
                }
            }
        }
    }

    #[test]
    fn orthonormal_columns_are_and_point_anywhere() {
        for (rows, columns) in [(4, 1), (400, 100), (12, 12)] {
            let q = orthonormal_columns(rows, columns, Rng::new(5));
            let at = |r: usize, c: usize| f64::from(q[r * columns + c]);
            for a in 0..columns {
                for b in 0..=a {
                    let dot: f64 = (0..rows).map(|r| at(r, a) * at(r, b)).sum();
                    assert!(
                        (dot - f64::from(u8::from(a == b))).abs() < 1e-6,
                        "{a} {b} {dot}"
                    );
                }
            }
        }
        // Signs are even, in the first place as in others: that is what the positive diagonal is for.
        let positive = |place: usize| {
            let draws = (0..1000).map(|seed| orthonormal_columns(4, 2, Rng::new(seed))[place]);
            draws.filter(|&x| x > 0.0).count()
        };
        for place in [0, 1, 7] {
            let count = positive(place);
            assert!((420..580).contains(&count), "{place}: {count}");
        }
    }

    #[test]
    fn uniform_weights_are_within_a_bound_that_is_one() {
        let arch = architecture(Some(64));
        let weights = Weights::init_with(&arch, Init::Uniform(0.1), 3).unwrap();
        let names: Vec<_> = arch.tensor_shapes().into_iter().map(|s| s.0).collect();
        for name in names {
            if name != "output.bias" && !name.ends_with("1.bias") {
                assert_uniform(&weights, &name, 0.1);
            }
            assert!(largest(&weights, &name) > 0.08, "{name}");
        }
        for bound in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e39] {
            let error = Weights::init_with(&arch, Init::Uniform(bound), 3).unwrap_err();
            assert!(matches!(error, ArchitectureError::InitBound(_)), "{error}");
        }
    }

    #[test]
    fn schemes_read_back_from_json() {
        for init in [Init::Usual, Init::Keras, Init::Uniform(0.1)] {
            let json = serde_json::to_string(&init).unwrap();
            assert_eq!(serde_json::from_str::<Init>(&json).unwrap(), init);
        }
    }
}
