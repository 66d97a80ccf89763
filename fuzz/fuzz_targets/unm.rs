#![no_main]

use idiolect_fuzz::read_by;
use idiolect_trace::read::{Format, Numbering};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let numbering = Numbering::ALL.get(usize::from(*first) % 4).copied();
    let _ = read_by(rest, Some(Format::Unm), numbering);
});
