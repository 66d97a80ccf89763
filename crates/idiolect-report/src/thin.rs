//! Lines of any number of points in a bounded number of them.

use crate::picture::Point;

/// A line that runs from left to right, with at most four points a pixel: of the points in each column of
/// pixels the first, the lowest, the highest and the last, so that no peak is lost.
pub(crate) fn thinned(points: impl IntoIterator<Item = Point>) -> Vec<Point> {
    let mut kept = Vec::new();
    let mut column: Option<Column> = None;
    for point in points {
        let at = point.0.floor();
        match &mut column {
            Some(column) if column.at == at => column.add(point),
            _ => {
                if let Some(full) = column.take() {
                    full.end(&mut kept);
                }
                column = Some(Column {
                    at,
                    first: point,
                    low: (0, point),
                    high: (0, point),
                    last: (0, point),
                });
            }
        }
    }
    if let Some(full) = column {
        full.end(&mut kept);
    }
    kept
}

/// The points of one column of pixels; places are counted to keep the order.
struct Column {
    at: f32,
    first: Point,
    low: (usize, Point),
    high: (usize, Point),
    last: (usize, Point),
}

impl Column {
    fn add(&mut self, point: Point) {
        self.last = (self.last.0 + 1, point);
        if point.1 < self.low.1.1 {
            self.low = self.last;
        }
        if point.1 > self.high.1.1 {
            self.high = self.last;
        }
    }

    fn end(self, kept: &mut Vec<Point>) {
        let mut four = [(0, self.first), self.low, self.high, self.last];
        four.sort_by_key(|(place, _)| *place);
        let mut before = None;
        for (place, point) in four {
            if before != Some(place) {
                kept.push(point);
            }
            before = Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_stay_and_many_keep_their_peaks() {
        let few: Vec<Point> = (0..10).map(|i| (i as f32, (i % 3) as f32)).collect();
        assert_eq!(thinned(few.clone()), few);
        let many = (0..1_000_000).map(|i| {
            let y = if i == 123_456 { 99.0 } else { (i % 7) as f32 };
            (i as f32 * 500.0 / 1e6, y)
        });
        let kept = thinned(many);
        assert!(kept.len() <= 2_000, "{}", kept.len());
        assert!(kept.iter().any(|point| point.1 == 99.0));
        assert!(kept.is_sorted_by(|a, b| a.0 <= b.0));
        assert_eq!(thinned([]), []);
    }
}
