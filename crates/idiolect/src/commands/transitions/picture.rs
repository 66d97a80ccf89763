//! The graph of transitions.

use std::collections::HashMap;

use idiolect_detect::transitions::{Column, Context};
use idiolect_report::{Edge, Node, Picture, Sheet, transition_graph};

use super::Found;
use super::render::shown;
use crate::ui;

/// Size of the picture, in pixels.
const SIZE: (u32, u32) = (1_100, 800);

/// Most unlikely steps beside those of the table, by whether contexts are of one call or more: more of
/// them cover each other.
const MOST_MARKED: [usize; 2] = [20, 8];

/// Draws the contexts of a table, the steps between them, and the marked steps beside.
pub(super) fn draw(found: &Found<'_>, table: &[Context]) -> Picture {
    let mut graph = Graph::default();
    for context in table {
        graph.node(&context.after, context.times);
    }
    for context in table {
        for next in &context.next {
            let then = found.transitions.then(&context.after, &next.call);
            let marked = found.marked(&context.after, &next.call);
            // How often a call comes after which nothing does is how often it was stepped to.
            let to = graph.node(&then, next.times);
            let from = graph.node(&context.after, 0);
            let probability = next.probability(found.by).unwrap_or(0.0);
            graph.edge(from, to, probability, marked);
        }
    }
    // A step from a context that never stood has no probability, and a line would give it one.
    let (mut marked, mut unseen) = (Vec::new(), 0u64);
    for (after, call, times, likelihood) in found.marked_beside(table) {
        match likelihood.probability(found.by) {
            Some(probability) => marked.push((after, call, times, probability)),
            None => unseen += 1,
        }
    }
    let in_all = marked.len();
    marked.sort_by_key(|&(_, _, times, _)| std::cmp::Reverse(times));
    let most = MOST_MARKED[usize::from(found.transitions.order() > 1)];
    marked.truncate(most);
    for &(after, call, times, probability) in &marked {
        let then = found.transitions.then(after, call);
        let (from, to) = (graph.node(after, times), graph.node(&then, times));
        graph.edge(from, to, probability, times);
    }
    let column = match found.by {
        Column::Counted => "counted",
        Column::Modelled => "modelled",
    };
    let title = match found.transitions.order() {
        1 => format!("Which call follows which ({column})"),
        order => format!("Which call follows the last {order} ({column})"),
    };
    let mut subtitle = found.source.clone();
    if marked.len() < in_all {
        subtitle += &format!(
            "; the {most} commonest of {} unlikely steps",
            ui::count(in_all)
        );
    }
    if unseen > 0 {
        subtitle += &format!(
            "; not drawn: {} from contexts that never stood",
            ui::plural(unseen, "step")
        );
    }
    let sheet = Sheet {
        width: SIZE.0,
        height: SIZE.1,
        title,
        subtitle,
    };
    transition_graph(&sheet, graph.nodes, graph.edges)
}

/// Nodes by what stood last.
#[derive(Default)]
struct Graph {
    places: HashMap<Vec<String>, usize>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Graph {
    /// The node of a context, with this weight if it is new.
    fn node(&mut self, last: &[String], times: u64) -> usize {
        if let Some(&place) = self.places.get(last) {
            return place;
        }
        let place = self.nodes.len();
        self.nodes.push(Node {
            name: shown(last),
            weight: times as f64,
        });
        self.places.insert(last.to_vec(), place);
        place
    }

    fn edge(&mut self, from: usize, to: usize, probability: f64, marked: u64) {
        self.edges.push(Edge {
            from,
            to,
            probability,
            observed: (marked > 0).then_some(marked),
            marked: marked > 0,
        });
    }
}
