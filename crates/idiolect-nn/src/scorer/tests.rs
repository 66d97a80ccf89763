//! All paths of scoring against each other.

use super::*;
use proptest::prelude::*;

fn weights(hidden: &[usize], vocab: usize) -> Weights {
    let architecture = Architecture {
        vocab,
        embedding: Some(6),
        hidden: hidden.to_vec(),
    };
    Weights::init(&architecture, 11).unwrap()
}

#[test]
fn all_paths_agree() {
    for (hidden, vocab) in [
        (vec![64], 180),
        (vec![5, 17], 33),
        (vec![9], 1),
        (vec![8, 8, 8], 32),
    ] {
        let weights = weights(&hidden, vocab);
        let fast = Scorer::new(&weights);
        let others: Vec<Scorer> = Level::all()
            .flat_map(|level| [usize::MAX, 0].map(|max_table| (level, max_table)))
            .map(|(level, max_table)| Scorer::with(&weights, Form::Full, level, max_table))
            .collect();
        let mut state = fast.state();
        let mut states: Vec<State> = others.iter().map(Scorer::state).collect();
        let mut all = vec![0.0; vocab];
        for step in 0..50usize {
            let next = (step * 7 % vocab) as u32;
            let log_prob = fast.log_prob(&state, next);
            fast.log_probs(&state, &mut all);
            assert!((all[next as usize] - log_prob).abs() < 1e-5);
            let total: f64 = all.iter().map(|&x| f64::from(x).exp()).sum();
            assert!((total - 1.0).abs() < 1e-5, "{total}");
            for (other, state) in others.iter().zip(&mut states) {
                assert!((other.log_prob(state, next) - log_prob).abs() < 1e-5);
                other.advance(state, next);
            }
            fast.advance(&mut state, next);
        }
    }
}

#[test]
fn many_streams_in_step_are_as_each_alone() {
    for (hidden, vocab) in [(vec![64], 180), (vec![5, 17], 33), (vec![24, 8, 40], 70)] {
        let weights = weights(&hidden, vocab);
        let all = Level::all().flat_map(|level| [(level, usize::MAX), (level, 0)]);
        for (level, max_table) in all {
            let [alone, many] =
                [(); 2].map(|()| Scorer::with(&weights, Form::Full, level, max_table));
            let mut states: Vec<State> = (0..37).map(|_| alone.state()).collect();
            let mut together = states.clone();
            // Ragged: a stream takes part in some steps and not in others, and from the back too.
            for step in 0..100usize {
                let mut who: Vec<usize> = (0..37).filter(|i| (i * 7 + step) % 5 < 3).collect();
                if step % 2 == 1 {
                    who.reverse();
                }
                let tokens: Vec<u32> = who
                    .iter()
                    .map(|i| ((i * 31 + step * 17) % vocab) as u32)
                    .collect();
                let mut rows: Vec<Option<&mut State>> = together.iter_mut().map(Some).collect();
                let mut rows: Vec<&mut State> =
                    who.iter().map(|&i| rows[i].take().unwrap()).collect();
                let mut log_probs = vec![0.0; who.len()];
                many.log_prob_many(&rows, &tokens, &mut log_probs);
                many.advance_many(&mut rows, &tokens);
                for ((&i, &token), log_prob) in who.iter().zip(&tokens).zip(log_probs) {
                    let one = alone.log_prob(&states[i], token);
                    assert_eq!(one, log_prob);
                    alone.advance(&mut states[i], token);
                }
            }
            assert_eq!(states, together);
        }
    }
}

#[test]
fn company_changes_nothing() {
    for form in [Form::Full, Form::Reduced] {
        company(&Scorer::in_form(&weights(&[24, 8], 70), form));
    }
}

fn company(scorer: &Scorer) {
    let mut alone = scorer.state();
    let mut crowd: Vec<State> = (0..20).map(|_| scorer.state()).collect();
    for step in 0..40u32 {
        scorer.advance_many(&mut [&mut alone], &[step]);
        let mut rows: Vec<&mut State> = crowd.iter_mut().collect();
        // The stream stands in another place each time.
        let place = step as usize % rows.len();
        rows.swap(4, place);
        let mut tokens = vec![7; 20];
        tokens[place] = step;
        scorer.advance_many(&mut rows, &tokens);
    }
    assert_eq!(alone, crowd[4]);
}

