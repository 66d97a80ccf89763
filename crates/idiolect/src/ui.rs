//! How things are shown: numbers, times, progress.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar on standard error that appears on a terminal only. What is written to it is `done` of `total`.
pub(crate) fn bar(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {percent:>3} %  {msg}  {rate}  {eta} left",
    );
    if let Ok(style) = style {
        let style = style.with_key("rate", rate);
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// A bar whose steps are shares of a whole, and whose message says how fast it is.
pub(crate) fn bar_of_shares(total: u64, what: &str) -> ProgressBar {
    let bar = bar(total, what);
    let style =
        ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {msg}  {eta} left");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
}

/// Work that takes less time than this needs no bar.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A count on standard error, for work whose end is not known; on a terminal only.
pub(crate) fn counter(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
    let style = ProgressStyle::with_template("{prefix} {human_pos} {msg}  {rate}  {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style.with_key("rate", rate));
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// Shows a bar that was hidden, as of work that shares its terminal with a program and is often over at once.
pub(crate) fn show(bar: &ProgressBar) {
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
}

/// How fast a bar moves, in whole steps.
fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // A bar that nobody can be shown.
    let _ = write!(out, "{}/s", count(state.per_sec().round() as u64));
}

/// Says something to the person, on standard error, where nothing parses it.
pub(crate) fn say(text: &str) {
    // Nobody can be told that standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Columns of the terminal that standard output is, 80 where it is none.
pub(crate) fn width() -> usize {
    let (_, columns) = console::Term::stdout().size();
    if io::stdout().is_terminal() {
        usize::from(columns).clamp(40, 160)
    } else {
        80
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 stream`, `2 streams`.
pub(crate) fn plural(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// A share in per cent.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = match percent {
        p if p >= 9.95 => format!("{p:.0}"),
        p if p >= 0.995 => format!("{p:.1}"),
        p if p >= 0.001 => format!("{p:.2}"),
        p if p > 0.0 => return format!("{p:.0e} %"),
        _ => "0".to_owned(),
    };
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text} %")
}

/// A time span as people say it.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.1} s"),
        s => format!("{} min {:02.0} s", (s / 60.0) as u64, (s % 60.0).floor()),
    }
}

/// The time of a call: of day where the source's clock counts from the epoch, else seconds.
pub(crate) fn time(ns: u64) -> String {
    const NS: u64 = 1_000_000_000;
    const DAY_S: u64 = 86_400;
    /// Clocks that count from 1970 are past this (1980) since before Linux was.
    const EPOCH_CLOCK_S: u64 = 315_532_800;
    let (seconds, micros) = (ns / NS, ns % NS / 1_000);
    let of_day = seconds % DAY_S;
    if (DAY_S..EPOCH_CLOCK_S).contains(&seconds) {
        return format!("{seconds}.{micros:06} s");
    }
    let (h, m, s) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{h:02}:{m:02}:{s:02}.{micros:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(count(0u32), "0");
        assert_eq!(count(999u32), "999");
        assert_eq!(count(1_234_567u32), "1,234,567");
        assert_eq!(plural(1u32, "stream"), "1 stream");
        assert_eq!(plural(1_000u32, "stream"), "1,000 streams");
        assert_eq!(percent(0.01), "1 %");
        assert_eq!(percent(0.0125), "1.2 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(0.0012), "0.12 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(3e-7), "3e-5 %");
        assert_eq!(span(Duration::from_millis(20)), "20 ms");
        assert_eq!(span(Duration::from_secs(75)), "1 min 15 s");
        assert_eq!(time(1_700_000_000_123_456_789), "22:13:20.123456");
        assert_eq!(time(3_661_000_001_000), "01:01:01.000001");
    }
}
