//! Tests of data sets and their folds.

use super::*;
use idiolect_trace::StartKind;

/// Streams given by role and calls.
fn set(of: &[(Role, &str)]) -> DataSet {
    let mut streams = Streams::default();
    let mut about = Vec::new();
    for &(role, calls) in of {
        let symbols = calls.split(' ').map(|call| streams.symbol(call)).collect();
        streams.push(Stream {
            name: calls.to_owned(),
            start: StartKind::Exec,
            symbols,
            executable: None,
        });
        about.push(About {
            role,
            family: None,
            recording: about.len() as u32,
            times: None,
            exploit_ns: None,
        });
    }
    DataSet::new("t".to_owned(), streams, about, Vec::new()).unwrap()
}

#[test]
fn copies_are_left_out_by_label_and_then_those_of_training() {
    use Role::{Attack, Normal, Train};
    let set = set(&[
        (Train, "a b"),
        (Normal, "a b"),
        (Normal, "a c"),
        (Normal, "a c"),
        (Attack, "a c"),
        (Attack, "z"),
        (Attack, "z"),
        (Attack, "a b"),
    ]);
    let rounds = set.rounds(5, 1);
    assert_eq!(
        rounds,
        [Round {
            train: vec![0],
            test: (1..8).collect()
        }]
    );
    let counted = |variant| set.counted(&rounds[0], variant);
    assert_eq!(counted(Variant::All), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(counted(Variant::WithoutCopies), [1, 2, 4, 5, 7]);
    assert_eq!(counted(Variant::Unseen), [2, 4, 5]);
    let only = set.only(&[0]);
    assert_eq!((only.len(), only.names().len()), (1, 3));
}

#[test]
fn folds_test_every_normal_stream_once_and_every_attack_always() {
    let calls: Vec<String> = (0..12).map(|i| format!("c{} x", i / 2)).collect();
    let mut of: Vec<(Role, &str)> = calls.iter().map(|c| (Role::Normal, c.as_str())).collect();
    of.push((Role::Attack, "odd"));
    let mut set = set(&of);
    for about in &mut set.about {
        about.recording = 0;
    }
    let rounds = set.rounds(3, 7);
    assert_eq!(rounds.len(), 3);
    let mut tested: Vec<usize> = rounds.iter().flat_map(|r| r.test.clone()).collect();
    tested.sort_unstable();
    tested.dedup();
    assert_eq!(tested, (0..13).collect::<Vec<_>>());
    for round in &rounds {
        assert!(round.test.contains(&12) && !round.train.contains(&12));
        assert_eq!((round.train.len(), round.test.len()), (8, 5));
        // Of one recording: copies never straddle.
        assert!(round.train.iter().all(|t| !round.test.contains(&(t ^ 1))));
    }
    // More folds than different streams are as many as there are.
    assert_eq!(set.rounds(50, 7).len(), 6);
    // Of several: streams of one never do, whatever their contents.
    for (place, about) in set.about.iter_mut().enumerate() {
        about.recording = place as u32 % 4;
    }
    for round in set.rounds(3, 7) {
        let normal = round.test.iter().filter(|&&place| place < 12);
        let tested: HashSet<usize> = normal.map(|place| place % 4).collect();
        assert!(
            round
                .train
                .iter()
                .all(|place| !tested.contains(&(place % 4)))
        );
    }
}

#[test]
fn a_hash_tells_streams_and_roles() {
    let one = set(&[(Role::Normal, "a"), (Role::Attack, "b")]);
    let other = set(&[(Role::Attack, "a"), (Role::Normal, "b")]);
    assert_eq!(one.hash(&[0, 1]), one.hash(&[0, 1]));
    assert_ne!(one.hash(&[0, 1]), other.hash(&[0, 1]));
    assert_ne!(one.hash(&[0, 1]), one.hash(&[1, 0]));
}

#[test]
fn a_set_is_tested_by_what_another_teaches() {
    use Role::{Attack, Normal, Train};
    let teacher = set(&[(Train, "b a"), (Normal, "b"), (Attack, "x")]);
    let tested = set(&[(Train, "z"), (Normal, "a c"), (Attack, "c c b")]);
    let both = tested.learned_from(&teacher).unwrap();
    let roles: Vec<Role> = both.about.iter().map(|about| about.role).collect();
    assert_eq!(roles, [Train, Train, Normal, Attack]);
    assert_eq!((both.name.as_str(), both.has_split()), ("t from t", true));
    let calls = |place: usize| {
        let symbols = both.streams.get(place).symbols.iter();
        let names = symbols.map(|&symbol| both.streams.name(symbol));
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!([0, 1, 2, 3].map(calls), ["b a", "b", "a c", "c c b"]);
    // Recordings stay apart, and 2 of the 5 calls that are tested were taught.
    let recordings: HashSet<u32> = both.about.iter().map(|about| about.recording).collect();
    assert_eq!(recordings.len(), 4);
    assert!(both.notes[0].contains("make 40.0 %"), "{:?}", both.notes);
}

#[test]
fn attacks_alone_are_no_data_set() {
    let none = DataSet::new("x".to_owned(), Streams::default(), Vec::new(), Vec::new());
    let message = none.unwrap_err().to_string();
    assert_eq!(
        message,
        "x: 0 normal streams and 0 attacks: an evaluation needs both"
    );
}
