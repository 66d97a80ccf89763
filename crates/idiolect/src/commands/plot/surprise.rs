//! `idiolect plot surprise`.

use std::collections::VecDeque;

use anyhow::Result;
use idiolect_detect::{SignalKind, Vocabulary, WITHHELD_AFTER_GAP};
use idiolect_report as report;

use super::replay::replay;
use super::{Surprise, output, recorder};

pub(super) fn run(args: &Surprise) -> Result<u8> {
    let which = &args.which;
    let profile = crate::commands::load_language_model(&which.profile)?;
    let judge = which.judging.judge(&profile)?;
    let (recording, mut names) = recorder::record(which, &judge)?;
    let rate = which.judging.rate(&profile);
    let threshold = profile.threshold(SignalKind::Window, Some(recording.start), rate)?;

    let mut window = Window::new(profile.signals.window);
    let mut calls = Vec::with_capacity(recording.symbols.len());
    replay(&profile, &recording, &names, true, &mut |step| {
        calls.push(report::Heard {
            call: step.symbol,
            likeliest: step.likeliest.unwrap_or(Vocabulary::FIRST_CALL),
            surprise: step.surprise,
            windowed: window.mean(step.surprise, step.after_gap),
            after_gap: step.after_gap,
        });
    });
    for call in &mut calls {
        call.likeliest = names.place(profile.vocabulary.name(call.likeliest));
    }
    let stream = report::Surprise {
        names: names.into_vec(),
        calls,
        window: profile.signals.window,
        threshold: Some(threshold.value),
        rate,
    };
    let heading = recording.heading(&super::name(&which.profile), &judge);
    let sheet = args.look.sheet("Surprise along a stream", heading, 720);
    let picture = report::surprise(&sheet, &stream);
    let mut chosen = vec![("picture", "surprise".to_owned())];
    chosen.extend(recording.chosen());
    output::write(&picture, &args.look, &chosen)
}

/// The mean of the last surprises, as [`SignalKind::Window`] takes it.
struct Window {
    len: usize,
    last: VecDeque<f32>,
    /// Calls that still count for nothing, after a gap.
    withheld: u8,
}

impl Window {
    fn new(len: usize) -> Self {
        Window {
            len: len.max(1),
            last: VecDeque::new(),
            withheld: 0,
        }
    }

    /// The mean that ends with this surprise; none before the first whole window.
    fn mean(&mut self, surprise: f32, after_gap: bool) -> Option<f32> {
        if after_gap {
            self.last.clear();
            self.withheld = WITHHELD_AFTER_GAP;
        }
        if self.withheld > 0 {
            self.withheld -= 1;
            return None;
        }
        if self.last.len() == self.len {
            self.last.pop_front();
        }
        self.last.push_back(surprise);
        (self.last.len() == self.len).then(|| self.last.iter().sum::<f32>() / self.len as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use idiolect_detect::{SignalSettings, Tracker};

    /// The largest windowed mean that is drawn is the signal that is judged.
    #[test]
    fn windows_are_those_of_the_signal() {
        let settings = SignalSettings::new(1.0, 1.0);
        let (mut window, mut tracker) = (Window::new(settings.window), Tracker::default());
        let (mut largest, mut withheld) = (0.0_f32, 0);
        for step in 0..500_u32 {
            let surprise = ((step * 7_919) % 101) as f32 / 10.0;
            let after_gap = step % 130 == 100;
            if after_gap {
                tracker.gap();
                withheld = WITHHELD_AFTER_GAP;
            }
            match withheld {
                0 => tracker.observe(surprise, &settings),
                _ => withheld -= 1,
            }
            largest = largest.max(window.mean(surprise, after_gap).unwrap_or(0.0));
        }
        let judged = tracker.signals(&settings).unwrap().window;
        assert!((largest - judged).abs() < 1e-4, "{largest} {judged}");
    }
}
