//! Whatever the bytes, loading a profile says what is wrong or gives one that scores.
#![no_main]

use idiolect_detect::profile::Profile;
use idiolect_detect::{Judge, Vocabulary};
use idiolect_trace::StartKind;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(profile) = Profile::from_bytes(bytes) else {
        return;
    };
    let Ok(judge) = Judge::new(&profile, None, None) else {
        return;
    };
    let mut state = judge.begin(StartKind::Exec);
    for token in [Vocabulary::UNKNOWN, profile.vocabulary.len() as u32 - 1] {
        judge.call(&mut state, token);
    }
    judge.gap(&mut state);
    let _ = judge.score(&state);
    profile.to_bytes().expect("what was read can be written");
});