#[test]
fn the_reduced_form_is_near_and_its_paths_agree() {
    for (hidden, vocab) in [(vec![64], 180), (vec![5, 17], 33), (vec![24, 8, 40], 70)] {
        let weights = weights(&hidden, vocab);
        let full = Scorer::new(&weights);
        let reduced = Scorer::in_form(&weights, Form::Reduced);
        let others: Vec<Scorer> = Level::all()
            .map(|level| Scorer::with(&weights, Form::Reduced, level, 0))
            .collect();
        let mut states = [full.state(), reduced.state()];
        let mut other_states: Vec<State> = others.iter().map(Scorer::state).collect();
        let mut all = vec![0.0; vocab];
        for step in 0..200usize {
            let token = (step * step * 7 % vocab) as u32;
            let next = |scorer: &Scorer, state: &mut State| {
                let log_prob = scorer.log_prob(state, token);
                scorer.advance(state, token);
                log_prob
            };
            let exact = next(&full, &mut states[0]);
            let near = next(&reduced, &mut states[1]);
            assert!((exact - near).abs() < 2e-3, "{exact} {near}");
            for (scorer, state) in others.iter().zip(&mut other_states) {
                let other = next(scorer, state);
                assert!((near - other).abs() < 1e-4, "{near} {other}");
            }
            reduced.log_probs(&states[1], &mut all);
            let next = (step % vocab) as u32;
            assert!((all[next as usize] - reduced.log_prob(&states[1], next)).abs() < 1e-5);
        }
        let mut bytes = Vec::new();
        reduced.write_state(&states[1], &mut bytes);
        let again = reduced.read_state(&bytes).unwrap();
        assert_eq!(reduced.log_prob(&again, 3), reduced.log_prob(&states[1], 3));
    }
}

#[test]
fn huge_logits_do_not_overflow() {
    let base = weights(&[8], 40);
    let tensors = base.tensors().map(|(name, shape, data)| {
        let mut data = data.to_vec();
        if name == "output.bias" {
            data[3] = 2e38;
            data[4] = -2e38;
        }
        (name.to_owned(), shape.to_vec(), data)
    });
    let scorer = Scorer::new(&Weights::from_tensors(base.architecture(), tensors).unwrap());
    let state = scorer.state();
    assert_eq!(scorer.log_prob(&state, 3), 0.0);
    assert!(scorer.log_prob(&state, 5) < -1e38);
    let mut all = vec![0.0; 40];
    scorer.log_probs(&state, &mut all);
    assert_eq!(all[3], 0.0);
    assert!(all.iter().all(|x| !x.is_nan()));
}

proptest! {
    #[test]
    fn states_read_back(tokens in prop::collection::vec(0u32..20, 0..30)) {
        let scorer = Scorer::new(&weights(&[5, 16], 20));
        let mut state = scorer.state();
        for token in tokens {
            scorer.advance(&mut state, token);
        }
        let mut bytes = Vec::new();
        scorer.write_state(&state, &mut bytes);
        prop_assert_eq!(bytes.len(), scorer.state_bytes());
        let mut again = scorer.read_state(&bytes).unwrap();
        prop_assert_eq!(scorer.log_prob(&again, 3), scorer.log_prob(&state, 3));
        scorer.advance(&mut again, 1);
        scorer.advance(&mut state, 1);
        prop_assert_eq!(again, state);
    }

    #[test]
    fn any_bytes_are_a_state_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..180)) {
        let scorer = Scorer::new(&weights(&[5, 16], 20));
        match scorer.read_state(&bytes) {
            Ok(state) => {
                prop_assert_eq!(bytes.len(), 168);
                prop_assert_eq!(scorer.log_prob(&state, 0).is_nan(), false);
            }
            Err(StateError::Length { found, .. }) => prop_assert_eq!(found, bytes.len()),
            Err(StateError::OutOfRange(index)) => prop_assert!(index < 42),
        }
    }
}

#[test]
fn a_damaged_state_is_refused() {
    let scorer = Scorer::new(&weights(&[5, 16], 20));
    let mut bytes = vec![0; 168];
    bytes[4 * 7..4 * 8].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(scorer.read_state(&bytes), Err(StateError::OutOfRange(7)));
    bytes[4 * 7..4 * 8].copy_from_slice(&3f32.to_le_bytes());
    assert!(scorer.read_state(&bytes).is_ok(), "number 7 is a c");
    bytes[4..8].copy_from_slice(&1.5f32.to_le_bytes());
    assert_eq!(scorer.read_state(&bytes), Err(StateError::OutOfRange(1)));
    let length = StateError::Length {
        expected: 168,
        found: 3,
    };
    assert_eq!(scorer.read_state(&[0; 3]), Err(length));
}
