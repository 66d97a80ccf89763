//! Tables and JSON objects: the first line is the map, and the rest what it is of.
#![no_main]

use std::sync::Arc;

use idiolect_fuzz::read_with;
use idiolect_trace::Abi;
use idiolect_trace::read::{Map, ReadOptions};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (map, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
    let Ok(map) = String::from_utf8_lossy(map).parse::<Map>() else {
        return;
    };
    let options = ReadOptions {
        map: Some(Arc::new(map)),
        abi: Some(Abi::X86_64),
        ..ReadOptions::default()
    };
    let _ = read_with(rest, options);
});
