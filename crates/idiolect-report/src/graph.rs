//! Which call follows which: a graph of transitions.

mod layout;

use crate::color::{BLUE, GREY, INK, WARNING, WHITE};
use crate::font::{self, Weight};
use crate::labels::{Box4, Taken};
use crate::picture::{Anchor, Path, Picture, Point, Step, Stroke, Text};
use crate::sheet::{LABEL_SIZE, MARGIN, SMALL_SIZE, Sheet};
use crate::text::{count, percent, shortened};

/// A call in a graph of transitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How often it comes, in any unit: a disc's area.
    pub weight: f64,
}

/// A step from one call to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The call before, by its place among the nodes.
    pub from: usize,
    /// The call after, by its place among the nodes.
    pub to: usize,
    /// Probability of the call after, given the one before: 0 to 1, a line's width.
    pub probability: f64,
    /// How often the step was seen; shown on marked ones.
    pub observed: Option<u64>,
    /// Whether it is to be looked at, as an unlikely step is.
    pub marked: bool,
}

/// Most nodes that are drawn; about 25 read well.
const MAX_NODES: usize = 60;
/// Most edges that are drawn.
const MAX_EDGES: usize = 600;
/// Radii of the discs of the rarest and of the commonest call, in pixels.
const RADIUS: (f32, f32) = (4.0, 15.0);
/// An edge this probable, or more, is labelled where there is room.
const LABELLED: f64 = 0.15;
/// Room for names beside the ellipse, in pixels.
const NAME_ROOM: f32 = 150.0;

/// Draws which call follows which: discs on an ellipse, ordered so that strong edges are short; edges as
/// wide as they are probable, curved to the left of their way, so that two opposite ones stay apart;
/// marked ones in the warning colour. Edges to or from nodes that are not there are left out, and of more
/// than 60 nodes or 600 edges the lighter ones are, which the picture then says.
pub fn transition_graph(sheet: &Sheet, nodes: Vec<Node>, edges: Vec<Edge>) -> Picture {
    let (mut picture, top) = sheet.begin();
    let graph = Graph::of(nodes, edges);
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let bottom = height - MARGIN - 22.0;
    let center = (0.5 * width, 0.5 * (top + bottom) + 4.0);
    let down = (0.5 * (bottom - top) - 44.0).max(40.0);
    let name_room = NAME_ROOM.min(0.25 * width);
    let across = (0.5 * width - MARGIN - name_room).clamp(40.0, 1.5 * down);
    let drawing = Drawing {
        places: graph.places(center, (across, down)),
        radii: graph.nodes.iter().map(|node| graph.radius(node)).collect(),
        center,
        page: Box4 {
            left: 0.5 * MARGIN,
            top,
            right: width - 0.5 * MARGIN,
            bottom,
        },
        graph,
    };
    drawing.draw(&mut picture);
    drawing.legend(&mut picture, height - MARGIN);
    picture
}

/// Nodes and edges that are drawn, the least probable edge first and the marked ones last.
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    left_out: (usize, usize),
}

impl Graph {
    fn of(nodes: Vec<Node>, edges: Vec<Edge>) -> Self {
        let mut by_weight: Vec<usize> = (0..nodes.len()).collect();
        by_weight.sort_by(|&a, &b| nodes[b].weight.total_cmp(&nodes[a].weight));
        by_weight.truncate(MAX_NODES);
        by_weight.sort_unstable();
        let mut place = vec![None; nodes.len()];
        for (new, &old) in by_weight.iter().enumerate() {
            place[old] = Some(new);
        }
        let there = |edge: &Edge| {
            let from = (*place.get(edge.from)?)?;
            let to = (*place.get(edge.to)?)?;
            let probability = match edge.probability {
                p if p.is_finite() => p.clamp(0.0, 1.0),
                _ => 0.0,
            };
            Some(Edge {
                from,
                to,
                probability,
                ..*edge
            })
        };
        let mut kept: Vec<Edge> = edges.iter().filter_map(there).collect();
        kept.sort_by(|a, b| {
            let strength = |edge: &Edge| (edge.marked, edge.probability);
            let ((a_marked, a), (b_marked, b)) = (strength(a), strength(b));
            a_marked.cmp(&b_marked).then(a.total_cmp(&b))
        });
        kept.drain(..kept.len().saturating_sub(MAX_EDGES));
        Graph {
            left_out: (nodes.len() - by_weight.len(), edges.len() - kept.len()),
            nodes: by_weight.iter().map(|&old| nodes[old].clone()).collect(),
            edges: kept,
        }
    }

