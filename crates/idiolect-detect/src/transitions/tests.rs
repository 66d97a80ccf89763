use super::*;
use crate::LstmModel;
use idiolect_nn::{Architecture, Weights};
use proptest::prelude::*;

const ALL: Pruning = Pruning {
    by: Column::Counted,
    min_probability: 0.0,
    min_times: 1,
    top: None,
};

fn count(transitions: &mut Transitions<'_>, start: StartKind, calls: &[&str]) {
    let mut walk = transitions.begin(start);
    for call in calls {
        match *call {
            "<gap>" => transitions.gap(&mut walk),
            call => transitions.count(&mut walk, call),
        }
    }
}

fn lines(transitions: &Transitions<'_>, pruning: &Pruning) -> Vec<String> {
    let table = transitions.table(pruning);
    let line = |context: &Context| {
        let next: Vec<String> = context
            .next
            .iter()
            .map(|next| format!("{} {}", next.call, next.times))
            .collect();
        let after = context.after.join(" ");
        format!("{after} ({}): {}", context.times, next.join(", "))
    };
    table.iter().map(line).collect()
}

#[test]
fn contexts_begin_at_starts_and_gaps() {
    let mut second = Transitions::new(2, None);
    count(
        &mut second,
        StartKind::Exec,
        &["open", "read", "read", "read", "close"],
    );
    count(
        &mut second,
        StartKind::Exec,
        &["open", "read", "<gap>", "read", "close"],
    );
    assert_eq!(
        lines(&second, &ALL),
        [
            "<exec> (2): open 2",
            "<exec> open (2): read 2",
            "read read (2): close 1, read 1",
            "<gap> (1): read 1",
            "<gap> read (1): close 1",
            "open read (1): read 1",
        ]
    );
    let mut first = Transitions::new(1, None);
    count(
        &mut first,
        StartKind::Thread,
        &["a", "b", "a", "b", "a", "c"],
    );
    assert_eq!(
        lines(&first, &ALL),
        ["a (3): b 2, c 1", "b (2): a 2", "<thread> (1): a 1"]
    );
    let pruned = Pruning {
        min_probability: 0.5,
        min_times: 2,
        top: Some(1),
        ..ALL
    };
    assert_eq!(lines(&first, &pruned), ["a (3): b 2"]);
    assert_eq!(first.calls(), 6);
    assert_eq!(first.contexts(), 3);
}

#[test]
fn an_unseen_context_is_no_probability() {
    let mut transitions = Transitions::new(1, None);
    count(&mut transitions, StartKind::Exec, &["a", "b", "a", "a"]);
    let mut walk = transitions.begin_apart(StartKind::Exec);
    let mut seen = Vec::new();
    for call in ["a", "b", "new", "a", "a", "c"] {
        seen.push(
            transitions
                .likelihood(&walk, call)
                .probability(Column::Counted),
        );
        transitions.follow(&mut walk, call);
    }
    assert_eq!(
        seen,
        [Some(1.0), Some(0.5), Some(0.0), None, Some(0.5), Some(0.0)]
    );
    let thread = transitions.begin_apart(StartKind::Thread);
    assert_eq!(
        transitions.likelihood(&thread, "a"),
        Likelihood::UnseenContext
    );
    // Looking counts nothing.
    assert_eq!(transitions.calls(), 4);
    assert_eq!(transitions.then(&["a".to_owned()], "b"), ["b"]);
    let third = Transitions::new(3, None);
    let after = ["<exec>", "a"].map(str::to_owned);
    assert_eq!(third.then(&after, "b"), ["<exec>", "a", "b"]);
    assert_eq!(third.then(&third.then(&after, "b"), "c"), ["a", "b", "c"]);
}

