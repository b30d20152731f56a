//! Comma-separated values, RFC 4180.

use std::borrow::Cow;

/// A line of these cells, without its end.
pub(crate) fn csv_line<'a>(cells: impl IntoIterator<Item = Cow<'a, str>>) -> String {
    let cell = |cell: Cow<'a, str>| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.into_owned()
        }
    };
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::csv_line;

    #[test]
    fn cells_stay_apart() {
        let cells = ["a", "b,c", "say \"so\"", "two\nlines", ""];
        assert_eq!(csv_line(cells.map(Into::into)), "a,\"b,c\",\"say \"\"so\"\"\",\"two\nlines\",");
    }
}
