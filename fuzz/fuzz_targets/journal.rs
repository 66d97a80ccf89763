//! Whatever the bytes, a journal gives its whole frames, and says what was none.
//!
//! Where the first byte is odd, each line of the rest is the payload of a frame that is right otherwise: the fuzzer
//! would hardly come by a check sum.
#![no_main]

use std::ops::ControlFlow;

use idiolect_fuzz::{check_batch, check_error};
use idiolect_record::read_journal_from;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let journal = if first % 2 == 0 {
        bytes.to_vec()
    } else {
        let mut journal = b"IDIOJNL\x01".to_vec();
        for payload in bytes.split(|byte| *byte == 0xff) {
            journal.extend(b"\xf1JF\n");
            journal.extend((payload.len() as u32).to_le_bytes());
            journal.extend(crc32fast::hash(payload).to_le_bytes());
            journal.extend(payload);
        }
        journal
    };
    let read = read_journal_from(&journal[..], "fuzz", &mut |batch| {
        check_batch(&batch);
        ControlFlow::Continue(())
    });
    match read {
        Ok(damage) => {
            assert!(damage.cut_bytes + damage.broken_bytes <= journal.len() as u64);
            assert_eq!(damage.broken_bytes == 0, damage.broken_places == 0);
        }
        Err(error) => check_error(&error),
    }
});
