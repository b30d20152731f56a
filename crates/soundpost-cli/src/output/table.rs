//! Tables of aligned columns.

use super::paint::Paint;
use super::text::{fitted, plain, width};

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under headings; a column without any text is left out.
pub(crate) struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: usize = 2;
/// A wide cell is cut to this.
const WIDEST: usize = 60;

impl Table {
    pub(crate) fn new(headings: &[(&'static str, Align)]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each heading.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| fitted(&plain(&cell), WIDEST)).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its lines, the headings first.
    pub(crate) fn lines(&self, paint: Paint) -> Vec<String> {
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let columns: Vec<(usize, usize)> = (0..self.headings.len())
            .filter(|column| self.rows.iter().any(|row| !cell(row, *column).is_empty()))
            .map(|column| {
                let widest = self.rows.iter().map(|row| width(&cell(row, column))).max().unwrap_or(0);
                (column, widest.max(width(self.headings[column].0)))
            })
            .collect();
        let line = |text: &dyn Fn(usize) -> String| {
            let mut line = String::new();
            for (column, room) in &columns {
                let text = text(*column);
                let pad = room.saturating_sub(width(&text));
                let (before, after) = match self.headings[*column].1 {
                    Align::Left => (0, pad),
                    Align::Right => (pad, 0),
                };
                line.extend(std::iter::repeat_n(' ', before));
                line.push_str(&text);
                line.extend(std::iter::repeat_n(' ', after + GAP));
            }
            line.trim_end().to_owned()
        };
        let headings = paint.dim(&line(&|column| self.headings[column].0.to_owned()));
        std::iter::once(headings)
            .chain(self.rows.iter().map(|row| line(&|column| cell(row, column))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table =
            Table::new(&[("name", Align::Left), ("none", Align::Left), ("seconds", Align::Right)]);
        table.row(["情感".to_owned(), String::new(), "1.25".to_owned()]);
        table.row(["a\x1b[31m".to_owned(), String::new(), "12".to_owned()]);
        assert_eq!(
            table.lines(Paint::default()),
            ["name    seconds", "情感       1.25", "a\u{fffd}[31m       12"]
        );
    }
}
