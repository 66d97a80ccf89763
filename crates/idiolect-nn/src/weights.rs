//! The weights of a network, as files and PyTorch have them.

use crate::{Architecture, ArchitectureError};

/// The weights of a network: named f32 tensors, row-major, in PyTorch's shapes and gate order (input,
/// forget, cell, output).
///
/// | name | shape |
/// |---|---|
/// | `embedding.weight` | V, E; not there with one-hot input |
/// | `lstm.N.weight_ih` | 4H, E (V with one-hot input) or the H below |
/// | `lstm.N.weight_hh` | 4H, H |
/// | `lstm.N.bias` | 4H: the sum of PyTorch's `bias_ih` and `bias_hh` |
/// | `output.weight` | V, H of the top layer |
/// | `output.bias` | V |
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    architecture: Architecture,
    tensors: Vec<Tensor>,
}

#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Weights {
    /// Weights out of named tensors, in any order.
    ///
    /// Each must be there once, have its shape, and hold finite numbers only.
    pub fn from_tensors<N: AsRef<str>>(
        architecture: &Architecture,
        tensors: impl IntoIterator<Item = (N, Vec<usize>, Vec<f32>)>,
    ) -> Result<Self, WeightsError> {
        architecture.validate()?;
        let shapes = architecture.tensor_shapes();
        let mut found: Vec<Option<Vec<f32>>> = vec![None; shapes.len()];
        for (name, shape, data) in tensors {
            let name = name.as_ref();
            let Some(index) = shapes.iter().position(|(known, _)| known == name) else {
                return Err(WeightsError::Unknown(name.chars().take(64).collect()));
            };
            let (name, expected) = &shapes[index];
            if shape != *expected {
                return Err(WeightsError::Shape {
                    name: name.clone(),
                    expected: expected.clone(),
                    found: shape,
                });
            }
            if data.len() != expected.iter().product::<usize>() {
                return Err(WeightsError::Length {
                    name: name.clone(),
                    expected: expected.iter().product(),
                    found: data.len(),
                });
            }
            if let Some(at) = data.iter().position(|x| !x.is_finite()) {
                return Err(WeightsError::NotFinite {
                    name: name.clone(),
                    at,
                });
            }
            if found[index].replace(data).is_some() {
                return Err(WeightsError::Twice(name.clone()));
            }
        }
        let mut kept = Vec::with_capacity(shapes.len());
        for ((name, shape), data) in shapes.into_iter().zip(found) {
            let Some(data) = data else {
                return Err(WeightsError::Missing(name));
            };
            kept.push(Tensor { name, shape, data });
        }
        Ok(Weights {
            architecture: architecture.clone(),
            tensors: kept,
        })
    }

    /// What they are the weights of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Name, shape and numbers of each tensor, in the order of [`Architecture::tensor_shapes`].
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &[usize], &[f32])> {
        self.tensors
            .iter()
            .map(|t| (t.name.as_str(), t.shape.as_slice(), t.data.as_slice()))
    }

    /// The numbers of one tensor.
    pub fn tensor(&self, name: &str) -> Option<&[f32]> {
        self.tensors
            .iter()
            .find(|t| t.name == name)
            .map(|t| t.data.as_slice())
    }

    /// Weights of the right number in the right order, from inside the crate: not checked for NaN.
    pub(crate) fn from_ordered(architecture: &Architecture, data: Vec<Vec<f32>>) -> Self {
        let shapes = architecture.tensor_shapes();
        debug_assert_eq!(shapes.len(), data.len());
        Weights {
            architecture: architecture.clone(),
            tensors: shapes
                .into_iter()
                .zip(data)
                .map(|((name, shape), data)| Tensor { name, shape, data })
                .collect(),
        }
    }

    /// The numbers of the tensor at `index` of [`Architecture::tensor_shapes`].
    pub(crate) fn ordered(&self, index: usize) -> &[f32] {
        &self.tensors[index].data
    }
}

/// Tensors that are not the weights of the architecture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// The architecture itself is beyond the bounds.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// A tensor is not there.
    #[error("the tensor {0} is missing")]
    Missing(String),
    /// A tensor that the architecture does not have (its name cut to 64 characters).
    #[error("a tensor {0:?} that this architecture does not have")]
    Unknown(String),
    /// A tensor is there twice.
    #[error("the tensor {0} is there twice")]
    Twice(String),
    /// A tensor has another shape than the architecture gives it.
    #[error("the tensor {name} has shape {found:?}, where the architecture says {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// A tensor holds more or fewer numbers than its shape says.
    #[error("the tensor {name} holds {found} numbers, where its shape says {expected}")]
    Length {
        /// Its name.
        name: String,
        /// Numbers by its shape.
        expected: usize,
        /// Numbers that there are.
        found: usize,
    },
    /// A tensor holds NaN or an infinity.
    #[error("the tensor {name} holds a number that is not finite, at position {at}")]
    NotFinite {
        /// Its name.
        name: String,
        /// Index of the first such number, row-major.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> (Architecture, Weights) {
        let arch = Architecture {
            vocab: 5,
            embedding: Some(3),
            hidden: vec![4, 2],
        };
        let weights = Weights::init(&arch, 1).unwrap();
        (arch, weights)
    }

    fn owned(weights: &Weights) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        weights
            .tensors()
            .map(|(n, s, d)| (n.to_owned(), s.to_vec(), d.to_vec()))
            .collect()
    }

    #[test]
    fn tensors_read_back_in_any_order() {
        let (arch, weights) = small();
        let mut tensors = owned(&weights);
        tensors.reverse();
        assert_eq!(Weights::from_tensors(&arch, tensors), Ok(weights));
    }

    #[test]
    fn each_defect_is_its_own_error() {
        let (arch, weights) = small();
        let good = owned(&weights);

        let mut tensors = good.clone();
        tensors.remove(2);
        let missing = Weights::from_tensors(&arch, tensors);
        assert_eq!(
            missing,
            Err(WeightsError::Missing("lstm.0.weight_hh".into()))
        );

        let mut tensors = good.clone();
        tensors[0].0 = "embeding".into();
        let unknown = Weights::from_tensors(&arch, tensors);
        assert_eq!(unknown, Err(WeightsError::Unknown("embeding".into())));

        let mut tensors = good.clone();
        tensors.push(good[3].clone());
        let twice = Weights::from_tensors(&arch, tensors);
        assert_eq!(twice, Err(WeightsError::Twice("lstm.0.bias".into())));

        let mut tensors = good.clone();
        tensors[0].1 = vec![3, 5];
        let shape = Weights::from_tensors(&arch, tensors);
        assert!(matches!(shape, Err(WeightsError::Shape { .. })));

        let mut tensors = good.clone();
        tensors[0].2.pop();
        let length = Weights::from_tensors(&arch, tensors);
        assert!(matches!(
            length,
            Err(WeightsError::Length { found: 14, .. })
        ));

        let mut tensors = good;
        tensors[8].2[1] = f32::NAN;
        let nan = Weights::from_tensors(&arch, tensors);
        let expected = WeightsError::NotFinite {
            name: "output.bias".into(),
            at: 1,
        };
        assert_eq!(nan, Err(expected));
    }
}
