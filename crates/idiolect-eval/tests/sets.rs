//! The public data sets as types, and one's own data.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use idiolect_eval::data::{DataError, DataSet, Reading, Role, Variant};

fn public(below: &str) -> Option<PathBuf> {
    let found = std::env::var_os("IDIOLECT_DATA").map(|folder| Path::new(&folder).join(below));
    if found.is_none() {
        eprintln!("skipped: IDIOLECT_DATA is not set");
    }
    found
}

fn read(name: &str, path: &Path) -> Result<Vec<DataSet>, DataError> {
    DataSet::read(name, path, &Reading::default())
}

/// Unpacks what lies below some paths of a `.tar.gz` of the public data.
fn unpacked(archive: &Path, below: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = flate2::read::GzDecoder::new(fs::File::open(archive).unwrap());
    for entry in tar::Archive::new(packed).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if below.iter().any(|wanted| path.starts_with(wanted)) {
            entry.unpack_in(folder.path()).unwrap();
        }
    }
    folder
}

#[test]
fn adfa_ld_has_its_official_split() {
    let Some(path) = public("adfa-ld/ADFA-LD.zip") else {
        return;
    };
    let set = read("adfa-ld", &path).unwrap().remove(0);
    let of = |role| set.about.iter().filter(|about| about.role == role).count();
    assert_eq!(
        (of(Role::Train), of(Role::Normal), of(Role::Attack)),
        (833, 4_372, 746)
    );
    let rounds = set.rounds(5, 1);
    let counts = |variant| {
        let counted = set.counted(&rounds[0], variant);
        let attacks = counted
            .iter()
            .filter(|&&place| set.is_attack(place))
            .count();
        (counted.len() - attacks, attacks)
    };
    assert_eq!(counts(Variant::All), (4_372, 746));
    assert_eq!(counts(Variant::WithoutCopies), (2_420, 732));
    let (normal, attacks) = counts(Variant::Unseen);
    assert!(normal < 2_420 && attacks <= 732, "{normal} {attacks}");
    let families: std::collections::BTreeSet<_> = set
        .about
        .iter()
        .filter_map(|about| about.family.as_deref())
        .collect();
    assert_eq!(families.len(), 6, "{families:?}");
}

#[test]
fn unm_by_pairing() {
    let Some(archive) = public("unm/unm.tar.gz") else {
        return;
    };
    let folder = unpacked(&archive, &["unm/xlock", "unm/synth-sendmail"]);
    let set = |name: &str| read(name, folder.path()).unwrap().remove(0);
    let counts = |set: &DataSet| {
        let attacks = (0..set.streams.len())
            .filter(|&place| set.is_attack(place))
            .count();
        (set.streams.len() - attacks, attacks)
    };
    // As in the results of `score`.
    let xlock = set("unm/xlock");
    assert_eq!(
        (xlock.name.as_str(), counts(&xlock)),
        ("unm/xlock", (71, 2))
    );
    assert_eq!(counts(&set("unm/synth-sendmail")), (199, 25));
    assert!(
        xlock
            .rounds(5, 1)
            .iter()
            .all(|round| !round.train.is_empty())
    );
    let mixed = read(
        "unm/live-lpr-mit-new/normal+synth-lpr/intrusion",
        folder.path(),
    );
    assert!(matches!(mixed, Err(DataError::Numbering(_))));
    let packed = read("unm", &archive).unwrap_err().to_string();
    assert!(packed.contains("unpacked"), "{packed}");
}

#[test]
fn lid_ds_recordings_are_read_by_thread() {
    let Some(archive) = public("lid-ds/lid-ds.tar.gz") else {
        return;
    };
    let folder = unpacked(&archive, &["lid-ds/2021-sc"]);
    let sample = folder
        .path()
        .join("lid-ds/2021-sc/training/aggressive_nightingale_1018");
    // The one whole recording stands for every part of a scenario.
    let scenario = tempfile::tempdir().unwrap();
    for part in ["training", "test/normal", "test/normal_and_attack"] {
        fs::create_dir_all(scenario.path().join(part)).unwrap();
        for ending in ["sc", "json"] {
            let to = scenario
                .path()
                .join(part)
                .join("recording")
                .with_extension(ending);
            fs::copy(sample.with_extension(ending), to).unwrap();
        }
    }
    let set = read("lid-ds", scenario.path()).unwrap().remove(0);
    let began = 1_631_078_877_513_988_000_u64;
    for (place, about) in set.about.iter().enumerate() {
        let times = about.times.as_ref().unwrap();
        assert_eq!(times.len(), set.streams.get(place).symbols.len());
        let last = times[times.len() - 1];
        match about.role {
            // Nothing is learned from what comes after an exploit.
            Role::Train => assert!(last < began),
            Role::Attack => {
                assert!(
                    about
                        .exploit_ns
                        .is_some_and(|ns| ns.abs_diff(began) < 1_000)
                        && last >= began - 1_000
                );
            }
            Role::Normal => {}
        }
    }
    let calls: usize = (0..set.streams.len())
        .filter(|&place| set.about[place].recording == 1)
        .map(|place| set.streams.get(place).calls())
        .sum();
    let text = fs::read_to_string(sample.with_extension("sc")).unwrap();
    let entries = text.lines().filter(|line| line.contains(" > ")).count();
    assert_eq!(calls, entries);
}

