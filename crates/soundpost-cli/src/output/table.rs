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
        let cells: Vec<String> = self.rows.iter().map(cell).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            self.columns.push(Column { heading, is_right, cells });
        }
        self
    }

    /// Returns the lines of the table, its headings first; none without rows.
    pub(crate) fn lines(&self, paint: Paint) -> Vec<String> {
        let mut lines = vec![String::new(); self.rows.len() + 1];
        for Column { heading, is_right, cells } in &self.columns {
            let cells = || std::iter::once(*heading).chain(cells.iter().map(String::as_str));
            let width = cells().map(display_width).max().unwrap_or_default();
            for (line, cell) in lines.iter_mut().zip(cells()) {
                let padding = " ".repeat(width - display_width(cell));
                line.extend(if *is_right { [&*padding, cell] } else { [cell, &*padding] });
                line.push_str(&" ".repeat(GAP));
            }
        }
        lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
        lines[0] = paint.dim(&lines[0]);
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
}
