//! LSTM language-model kernels.
#![warn(missing_docs)]