    fn places(&self, center: Point, radii: (f32, f32)) -> Vec<Point> {
        let n = self.nodes.len();
        let mut strength = vec![vec![0.0; n]; n];
        for edge in &self.edges {
            if edge.from != edge.to {
                strength[edge.from][edge.to] += edge.probability as f32;
                strength[edge.to][edge.from] += edge.probability as f32;
            }
        }
        let on_ellipse = layout::ellipse(center, radii, n);
        let mut places = vec![center; n];
        for (&node, place) in layout::order(&strength).iter().zip(on_ellipse) {
            places[node] = place;
        }
        places
    }

    fn radius(&self, node: &Node) -> f32 {
        let heaviest = self.nodes.iter().map(|n| n.weight).fold(0.0, f64::max);
        let share = if heaviest > 0.0 && node.weight.is_finite() {
            (node.weight / heaviest).clamp(0.0, 1.0)
        } else {
            0.0
        };
        RADIUS.0 + (RADIUS.1 - RADIUS.0) * share.sqrt() as f32
    }
}

struct Drawing {
    graph: Graph,
    places: Vec<Point>,
    radii: Vec<f32>,
    center: Point,
    page: Box4,
}

impl Drawing {
    fn draw(&self, picture: &mut Picture) {
        let mut taken = Taken::default();
        for (&place, &radius) in self.places.iter().zip(&self.radii) {
            taken.take(Box4::around(place, radius));
        }
        let names: Vec<Text> = (0..self.places.len())
            .map(|node| self.name(node, &mut taken))
            .collect();
        for edge in &self.graph.edges {
            if edge.from == edge.to {
                self.draw_loop(picture, edge);
            } else {
                self.draw_edge(picture, edge);
            }
        }
        for (&place, &radius) in self.places.iter().zip(&self.radii) {
            picture.ring(place, radius, BLUE, Stroke::solid(WHITE, 1.5));
        }
        for edge in self.graph.edges.iter().rev() {
            if edge.from != edge.to && (edge.marked || edge.probability >= LABELLED) {
                self.label(picture, edge, &mut taken);
            }
        }
        for name in names {
            picture.text(name);
        }
    }

    /// A node's name, outside the ellipse.
    fn name(&self, node: usize, taken: &mut Taken) -> Text {
        let again = self
            .graph
            .edges
            .iter()
            .find(|e| e.from == node && e.to == node);
        let (out, (x, y)) = (self.outward(node), self.places[node]);
        let away = self.radii[node] + if again.is_some() { 27.0 } else { 6.0 };
        let anchor = match out.0 {
            cos if cos > 0.25 => Anchor::Start,
            cos if cos < -0.25 => Anchor::End,
            _ => Anchor::Middle,
        };
        let x = x + out.0 * away;
        let room = match anchor {
            Anchor::Start => self.page.right - x,
            Anchor::End => x - self.page.left,
            Anchor::Middle => NAME_ROOM,
        };
        let again = again.map_or(String::new(), |edge| {
            format!(" ({} again)", percent(edge.probability))
        });
        let for_name = (room - font::width(&again, LABEL_SIZE, Weight::Regular)).max(30.0);
        let name = shortened(
            &self.graph.nodes[node].name,
            for_name,
            LABEL_SIZE,
            Weight::Regular,
        );
        let y = y + out.1 * away + LABEL_SIZE * (0.35 + 0.3 * out.1);
        let mut text = Text::new((x, y), format!("{name}{again}"), LABEL_SIZE, INK)
            .anchored(anchor)
            .with_halo();
        // Names side by side at the top and at the bottom would cover each other: outwards, line by line.
        let line = if out.1 < 0.0 { -1.1 } else { 1.1 } * LABEL_SIZE;
        for _ in 0..3 {
            if taken.is_free(&Box4::of(&text)) {
                break;
            }
            text.at.1 += line;
        }
        taken.take(Box4::of(&text));
        text
    }

    /// From the centre to a node, one long.
    fn outward(&self, node: usize) -> Point {
        let place = self.places[node];
        direction(self.center, place).unwrap_or((0.0, -1.0))
    }

