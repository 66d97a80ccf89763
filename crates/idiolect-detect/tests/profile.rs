//! The profile file: what is written reads back, and what is wrong with a file is said.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use idiolect_detect::profile::{Problem, Profile};
use idiolect_detect::{Judge, SignalKind, StreamScore, Verdict};
use idiolect_trace::StartKind;

fn profile() -> Profile {
    let streams = common::normal(150, 1);
    let mut profile = common::fitted(&streams, &common::config()).profile;
    profile.provenance.created = "2026-01-01T00:00:00Z".to_owned();
    profile
}

fn score(profile: &Profile, calls: &[&str]) -> StreamScore {
    let judge = Judge::new(profile, None, None).unwrap();
    let mut state = judge.begin(StartKind::Exec);
    for call in calls {
        judge.call(&mut state, profile.vocabulary.token(call));
    }
    judge.score(&state)
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.idio");
    let saved = profile();
    saved.save(&path).unwrap();
    let loaded = Profile::load(&path).unwrap();
    assert_eq!(loaded.to_bytes().unwrap(), saved.to_bytes().unwrap());
    assert_eq!(loaded.calibrations, saved.calibrations);
    let calls = ["brk", "mmap", "close", "openat", "ptrace", "read"];
    assert_eq!(score(&loaded, &calls), score(&saved, &calls));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left aside"
    );
}

/// Scores by the golden profile, in nats a call, when it was made.
const GOLDEN_NORMAL: f32 = 1.236_703;
const GOLDEN_ODD: f32 = 3.829_848;

/// The golden profile of format 1 stays loadable, and says what it said when it was made.
#[test]
fn the_golden_profile_of_format_1() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-1.idio");
    if std::env::var_os("IDIOLECT_MAKE_GOLDEN").is_some() {
        profile().save(&path).unwrap();
    }
    let golden = Profile::from_bytes(&fs::read(&path).unwrap()).unwrap();
    let mut calls = vec!["brk", "mmap", "close"];
    for _ in 0..5 {
        calls.extend(["openat", "read", "read", "fstat", "close"]);
    }
    let normal = score(&golden, &calls);
    let odd = score(
        &golden,
        &["brk", "socket", "close", "close", "dup2", "mmap"],
    );
    for (score, verdict, value) in [
        (normal, Verdict::Normal, GOLDEN_NORMAL),
        (odd, Verdict::Anomalous, GOLDEN_ODD),
    ] {
        assert_eq!(score.verdict, verdict);
        let off = score.score.map(|score| (score - value).abs());
        assert!(off < Some(1e-3), "{score:?}");
    }
    assert_eq!(golden.decision.signal, SignalKind::Mean);
    assert_eq!(golden.vocabulary.calls().count(), 7);
    assert_eq!(golden.provenance.streams, 150);
}

/// Changes the JSON header of a profile's file.
fn with_header(bytes: &[u8], change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut outer: serde_json::Value = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    let text = outer["__metadata__"]["idiolect"].as_str().unwrap();
    let mut header: serde_json::Value = serde_json::from_str(text).unwrap();
    change(&mut header);
    outer["__metadata__"]["idiolect"] = header.to_string().into();
    let mut json = outer.to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut changed = (json.len() as u64).to_le_bytes().to_vec();
    changed.extend(json);
    changed.extend(&bytes[8 + len..]);
    changed
}

/// Where a tensor's bytes begin in the file.
fn place_of(bytes: &[u8], tensor: &str) -> usize {
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let outer: serde_json::Value = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    let begin = outer[tensor]["data_offsets"][0].as_u64().unwrap();
    8 + len + begin as usize
}

fn problem(bytes: &[u8]) -> Problem {
    Profile::from_bytes(bytes).expect_err("it is damaged")
}

