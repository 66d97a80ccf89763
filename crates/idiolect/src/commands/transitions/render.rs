//! Transitions as text, CSV, DOT and JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use idiolect_detect::transitions::{Column, Context, Likelihood, Next};
use idiolect_trace::read::escape;
use serde_json::{Value, json};

use super::Found;
use super::heard::Mark;
use crate::ui;

/// A table for people, and the marked steps below it.
pub(super) fn text(found: &Found<'_>) -> String {
    let after = |context: &Context| shown(&context.after);
    let widest = |texts: &mut dyn Iterator<Item = String>, head: &str| {
        let widest = texts.map(|text| text.chars().count()).max().unwrap_or(0);
        widest.max(head.len())
    };
    let afters = widest(&mut found.table.iter().map(after), "after");
    let calls = found.table.iter().flat_map(|context| &context.next);
    let nexts = widest(&mut calls.map(|next| escape(next.call.as_bytes())), "next");
    let mut text = format!("{:<afters$}  {:>9}  {:<nexts$}", "after", "times", "next");
    for (there, head) in [(found.counted, "counted"), (found.modelled, "modelled")] {
        if there {
            let _ = write!(text, "  {head:>8}");
        }
    }
    text.push('\n');
    for context in &found.table {
        let _ = write!(
            text,
            "{:<afters$}  {:>9}  ",
            after(context),
            ui::count(context.times)
        );
        if context.next.is_empty() {
            text += "nothing as probable as --min-probability\n";
        }
        for (place, next) in context.next.iter().enumerate() {
            if place > 0 {
                let _ = write!(text, "{:<afters$}  {:>9}  ", "", "");
            }
            let _ = write!(text, "{:<nexts$}", escape(next.call.as_bytes()));
            if found.counted {
                let _ = write!(text, "  {:>8}", ui::percent(next.counted));
            }
            if found.modelled {
                let modelled = next.modelled.map_or("-".to_owned(), ui::percent);
                let _ = write!(text, "  {modelled:>8}");
            }
            text.push('\n');
        }
    }
    let left = found.transitions.contexts() - found.table.len();
    if left > 0 {
        let _ = writeln!(
            text,
            "{} not shown (--top, --min-count)",
            ui::plural(left, "context")
        );
    }
    text + &marks_text(found)
}

fn marks_text(found: &Found<'_>) -> String {
    let Some(marks) = &found.marks else {
        return String::new();
    };
    let column = match found.by {
        Column::Counted => "counted",
        Column::Modelled => "modelled",
    };
    let mut text = format!(
        "\nof {} in {}, {} have a {column} probability below {}, and {} follow a context that never stood\n",
        ui::plural(marks.calls, "call"),
        ui::plural(marks.streams, "stream"),
        ui::count(marks.unlikely),
        ui::percent(found.unlikely),
        ui::count(marks.unseen),
    );
    for mark in &marks.list {
        text += &mark_text(mark, found);
    }
    let left = marks.unlikely + marks.unseen - marks.list.len() as u64;
    if left > 0 {
        let _ = writeln!(text, "{} more (--marks)", ui::count(left));
    }
    text
}

fn mark_text(mark: &Mark, found: &Found<'_>) -> String {
    let how = match &mark.likelihood {
        Likelihood::UnseenContext => "context never seen".to_owned(),
        Likelihood::Seen {
            context_times,
            times,
            counted,
            modelled,
        } => {
            let mut how = Vec::new();
            if found.counted {
                how.push(format!(
                    "counted {} of {} ({})",
                    ui::count(*times),
                    ui::count(*context_times),
                    ui::percent(*counted)
                ));
            }
            if let (true, Some(modelled)) = (found.modelled, modelled) {
                how.push(format!("modelled {}", ui::percent(*modelled)));
            }
            how.join(", ")
        }
    };
    format!(
        "  {}  call {:>5}  {} -> {}  {how}\n",
        escape(mark.stream.as_bytes()),
        ui::count(mark.position),
        shown(&mark.after),
        console::style(escape(mark.call.as_bytes())).red().bold(),
    )
}

/// A line a step: those of the table, and behind them marked ones that it has not.
pub(super) fn csv(found: &Found<'_>) -> String {
    let mut text = "after,next,times,context_times,counted,modelled".to_owned();
    text += if found.marks.is_some() {
        ",marked\n"
    } else {
        "\n"
    };
    let number = |there: bool, value: Option<f64>| match value {
        Some(value) if there => value.to_string(),
        _ => String::new(),
    };
    let times = |there: bool, times: u64| match there {
        true => times.to_string(),
        false => String::new(),
    };
    let mut line = |after: &[String], call: &str, likelihood: &Likelihood| {
        let _ = write!(text, "{},{},", field(&shown(after)), field(call));
        match *likelihood {
            Likelihood::UnseenContext => text += ",0,,",
            Likelihood::Seen {
                context_times,
                times: seen,
                counted,
                modelled,
            } => {
                let _ = write!(
                    text,
                    "{},{},{},{}",
                    times(found.counted, seen),
                    times(found.counted, context_times),
                    number(found.counted, Some(counted)),
                    number(found.modelled, modelled)
                );
            }
        }
        if found.marks.is_some() {
            let _ = write!(text, ",{}", found.marked(after, call));
        }
        text.push('\n');
    };
    for (context, next) in found.steps() {
        line(&context.after, &next.call, &likelihood(context, next));
    }
    for (after, call, _, likelihood) in found.marked_beside(&found.table) {
        line(after, call, likelihood);
    }
    text
}

