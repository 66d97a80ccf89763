#![no_main]

use idiolect_fuzz::read;
use idiolect_trace::read::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, Some(Format::PerfTrace));
});
