//! Hearing a recorded stream again, to see what the model held and expected at each call.

use idiolect_detect::profile::Profile;
use idiolect_detect::{DetectorState, Token, Vocabulary};

use super::recorder::{GAP, Names, Recording};
use crate::ui;

/// One call, as the model hears it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// The call, by its name's place.
    pub(super) symbol: u32,
    /// The likeliest call in its place, where that was asked for.
    pub(super) likeliest: Option<Token>,
    /// Its surprise, in nats.
    pub(super) surprise: f32,
    /// The state after it.
    pub(super) state: &'a DetectorState,
    /// Calls are missing before it.
    pub(super) after_gap: bool,
}

/// Calls between two steps of the progress bar.
const BAR_EVERY: usize = 4_096;

/// Goes through the calls of a recording.
pub(super) fn replay(
    profile: &Profile,
    recording: &Recording,
    names: &Names,
    expecting: bool,
    each: &mut dyn FnMut(Step<'_>),
) {
    let detector = profile.detector();
    let mut state = detector.begin(recording.start);
    let mut probabilities = Vec::new();
    let mut after_gap = false;
    let bar = ui::bar(recording.symbols.len() as u64, "hearing it again");
    for (place, &symbol) in recording.symbols.iter().enumerate() {
        if place % BAR_EVERY == 0 {
            bar.set_position(place as u64);
        }
        if symbol == GAP {
            detector.gap(&mut state);
            after_gap = true;
            continue;
        }
        let likeliest = expecting.then(|| {
            detector.predict(&state, &mut probabilities);
            likeliest(&probabilities)
        });
        let token = profile.vocabulary.token(names.get(symbol));
        let surprise = detector.observe(&mut state, token);
        each(Step {
            symbol,
            likeliest,
            surprise,
            state: &state,
            after_gap,
        });
        after_gap = false;
    }
    bar.finish_and_clear();
}

/// The likeliest call; of equals the first.
fn likeliest(probabilities: &[f32]) -> Token {
    let mut best = Vocabulary::FIRST_CALL;
    for (token, &probability) in (0..).zip(probabilities).skip(best as usize) {
        if probability > probabilities[best as usize] {
            best = token;
        }
    }
    best
}
