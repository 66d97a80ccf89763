//! One file a command.

pub(crate) mod convert;
pub(crate) mod demo;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod optimize;
pub(crate) mod plot;
pub(crate) mod portability;
pub(crate) mod sample;
pub(crate) mod score;
pub(crate) mod scored;
pub(crate) mod train;
pub(crate) mod transitions;
pub(crate) mod try_it;
