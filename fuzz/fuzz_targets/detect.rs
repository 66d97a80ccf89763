//! Text of any kind: the format is found by content.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = idiolect_fuzz::read(bytes, None);
});
