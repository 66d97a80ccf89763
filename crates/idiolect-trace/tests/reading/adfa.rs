//! ADFA-LD as distributed, and the rules of its folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use idiolect_trace::Record;
use idiolect_trace::read::{Format, Part, ReadOptions, Sink, Source, SourceReport, read_path};
use tempfile::TempDir;

use crate::collect::{data, path};

/// Traces and calls a part, and the families of attack.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    parts: BTreeMap<Option<Part>, (u64, u64)>,
    families: BTreeSet<String>,
}

impl Sink for Tally {
    fn record(&mut self, record: Record) -> ControlFlow<()> {
        assert!(matches!(record, Record::Call(_)));
        ControlFlow::Continue(())
    }

    fn end(&mut self, source: &Source, report: &SourceReport) -> ControlFlow<()> {
        assert_eq!(source.format, Format::Adfa, "{}", source.origin);
        assert_eq!(report.skips.iter().count(), 0, "{}", source.origin);
        let part = self
            .parts
            .entry(source.label.as_ref().map(|label| label.part))
            .or_default();
        part.0 += 1;
        part.1 += report.calls;
        self.families
            .extend(source.label.as_ref().and_then(|label| label.family.clone()));
        ControlFlow::Continue(())
    }
}

fn tally(path: &Path) -> Tally {
    let mut tally = Tally::default();
    read_path(path, &ReadOptions::default(), &mut tally).unwrap();
    tally
}

#[test]
fn the_data_set_as_distributed() {
    let Some(data) = data() else { return };
    let archive = data.join("adfa-ld/ADFA-LD.zip");
    let whole = Tally {
        parts: BTreeMap::from([
            (Some(Part::Training), (833, 308_077)),
            (Some(Part::Validation), (4_372, 2_122_085)),
            (Some(Part::Attack), (746, 317_388)),
        ]),
        families: [
            "Adduser",
            "Hydra_FTP",
            "Hydra_SSH",
            "Java_Meterpreter",
            "Meterpreter",
            "Web_Shell",
        ]
        .map(str::to_owned)
        .into(),
    };
    assert_eq!(tally(&archive), whole);

    let folder = TempDir::new().unwrap();
    unpack(&archive, folder.path());
    assert_eq!(tally(folder.path()), whole);
    let part = folder.path().join("ADFA-LD/Attack_Data_Master");
    assert_eq!(
        tally(&part).parts,
        BTreeMap::from([(Some(Part::Attack), (746, 317_388))])
    );
    let family = tally(&part.join("Hydra_SSH_7"));
    assert_eq!(
        family.families.into_iter().collect::<Vec<_>>(),
        ["Hydra_SSH"]
    );
}

fn unpack(archive: &Path, to: &Path) {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let path = to.join(entry.enclosed_name().unwrap());
        if entry.is_dir() {
            fs::create_dir_all(path).unwrap();
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        fs::File::create(path).unwrap().write_all(&content).unwrap();
    }
}

#[test]
fn labels_and_odd_names() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("Attack_Data_Master/Web_Shell_10/UAD-W=1-.txt", "6");
    write("Training_Data_Master/UTD-1.txt", "6 6\n");
    write("Training_Data_Master/.DS_Store", "\0\0");
    write("other.txt", "6 6 6");
    let (got, totals) = path(folder.path()).unwrap();
    assert_eq!((totals.sources, totals.skipped_files), (3, 1));
    let labels: Vec<_> = got
        .sources
        .iter()
        .map(|source| source.label.clone())
        .collect();
    let attack = labels[0].as_ref().unwrap();
    assert_eq!(
        (attack.part, attack.family.as_deref()),
        (Part::Attack, Some("Web_Shell"))
    );
    let training = labels[1].as_ref().unwrap();
    assert_eq!(
        (training.part, training.family.as_deref()),
        (Part::Training, None)
    );
    assert_eq!(labels[2], None);
    assert!(got.origins()[0].ends_with("Web_Shell_10/UAD-W=1-.txt"));

    // One part alone, and named by a relative path that does not show it.
    let part = folder
        .path()
        .join("Training_Data_Master/../Training_Data_Master/.");
    let (got, _) = path(&part).unwrap();
    assert_eq!(got.sources[0].label.as_ref().unwrap().part, Part::Training);
}