#[test]
fn each_kind_of_damage_is_its_own_error() {
    let bytes = profile().to_bytes().unwrap();
    assert!(Profile::from_bytes(&with_header(&bytes, |_| ())).is_ok());

    for cut in [0, 4, 8, 40, bytes.len() / 2, bytes.len() - 1] {
        assert!(
            matches!(problem(&bytes[..cut]), Problem::Truncated(_)),
            "{cut}"
        );
    }
    for other in [
        &b"1 2 3 4 5 6 7 8 9 10 11"[..],
        &[0x7f; 100],
        b"PK\x03\x04 and so on, and on",
    ] {
        assert!(matches!(problem(other), Problem::NotAProfile(_)));
    }
    let too_new = with_header(&bytes, |h| {
        h["format"] = 9.into();
        h["min_reader"] = 9.into();
    });
    assert!(matches!(
        problem(&too_new),
        Problem::TooNew { min_reader: 9, .. }
    ));
    let critical = with_header(&bytes, |h| h["critical"] = serde_json::json!(["outcomes"]));
    assert!(matches!(problem(&critical), Problem::UnknownCritical(name) if name == "outcomes"));
    let wider = with_header(&bytes, |h| {
        h["models"][0]["hidden"] = serde_json::json!([17]);
    });
    assert!(matches!(problem(&wider), Problem::Shape(_)));
    let fewer = with_header(&bytes, |h| {
        h["vocabulary"].as_array_mut().unwrap().pop();
    });
    assert!(matches!(problem(&fewer), Problem::Shape(_)));
    for (field, value) in [
        ("token_scheme", serde_json::json!("name+outcome")),
        ("vocabulary", serde_json::json!(["read"])),
        (
            "decision",
            serde_json::json!({"signal": "mean", "rate": 2.0}),
        ),
        ("calibrations", serde_json::json!([])),
        ("models", serde_json::json!([])),
        ("format", serde_json::json!("one")),
    ] {
        let wrong = with_header(&bytes, |h| h[field] = value.clone());
        let problem = problem(&wrong);
        assert!(
            matches!(problem, Problem::Header(_) | Problem::Shape(_)),
            "{field}: {problem}"
        );
    }
    for (tensor, value) in [
        ("sets.calls", 0xffff_u16),
        ("sets.sizes", 3),
        ("sets.times", 0),
    ] {
        let mut wrong = bytes.clone();
        let at = place_of(&wrong, tensor);
        wrong[at..at + 2].copy_from_slice(&value.to_le_bytes());
        let problem = problem(&wrong);
        assert!(matches!(problem, Problem::Shape(_)), "{tensor}: {problem}");
    }
    let nobody = with_header(&bytes, |h| h["sets"]["neighbours"] = 0.into());
    assert!(matches!(problem(&nobody), Problem::Shape(_)));
    let without = with_header(&bytes, |h| h["sets"] = serde_json::Value::Null);
    assert!(matches!(problem(&without), Problem::Shape(_)));
    let at = place_of(&bytes, "calibration.0");
    let mut not_finite = bytes;
    not_finite[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(matches!(problem(&not_finite), Problem::NotFinite(_)));
}

#[test]
fn a_later_version_may_add_fields() {
    let bytes = profile().to_bytes().unwrap();
    let later = with_header(&bytes, |h| {
        h["format"] = 2.into();
        h["mood"] = "good".into();
    });
    assert!(Profile::from_bytes(&later).is_ok());
}

#[test]
fn root_believes_only_what_root_alone_can_write() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: not running as root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.idio");
    profile().save(&path).unwrap();
    let refused = || {
        let error = Profile::load(&path).expect_err("others could have written it");
        assert!(matches!(error.problem, Problem::Untrusted(_)), "{error}");
        error.to_string()
    };
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));

    chmod(&path, 0o664).unwrap();
    assert!(refused().contains("may be written by others (mode 664)"));
    chmod(&path, 0o644).unwrap();
    chmod(folder.path(), 0o777).unwrap();
    assert!(refused().contains("its folder"));
    // In a sticky folder nobody can replace the files of another.
    chmod(folder.path(), 0o1777).unwrap();
    assert!(Profile::load(&path).is_ok());
    std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
    assert!(refused().contains("belongs to user 1234"));
}

#[test]
fn a_save_that_fails_leaves_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.idio");
    fs::create_dir(&path).unwrap();
    let error = profile().save(&path).unwrap_err();
    assert!(error.to_string().contains("it is a folder"), "{error}");
    let nowhere = folder.path().join("none/a.idio");
    assert!(matches!(
        profile().save(&nowhere).unwrap_err().problem,
        Problem::Save(_)
    ));
}
