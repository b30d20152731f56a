//! Tables of aligned columns.

use super::paint::Paint;
use super::text::{display_width, plain, truncate};

/// Columns between two cells.
const GAP: usize = 2;
/// Maximum width of a cell, columns.
const MAX_CELL_WIDTH: usize = 60;

/// Rows under headings. Columns without text are left out.
pub(crate) struct Table<R> {
    rows: Vec<R>,
    columns: Vec<Column>,
}

/// Widths of the columns of a table, 0 for a column that is left out.
#[derive(Default)]
pub(crate) struct Widths(Vec<usize>);

struct Column {
    heading: &'static str,
    is_right: bool,
    cells: Vec<String>,
}

impl<R> Table<R> {
    pub(crate) fn new(rows: impl IntoIterator<Item = R>) -> Self {
        Self { rows: rows.into_iter().collect(), columns: Vec::new() }
    }

    /// Adds a column that is aligned to the left.
    pub(crate) fn left(self, heading: &'static str, text: impl Fn(&R) -> String) -> Self {
        self.column(heading, false, text)
    }

    /// Adds a column that is aligned to the right.
    pub(crate) fn right(self, heading: &'static str, text: impl Fn(&R) -> String) -> Self {
        self.column(heading, true, text)
    }

    fn column(mut self, heading: &'static str, is_right: bool, text: impl Fn(&R) -> String) -> Self {
        let cell = |row: &R| truncate(&plain(&text(row)), MAX_CELL_WIDTH);
        let cells = self.rows.iter().map(cell).collect();
        self.columns.push(Column { heading, is_right, cells });
        self
    }

    /// Returns the lines of the table, its headings first; none without rows.
    pub(crate) fn lines(&self, paint: Paint) -> Vec<String> {
        self.lines_below(&mut Widths::default(), paint)
    }

    /// Returns the lines of a table that continues others of these widths. It has headings if a width changed.
    pub(crate) fn lines_below(&self, Widths(widths): &mut Widths, paint: Paint) -> Vec<String> {
        let before = widths.clone();
        widths.resize(self.columns.len(), 0);
        let mut lines = vec![String::new(); self.rows.len() + 1];
        for (Column { heading, is_right, cells }, width) in self.columns.iter().zip(widths.iter_mut()) {
            let widest = cells.iter().map(|cell| display_width(cell)).max().unwrap_or_default();
            if widest > 0 {
                *width = (*width).max(widest).max(display_width(heading));
            }
            let cells = std::iter::once(*heading).chain(cells.iter().map(String::as_str));
            for (line, cell) in lines.iter_mut().zip(cells).filter(|_| *width > 0) {
                let padding = " ".repeat(*width - display_width(cell));
                line.extend(if *is_right { [&*padding, cell] } else { [cell, &*padding] });
                line.push_str(&" ".repeat(GAP));
            }
        }
        lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
        lines[0] = paint.dim(&lines[0]);
        lines.drain(..usize::from(*widths == before));
        if self.rows.is_empty() { Vec::new() } else { lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_column_is_left_out() {
        let rows = [("情感", "1.25"), ("a\x1b[31m", "12")];
        let table = Table::new(rows)
            .left("name", |row| row.0.to_owned())
            .left("none", |_| String::new())
            .right("seconds", |row| row.1.to_owned());
        assert_eq!(
            table.lines(Paint::default()),
            ["name    seconds", "情感       1.25", "a\u{fffd}[31m       12"]
        );
    }

    #[test]
    fn continued_table_has_headings_if_a_width_changed() {
        let mut widths = Widths::default();
        let mut lines = |name: &'static str, error: &'static str| {
            let table = Table::new([(name, error)]).left("name", |row| row.0.to_owned());
            table.left("error", |row| row.1.to_owned()).lines_below(&mut widths, Paint::default())
        };
        assert_eq!(lines("a", ""), ["name", "a"]);
        assert_eq!(lines("ab", ""), ["ab"]);
        assert_eq!(lines("abcde", "x"), ["name   error", "abcde  x"]);
        assert_eq!(lines("a", ""), ["a"]);
    }
}
