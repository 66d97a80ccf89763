//! A curve drawn with block characters.

use std::fmt::Write;

/// Characters that fill a cell by eighths.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the largest value in each column, with a scale at the left: lines of at most `width` columns.
pub(crate) fn draw(values: &[f32], width: usize, height: usize) -> String {
    const SCALE: usize = 7;
    let columns = squeeze(values, width.saturating_sub(SCALE).max(1));
    let top = columns.iter().copied().fold(1.0_f32, f32::max).ceil();
    let mut out = String::new();
    for row in (0..height).rev() {
        let label = match row {
            0 => "0".to_owned(),
            _ if row + 1 == height => format!("{top:.0}"),
            _ => String::new(),
        };
        let _ = write!(out, "{label:>4} ┤ ");
        for value in &columns {
            let eighths = value / top * (height * 8) as f32 - (row * 8) as f32;
            // What is not nothing is shown, if only by the lowest mark.
            let least = if row == 0 && *value > 0.0 { 1 } else { 0 };
            out.push(EIGHTHS[(eighths.round().clamp(0.0, 8.0) as usize).max(least)]);
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// As many columns as there is room for, each the largest of its values.
fn squeeze(values: &[f32], width: usize) -> Vec<f32> {
    let columns = width.min(values.len());
    (0..columns)
        .map(|column| {
            let from = column * values.len() / columns;
            let to = ((column + 1) * values.len() / columns).max(from + 1);
            values[from..to].iter().copied().fold(0.0, f32::max)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve() {
        let values: Vec<f32> = (0..=16).map(|i| i as f32 / 2.0).collect();
        insta::assert_snapshot!(draw(&values, 40, 3), @r"
           8 ┤            ▁▂▄▅▇█
             ┤       ▁▃▄▆▇██████
           0 ┤  ▂▃▅▆████████████
        ");
    }

    #[test]
    fn more_values_than_columns_keep_their_peaks() {
        let mut values = vec![0.0; 10_000];
        values[5_000] = 9.0;
        let drawn = draw(&values, 30, 2);
        assert_eq!(drawn.matches('█').count(), 2);
        assert!(drawn.lines().all(|line| line.chars().count() <= 30));
        assert_eq!(draw(&[], 30, 2).lines().count(), 2);
    }
}