    /// Where an edge begins, the point that bends it, where its line and where its arrow end.
    fn bent(&self, edge: &Edge) -> Option<[Point; 4]> {
        /// How far the middle is drawn towards the centre, and to the left, as shares.
        const INWARDS: f32 = 0.28;
        const ASIDE: f32 = 0.1;
        let (a, b) = (self.places[edge.from], self.places[edge.to]);
        let along = direction(a, b)?;
        let apart = (b.0 - a.0).hypot(b.1 - a.1);
        let middle = (0.5 * (a.0 + b.0), 0.5 * (a.1 + b.1));
        let by = (
            middle.0 + (self.center.0 - middle.0) * INWARDS + along.1 * ASIDE * apart,
            middle.1 + (self.center.1 - middle.1) * INWARDS - along.0 * ASIDE * apart,
        );
        let (off, on) = (direction(a, by)?, direction(b, by)?);
        let start = self.radii[edge.from] + 1.0;
        let tip = self.radii[edge.to] + 2.0;
        let neck = tip + 0.8 * arrow(edge);
        Some([
            (a.0 + off.0 * start, a.1 + off.1 * start),
            by,
            (b.0 + on.0 * neck, b.1 + on.1 * neck),
            (b.0 + on.0 * tip, b.1 + on.1 * tip),
        ])
    }

    fn draw_edge(&self, picture: &mut Picture, edge: &Edge) {
        let Some([start, by, neck, tip]) = self.bent(edge) else {
            return;
        };
        let stroke = stroke(edge);
        picture.path(Path {
            steps: vec![Step::Move(start), Step::Quad(by, neck)],
            stroke: Some(stroke),
            fill: None,
        });
        draw_arrow(picture, by, tip, arrow(edge), stroke.color);
    }

    /// A step from a call to itself: a loop outside the ellipse.
    fn draw_loop(&self, picture: &mut Picture, edge: &Edge) {
        const REACH: f32 = 26.0;
        let (out, (x, y)) = (self.outward(edge.from), self.places[edge.from]);
        let (side, radius) = ((-out.1, out.0), self.radii[edge.from]);
        let at = |outwards: f32, sideways: f32| {
            (
                x + out.0 * outwards + side.0 * sideways,
                y + out.1 * outwards + side.1 * sideways,
            )
        };
        let (start, tip) = (
            at(0.8 * radius, -0.6 * radius),
            at(0.8 * radius + 1.0, 0.6 * radius + 1.0),
        );
        let (by, then) = (at(radius + REACH, -14.0), at(radius + REACH, 14.0));
        let stroke = stroke(edge);
        picture.path(Path {
            steps: vec![Step::Move(start), Step::Cubic(by, then, tip)],
            stroke: Some(stroke),
            fill: None,
        });
        draw_arrow(picture, then, tip, 0.8 * arrow(edge), stroke.color);
    }

    /// The probability of an edge, somewhere on it where there is room.
    fn label(&self, picture: &mut Picture, edge: &Edge, taken: &mut Taken) {
        const SIZE: f32 = 11.0;
        let Some([start, by, neck, _]) = self.bent(edge) else {
            return;
        };
        let mut content = percent(edge.probability);
        if let (true, Some(observed)) = (edge.marked, edge.observed) {
            content += &format!(", {}×", count(observed));
        }
        let color = if edge.marked { WARNING } else { GREY };
        for share in [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8] {
            let (x, y) = on_curve(start, by, neck, share);
            let text = Text::new((x, y + 0.35 * SIZE), content.clone(), SIZE, color)
                .anchored(Anchor::Middle)
                .with_halo();
            let text = if edge.marked { text.medium() } else { text };
            let room = Box4::of(&text);
            if room.within(&self.page) && taken.claim(room.wider(3.0)) {
                picture.text(text);
                return;
            }
        }
    }

    fn legend(&self, picture: &mut Picture, y: f32) {
        let mut x = MARGIN;
        let say = |picture: &mut Picture, x: &mut f32, text: String| {
            let text = Text::new((*x, y), text, SMALL_SIZE, GREY);
            *x += text.width() + 18.0;
            picture.text(text);
        };
        let sample = |probability: f64, marked: bool| Edge {
            from: 0,
            to: 0,
            probability,
            observed: None,
            marked,
        };
        let line = |picture: &mut Picture, x: &mut f32, edge: Edge| {
            let (from, to) = ((*x, y - 4.0), (*x + 26.0, y - 4.0));
            picture.line(from, to, stroke(&edge));
            *x += 32.0;
        };
        for probability in [0.1, 0.5, 1.0] {
            line(picture, &mut x, sample(probability, false));
            say(picture, &mut x, percent(probability));
        }
        if self.graph.edges.iter().any(|edge| edge.marked) {
            line(picture, &mut x, sample(0.0, true));
            say(
                picture,
                &mut x,
                "unlikely step: probability, times seen".to_owned(),
            );
        }
        let mut words = "disc: how often the call comes".to_owned();
        let (nodes, edges) = self.graph.left_out;
        if nodes + edges > 0 {
            words += &format!(
                "; left out: {} calls and {} steps",
                count(nodes as u64),
                count(edges as u64)
            );
        }
        say(picture, &mut x, words);
    }
}

