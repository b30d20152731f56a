//! Comma-separated values, RFC 4180.

/// Formats a record without its line end.
pub(crate) fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    cells.into_iter().map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::csv_line;

    #[test]
    fn cells_with_separators_are_quoted() {
        let cells = ["a", "b,c", "say \"so\"", "two\nlines", ""];
        assert_eq!(csv_line(cells), "a,\"b,c\",\"say \"\"so\"\"\",\"two\nlines\",");
    }
}