#[test]
fn lid_ds_of_2019_and_recordings_in_archives() {
    let folder = tempfile::tempdir().unwrap();
    let line = |second: u32, call: &str| {
        format!("{second} 00:00:{second:02}.000000000 1 999 my sqld 77 > {call} fd=1\n")
    };
    let calls: String = ["read", "fstatat", "read", "close"]
        .iter()
        .enumerate()
        .map(|(place, call)| line(place as u32 + 10, call))
        .collect();
    for name in ["quiet_one", "loud_one"] {
        fs::write(folder.path().join(name).with_extension("txt"), &calls).unwrap();
    }
    let runs = "image_name, scenario_name, is_executing_exploit, warmup_time, recording_time, exploit_start_time\n\
                i, quiet_one, False, 15, 300, -1\ni, loud_one, True, 15, 300, 2\ni, gone, False, 1, 1, -1\n";
    fs::write(folder.path().join("runs.csv"), runs).unwrap();
    let set = read("lid-ds", folder.path()).unwrap().remove(0);
    assert_eq!(
        (set.streams.len(), set.has_split(), set.notes.len()),
        (2, false, 1)
    );
    // One spelling for a call, whatever the tool.
    assert_eq!(
        set.streams.name(set.streams.get(0).symbols[1]),
        "newfstatat"
    );
    assert_eq!(set.about[1].role, Role::Attack);
    assert_eq!(set.about[1].exploit_ns, Some(12_000_000_000));

    // A thread that ended before the exploit did nothing wrong.
    let scenario = tempfile::tempdir().unwrap();
    let recording = |part: &str, exploit: &str| {
        let path = scenario.path().join(part);
        fs::create_dir_all(&path).unwrap();
        let mut zip = zip::ZipWriter::new(fs::File::create(path.join("r.zip")).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("r.sc", options).unwrap();
        let lines = "1600000001000000000 0 5 sh 5 read > fd=1\n1600000001000000001 0 5 sh 5 read < res=1\n1600000003000000000 0 5 sh 6 write > \n";
        zip.write_all(lines.as_bytes()).unwrap();
        zip.start_file("r.json", options).unwrap();
        zip.write_all(exploit.as_bytes()).unwrap();
        zip.finish().unwrap();
    };
    recording("training", r#"{"exploit": false, "time": {"exploit": []}}"#);
    recording(
        "test/normal_and_attack",
        r#"{"exploit": true, "time": {"exploit": [{"absolute": 1600000002.0}]}}"#,
    );
    let set = read("lid-ds", scenario.path()).unwrap().remove(0);
    let roles: Vec<Role> = set.about.iter().map(|about| about.role).collect();
    assert_eq!(
        roles,
        [Role::Train, Role::Train, Role::Normal, Role::Attack]
    );
    recording("training", "{");
    let error = read("lid-ds", scenario.path()).unwrap_err().to_string();
    assert!(error.contains("description"), "{error}");
}

/// A strace log of these calls, one each millisecond from a second on.
fn log(path: &Path, second: u64, calls: &[&str]) {
    let lines = calls.iter().enumerate();
    let lines = lines.map(|(place, call)| format!("{second}.{place:03} {call}(1) = 0\n"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.collect::<String>()).unwrap();
}

#[test]
fn two_folders_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for run in 0..4 {
        log(
            &at(&format!("normal/{run}.strace")),
            1_700_000_000,
            &["read", "write", "close"],
        );
    }
    log(
        &at("attack/shell/1.strace"),
        1_700_000_000,
        &["read", "socket", "connect"],
    );
    log(&at("attack/2.strace"), 1_700_000_000, &["ptrace"; 3]);
    let set = read("mine", folder.path()).unwrap().remove(0);
    assert_eq!((set.streams.len(), set.has_split()), (6, false));
    let families: Vec<_> = set
        .about
        .iter()
        .map(|about| about.family.as_deref())
        .collect();
    assert_eq!(families[4..], [None, Some("shell")]);

    let table = at("list.csv");
    let row = "attack/shell/1.strace, attack, shell, +0.001\n";
    fs::write(
        &table,
        format!("path,label,family,exploit_time\nnormal,normal,,\n{row}"),
    )
    .unwrap();
    let set = read("mine", &table).unwrap().remove(0);
    assert_eq!(set.streams.len(), 5);
    assert_eq!(set.about[4].exploit_ns, Some(1_700_000_000_001_000_000));
    let refused = |content: &str, message: &str| {
        fs::write(&table, content).unwrap();
        let error = read("mine", &table).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    refused("path,label\nnormal,good\n", "row 1: the label \"good\"");
    refused("path,label\nnosuch,normal\n", "nosuch");
    refused("path,label\nnormal,normal\n", "0 attacks");
    refused(
        "path,label,exploit_time\nattack,attack,soon\n",
        "row 1: an exploit_time is seconds",
    );
    let lacking = read("mine", &at("normal")).unwrap_err().to_string();
    assert!(lacking.contains("no folder \"normal\""), "{lacking}");
}
