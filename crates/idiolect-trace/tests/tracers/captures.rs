//! Real logs of other people's machines.

use std::fs;
use std::path::PathBuf;

use idiolect_trace::Record;
use idiolect_trace::read::{Format, SkipKind};

use crate::collect::{self, data};
use crate::story::{Story, try_tell};

fn read(file: &PathBuf) -> (String, Story) {
    let text = fs::read(file).unwrap();
    let story = try_tell(&text, None).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    (String::from_utf8_lossy(&text).into_owned(), story)
}

const NO_CALLS: [&str; 2] = ["switch", "procexit"];

#[test]
fn sysdig() {
    let Some(data) = data() else { return };
    let of = |name: &str| data.join("captures/sysdig").join(name);
    for (name, json) in [
        ("cat_write_default.txt", false),
        ("cat_write_v.txt", false),
        ("cat_write_t-d.txt", false),
        ("cat_write_lidds2021-format.txt", false),
        ("cat_write_j.json", true),
        ("sample_default.txt", false),
        ("sample_X.txt", false),
        ("sample_t-d.txt", false),
        ("sample_lidds2021-format.txt", false),
        ("sample_j.json", true),
    ] {
        let (text, story) = read(&of(name));
        let format = if json {
            Format::SysdigJson
        } else {
            Format::Sysdig
        };
        assert_eq!(story.format, format, "{name}");
        assert_eq!(story.skipped(SkipKind::Unparsed), 0, "{name}");
        // Enters that are calls, and exits without one.
        let is_enter = |line: &&str| match json {
            true => line.contains("\"evt.dir\":\">\""),
            false => line.contains(" > "),
        };
        let is_call = |line: &&str| {
            let no_call = |name: &&str| match json {
                true => line.contains(&format!("\"evt.type\":\"{name}\"")),
                false => {
                    line.contains(&format!(" > {name} ")) || line.contains(&format!(" {name} > "))
                }
            };
            !NO_CALLS.iter().any(no_call) && !line.contains("<unknown>")
        };
        let enters = text.lines().filter(is_enter).filter(is_call).count() as u64;
        let orphans = story.skipped(SkipKind::OrphanResumed);
        assert_eq!(story.report.calls, enters + orphans, "{name}");
    }
    let streams = |name: &str| read(&of(name)).1.streams();
    let cat = streams("cat_write_default.txt");
    assert_eq!(cat.len(), 1);
    for other in [
        "cat_write_v.txt",
        "cat_write_t-d.txt",
        "cat_write_lidds2021-format.txt",
        "cat_write_j.json",
    ] {
        assert_eq!(streams(other), cat, "{other}");
    }
}

#[test]
fn excerpts_of_perf_and_ftrace() {
    let Some(data) = data() else { return };
    let of = |name: &str| read(&data.join("captures").join(name)).1;
    let perf = of("perf-script/excerpts.txt");
    assert_eq!(perf.format, Format::PerfScript);
    // A line is cut off, but its number is there.
    assert_eq!(perf.skipped(SkipKind::Unparsed), 0);
    assert_eq!(perf.lines()[..2], ["5375 write=8", "5375 rt_sigreturn=8"]);
    let trace = of("perf-trace/excerpts.txt");
    assert_eq!(trace.format, Format::PerfTrace);
    assert_eq!(trace.skipped(SkipKind::Unparsed), 0);
    assert_eq!(trace.report.calls, 12);
    let ftrace = of("ftrace/excerpts.txt");
    assert_eq!(ftrace.lines(), ["23553 read=?", "557 read=?"]);
}

#[test]
fn lid_ds() {
    let Some(data) = data() else { return };
    let (got, totals) = collect::path(&data.join("lid-ds/lid-ds.tar.gz")).unwrap();
    let formats = |format| {
        got.sources
            .iter()
            .filter(move |source| source.format == format)
    };
    // The recording of 2021 and the two of 2019.
    assert_eq!(formats(Format::Sysdig).count(), 3);
    assert!(formats(Format::Lttng).count() > 0);
    assert_eq!(totals.skipped(SkipKind::Unparsed), 0);
    let of_2021 = got
        .sources
        .iter()
        .position(|source| source.origin.ends_with(".sc"))
        .unwrap();
    // grep -c ' > ' of the file, and the exits that come first.
    let report = &got.reports[of_2021];
    assert_eq!(
        report.calls,
        11_734 + report.skips.count(SkipKind::OrphanResumed)
    );
    let with_process = |record: &Record| match record {
        Record::Call(call) if call.stream.origin.ends_with(".sc") => call.stream.tgid.is_some(),
        _ => true,
    };
    assert!(got.records.iter().all(with_process));
}
