//! Tables of aligned columns.

use super::paint::Paint;
use super::text::{display_width, plain, truncate};

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under headings. Columns without text are left out.
pub(crate) struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Columns between two cells.
const GAP: usize = 2;
/// Maximum width of a cell, columns.
const MAX_CELL_WIDTH: usize = 60;

impl Table {
    pub(crate) fn new(headings: &[(&'static str, Align)]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each heading.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| truncate(&plain(cell), MAX_CELL_WIDTH)).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the lines of the table, its headings first.
    pub(crate) fn lines(&self, paint: Paint) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let width = |column: usize| {
            let widths = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| display_width(cell));
            let widest = widths.max().filter(|widest| *widest > 0);
            widest.map_or(0, |widest| widest.max(display_width(&headings[column])))
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for ((text, (_, align)), width) in row.iter().zip(&self.headings).zip(&widths) {
                if *width == 0 {
                    continue;
                }
                let padding = " ".repeat(width - display_width(text).min(*width));
                match align {
                    Align::Left => line.extend([text, &*padding]),
                    Align::Right => line.extend([&*padding, text]),
                }
                line.push_str(&" ".repeat(GAP));
            }
            line.trim_end().to_owned()
        };
        std::iter::once(paint.dim(&line(&headings))).chain(self.rows.iter().map(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_column_is_left_out() {
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