fn stroke(edge: &Edge) -> Stroke {
    let probability = edge.probability as f32;
    if edge.marked {
        Stroke::solid(WARNING, (0.8 + 5.0 * probability).max(1.8))
    } else {
        let color = BLUE.opacity(0.18 + 0.6 * probability.sqrt());
        Stroke::solid(color, 0.8 + 5.0 * probability)
    }
}

/// Length of an edge's arrow head, in pixels.
fn arrow(edge: &Edge) -> f32 {
    6.0 + 1.4 * stroke(edge).width
}

fn draw_arrow(
    picture: &mut Picture,
    from: Point,
    tip: Point,
    length: f32,
    color: crate::color::Color,
) {
    let Some(along) = direction(from, tip) else {
        return;
    };
    let half = 0.38 * length;
    let base = (tip.0 - along.0 * length, tip.1 - along.1 * length);
    let points = [
        tip,
        (base.0 - along.1 * half, base.1 + along.0 * half),
        (base.0 + along.1 * half, base.1 - along.0 * half),
    ];
    picture.area(
        &points,
        color.opacity((f32::from(color.alpha) / 255.0 + 0.2).min(1.0)),
    );
}

/// From one place to another, one long; none where they are the same.
fn direction(from: Point, to: Point) -> Option<Point> {
    let (x, y) = (to.0 - from.0, to.1 - from.1);
    let length = x.hypot(y);
    (length > 1e-3).then(|| (x / length, y / length))
}

/// The point at this share of a curve with one bend.
fn on_curve(start: Point, by: Point, end: Point, share: f32) -> Point {
    let (a, b, c) = (
        (1.0 - share) * (1.0 - share),
        2.0 * share * (1.0 - share),
        share * share,
    );
    (
        a * start.0 + b * by.0 + c * end.0,
        a * start.1 + b * by.1 + c * end.1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            width: 800,
            height: 600,
            title: "Which call follows which".to_owned(),
            subtitle: "made up".to_owned(),
        }
    }

    fn node(name: &str, weight: f64) -> Node {
        Node {
            name: name.to_owned(),
            weight,
        }
    }

    fn edge(from: usize, to: usize, probability: f64) -> Edge {
        Edge {
            from,
            to,
            probability,
            observed: None,
            marked: false,
        }
    }

    #[test]
    fn names_probabilities_and_marks_are_drawn() {
        let nodes = vec![
            node("read", 9.0),
            node("<b>&\u{1b}", 1.0),
            node("close", 2.0),
        ];
        let marked = Edge {
            observed: Some(1_234),
            marked: true,
            ..edge(2, 1, 0.000_4)
        };
        let edges = vec![edge(0, 0, 0.6), edge(0, 2, 0.4), marked];
        let svg = transition_graph(&sheet(), nodes.clone(), edges.clone()).svg();
        for said in [
            "read (60 % again)",
            "&lt;b&gt;&amp;\\u{1b}",
            "close",
            ">40 %<",
            "0.04 %, 1,234×",
        ] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(
            svg.contains("#d55e00"),
            "the marked step has the warning colour"
        );
        assert_eq!(svg, transition_graph(&sheet(), nodes, edges).svg());
    }

    #[test]
    fn what_is_not_there_or_no_number_is_left_out() {
        let nodes = vec![node("a", f64::NAN), node("b", f64::INFINITY)];
        let edges = vec![edge(0, 7, 0.5), edge(0, 1, f64::NAN), edge(1, 0, 9.0)];
        let svg = transition_graph(&sheet(), nodes, edges).svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(svg.contains("left out: 0 calls and 1 steps"), "{svg}");
        assert!(
            transition_graph(&sheet(), vec![], vec![])
                .svg()
                .contains("</svg>")
        );
    }

    #[test]
    fn a_large_graph_is_bounded_and_keeps_its_marks() {
        let nodes: Vec<Node> = (0..500)
            .map(|i| node(&format!("call_{i}"), f64::from(i)))
            .collect();
        let mut edges = Vec::new();
        for from in 0..500 {
            edges.extend((0..100).map(|step| edge(from, (from + step) % 500, 0.01)));
        }
        edges.push(Edge {
            marked: true,
            ..edge(499, 450, 0.0)
        });
        let svg = transition_graph(&sheet(), nodes, edges).svg();
        assert!(svg.len() < 300_000, "{}", svg.len());
        assert!(svg.contains("left out: 440 calls") && svg.contains("call_499"));
        assert!(svg.contains("under 0.01 %") || svg.contains(">0 %<"));
    }
}
