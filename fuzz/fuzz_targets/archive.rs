//! Archives: the first byte says what the rest is wrapped in, so that the wrapping's own checksums do
//! not keep the fuzzer out.
#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((wrapping, rest)) = bytes.split_first() else {
        return;
    };
    let content = match wrapping {
        b'g' => gzip(rest),
        b't' => tar_block(rest),
        b'z' => gzip(&tar_block(rest)),
        _ => rest.to_vec(),
    };
    let _ = idiolect_fuzz::read(&content, None);
});

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(content)
        .expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// Makes every block that claims to be a header one whose checksum holds.
fn tar_block(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    for block in content.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
    content
}