#[test]
fn what_finds_no_room_is_counted() {
    let room = Room {
        transitions: 3,
        predictions: 8,
        names: 5 + 2,
    };
    let vocabulary = Vocabulary::of_calls(["a", "b"]);
    let architecture = Architecture {
        vocab: vocabulary.len(),
        embedding: Some(4),
        hidden: vec![4],
    };
    let model = LstmModel::new(Weights::init(&architecture, 1).unwrap(), 0.01);
    let mut few = Transitions::with_room(1, Some((&model, &vocabulary)), room);
    count(
        &mut few,
        StartKind::Exec,
        &["a", "b", "a", "c", "d", "a", "b"],
    );
    // <exec>-a, a-b and b-a fill it; c and d are one name; a-<unk>, <unk>-<unk> and <unk>-a find no room.
    assert_eq!(
        lines(&few, &ALL),
        ["a (3): b 2", "<exec> (1): a 1, b 0", "b (1): a 1"]
    );
    let left_out = few.left_out();
    assert_eq!((left_out.transitions, left_out.names), (3, 2));
    // Seven tokens of the model fit for one context.
    assert_eq!(left_out.predictions, 4);
}

#[test]
fn modelled_is_the_mean_of_predictions() {
    let vocabulary = Vocabulary::of_calls(["a", "b", "c"]);
    let architecture = Architecture {
        vocab: vocabulary.len(),
        embedding: Some(6),
        hidden: vec![6],
    };
    let model = LstmModel::new(Weights::init(&architecture, 5).unwrap(), 0.1);
    let mut transitions = Transitions::new(1, Some((&model, &vocabulary)));
    let calls = ["a", "b", "a", "new", "a", "b", "b"];
    count(&mut transitions, StartKind::Exec, &calls);

    let mut state = model.begin(StartKind::Exec);
    let (mut sums, mut times, mut prediction) = ([0.0; 4], 0.0, Vec::new());
    for (place, call) in calls.iter().enumerate() {
        if place > 0 && calls[place - 1] == "a" {
            model.predict(&state, &mut prediction);
            for (sum, call) in sums.iter_mut().zip(["a", "b", "c", "<unk>"]) {
                *sum += f64::from(prediction[vocabulary.token(call) as usize]);
            }
            times += 1.0;
        }
        model.observe(&mut state, vocabulary.token(call));
    }
    let by_model = Pruning {
        by: Column::Modelled,
        ..ALL
    };
    let table = transitions.table(&by_model);
    let after_a = &table[0];
    assert_eq!((after_a.after[0].as_str(), after_a.times), ("a", 3));
    let calls: Vec<&str> = after_a.next.iter().map(|next| next.call.as_str()).collect();
    assert_eq!(calls.len(), 4);
    assert!(after_a.next.is_sorted_by(|a, b| a.modelled >= b.modelled));
    for (call, sum) in ["a", "b", "c", "new"].into_iter().zip(sums) {
        let next = after_a.next.iter().find(|next| next.call == call).unwrap();
        let expected = sum / times;
        assert!((next.modelled.unwrap() - expected).abs() < 1e-9, "{call}");
    }
    let mut walk = transitions.begin_apart(StartKind::Exec);
    transitions.follow(&mut walk, "a");
    let c = transitions.likelihood(&walk, "c");
    assert!((c.probability(Column::Modelled).unwrap() - sums[2] / times).abs() < 1e-9);
    assert_eq!(c.probability(Column::Counted), Some(0.0));
}

proptest! {
    /// Whatever the streams, each call is counted once, and the shares of a context add up to 1.
    #[test]
    fn shares_add_up(
        order in 1usize..=MAX_ORDER,
        streams in prop::collection::vec(prop::collection::vec(0usize..6, 0..40), 1..8),
    ) {
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "<gap>"];
        let mut transitions = Transitions::new(order, None);
        let mut calls = 0;
        for (stream, numbers) in streams.iter().enumerate() {
            let names: Vec<&str> = numbers.iter().map(|&number| NAMES[number]).collect();
            calls += names.iter().filter(|&&name| name != "<gap>").count() as u64;
            count(&mut transitions, StartKind::ALL[stream % 3], &names);
        }
        let table = transitions.table(&ALL);
        prop_assert_eq!(table.iter().map(|context| context.times).sum::<u64>(), calls);
        prop_assert!(table.is_sorted_by(|a, b| a.times >= b.times));
        for context in &table {
            prop_assert!((1..=order).contains(&context.after.len()));
            let share: f64 = context.next.iter().map(|next| next.counted).sum();
            prop_assert!((share - 1.0).abs() < 1e-9);
            for name in &context.after[1..] {
                prop_assert!(!name.starts_with('<'));
            }
        }
    }
}
