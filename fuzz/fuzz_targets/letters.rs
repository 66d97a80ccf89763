//! A character a call: the alphabet ends with the first empty line.
#![no_main]

use std::sync::Arc;

use idiolect_fuzz::read_with;
use idiolect_trace::read::{Alphabet, Format, ReadOptions};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (alphabet, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 2));
    let Ok(alphabet) = String::from_utf8_lossy(alphabet).parse::<Alphabet>() else {
        return;
    };
    let options = ReadOptions {
        format: Some(Format::Letters),
        alphabet: Some(Arc::new(alphabet)),
        ..ReadOptions::default()
    };
    let _ = read_with(rest, options);
});
