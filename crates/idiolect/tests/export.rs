//! Networks for other runtimes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{Workplace, fail, succeed};

#[test]
fn a_profile_s_network_is_written_whole_or_not_at_all() {
    let place = Workplace::new(120);
    let profile = place.train("app.idio", &[]);
    let file = place.path("app.onnx");
    let ran = succeed(&["export", &profile, "-o", &file]);
    assert!(ran.err.contains("wrote a network of"), "{}", ran.err);
    let bytes = fs::read(&file).unwrap();
    // The first field is the version of the form, 8; the names of calls are in the metadata.
    assert_eq!(bytes[..2], [8, 8]);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("\"<unk>\"") && text.contains("\"openat\""));
    // The same profile gives the same file.
    succeed(&["export", &profile, "-o", &place.path("again.onnx")]);
    assert_eq!(fs::read(place.at("again.onnx")).unwrap(), bytes);

    fail(&["export", &file, "-o", &place.path("x.onnx")], "profile");
    fail(
        &["export", &profile, "-o", "/nowhere/x.onnx"],
        "cannot write",
    );
    let folder = place.path("normal");
    fail(&["export", &profile, "-o", &folder], "it is a folder");
}
