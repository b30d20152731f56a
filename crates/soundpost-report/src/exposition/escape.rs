//! Escaping, so that no value ends its context.

use std::sync::Arc;

/// Appends a text with `\` and LF escaped, and with `"` for a text in `quotes`: a label value, and HELP in OpenMetrics.
/// HELP of text 0.0.4 ends with its line.
pub(super) fn push_escaped(out: &mut String, text: &str, quotes: bool) {
    // Only ASCII is escaped, so every cut below is between two characters.
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'"' if quotes => "\\\"",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        out.push_str(escaped);
        clean = at + 1;
    }
    out.push_str(&text[clean..]);
}

/// Appends `a="x",b="y"` without braces; nothing if there are no labels.
pub(super) fn push_labels(out: &mut String, labels: &[(Arc<str>, Arc<str>)]) {
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        push_escaped(out, value, true);
        out.push('"');
    }
}

/// Appends `name{a="x"} `: a sample without its value.
pub(super) fn push_sample(out: &mut String, name: &str, labels: &[(Arc<str>, Arc<str>)]) {
    out.push_str(name);
    if !labels.is_empty() {
        out.push('{');
        push_labels(out, labels);
        out.push('}');
    }
    out.push(' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_place() {
        // Input, with quotes escaped, without.
        let table = [
            ("plain", "plain", "plain"),
            ("", "", ""),
            (r#"a\"b"#, r#"a\\\"b"#, r#"a\\"b"#),
            ("a\\\nb", r"a\\\nb", r"a\\\nb"),
            (r"\", r"\\", r"\\"),
            (r"\\", r"\\\\", r"\\\\"),
            (r"\n", r"\\n", r"\\n"),
            ("\n", r"\n", r"\n"),
            ("x\"} 1\nevil 2", "x\\\"} 1\\nevil 2", "x\"} 1\\nevil 2"),
            ("\r\t\0", "\r\t\0", "\r\t\0"),
            ("情感\u{2028}😀\u{feff}", "情感\u{2028}😀\u{feff}", "情感\u{2028}😀\u{feff}"),
        ];
        for (input, quoted, line) in table {
            for (quotes, expected) in [(true, quoted), (false, line)] {
                let mut out = String::new();
                push_escaped(&mut out, input, quotes);
                assert_eq!(out, expected);
            }
        }
    }
}