/// A graph in the DOT language: contexts, and the steps from each to the one that then stands.
pub(super) fn dot(found: &Found<'_>) -> String {
    let mut text = "digraph transitions {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n".to_owned();
    for context in &found.table {
        let name = shown(&context.after);
        let label = format!("{name}\n{}", ui::count(context.times));
        let _ = writeln!(text, "  {} [label={}];", quoted(&name), quoted(&label));
    }
    let mut edge = |after: &[String], call: &str, probability: Option<f64>, marked: u64| {
        let then = found.transitions.then(after, call);
        let label = probability.map_or("context never seen".to_owned(), ui::percent);
        let width = 0.5 + 4.0 * probability.unwrap_or(0.0);
        let warning = match marked {
            0 => String::new(),
            _ => ", color=\"#c62828\", fontcolor=\"#c62828\"".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {} -> {} [label={}, penwidth={width:.2}{warning}];",
            quoted(&shown(after)),
            quoted(&shown(&then)),
            quoted(&label),
        );
    };
    for (context, next) in found.steps() {
        let marked = found.marked(&context.after, &next.call);
        edge(
            &context.after,
            &next.call,
            next.probability(found.by),
            marked,
        );
    }
    for (after, call, times, likelihood) in found.marked_beside(&found.table) {
        edge(after, call, likelihood.probability(found.by), times);
    }
    text + "}\n"
}

/// One object.
pub(super) fn json(found: &Found<'_>) -> String {
    let next = |next: &Next| {
        json!({
            "call": next.call,
            "times": found.counted.then_some(next.times),
            "counted": found.counted.then_some(next.counted),
            "modelled": next.modelled,
        })
    };
    let context = |context: &Context| {
        let following: Vec<Value> = context.next.iter().map(next).collect();
        json!({"after": context.after, "times": context.times, "next": following})
    };
    let contexts: Vec<Value> = found.table.iter().map(context).collect();
    let marks = found.marks.as_ref().map(|marks| {
        json!({
            "by": found.by,
            "below": found.unlikely,
            "streams": marks.streams,
            "calls": marks.calls,
            "unlikely": marks.unlikely,
            "unseen_contexts": marks.unseen,
            "steps": marks.list,
        })
    });
    let object = json!({
        "order": found.transitions.order(),
        "times_are": if found.counted { "counted" } else { "drawn" },
        "calls": found.transitions.calls(),
        "contexts_in_all": found.transitions.contexts(),
        "left_out": found.transitions.left_out(),
        "contexts": contexts,
        "marks": marks,
    });
    format!("{object}\n")
}

impl Found<'_> {
    /// The steps of the table.
    fn steps(&self) -> impl Iterator<Item = (&Context, &Next)> {
        let of = |context| std::iter::repeat(context);
        self.table
            .iter()
            .flat_map(move |context| of(context).zip(&context.next))
    }

    /// How often a step was marked.
    pub(super) fn marked(&self, after: &[String], call: &str) -> u64 {
        let marks = self.marks.as_ref();
        let step = (after.to_vec(), call.to_owned());
        let found = marks.and_then(|marks| marks.steps.get(&step));
        found.map_or(0, |&(times, _)| times)
    }

    /// Marked steps that are not in a table: from, to, how often, how likely.
    pub(super) fn marked_beside<'f>(
        &'f self,
        table: &'f [Context],
    ) -> impl Iterator<Item = (&'f [String], &'f str, u64, &'f Likelihood)> {
        let there: BTreeSet<(&[String], &str)> = table
            .iter()
            .flat_map(|context| {
                let next = context.next.iter();
                next.map(|next| (context.after.as_slice(), next.call.as_str()))
            })
            .collect();
        let steps = self.marks.iter().flat_map(|marks| &marks.steps);
        steps.filter_map(move |((after, call), (times, likelihood))| {
            let step = (after.as_slice(), call.as_str());
            (!there.contains(&step)).then_some((step.0, step.1, *times, likelihood))
        })
    }
}

/// Names as they are shown.
pub(super) fn shown(names: &[String]) -> String {
    let escaped: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
    escaped.join(" ")
}

fn likelihood(context: &Context, next: &Next) -> Likelihood {
    Likelihood::Seen {
        context_times: context.times,
        times: next.times,
        counted: next.counted,
        modelled: next.modelled,
    }
}

/// A field of a CSV file (RFC 4180).
fn field(text: &str) -> String {
    let text = escape(text.as_bytes());
    match text.contains(['"', ',']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// A string of the DOT language, in which `\n` breaks a line.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_within_their_fields() {
        assert_eq!(field("read"), "read");
        assert_eq!(field("a,\"b\"\n"), "\"a,\"\"b\"\"\\n\"");
        assert_eq!(quoted("a\"b\\"), r#""a\"b\\""#);
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(shown(&["a\u{1b}".to_owned(), "b".to_owned()]), "a\\u{1b} b");
    }
}
