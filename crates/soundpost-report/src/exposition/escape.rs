//! Escaping, so that no value ends its context.

use std::sync::Arc;

/// Context of a text, which determines the characters to escape.
#[derive(Clone, Copy)]
enum EscapeContext {
    /// Between double quotes: label values, and HELP in OpenMetrics, which escapes the quote there as well.
    Quoted,
    /// HELP in text 0.0.4: up to the end of the line.
    Line,
}

impl EscapeContext {
    fn escaped(self, byte: u8) -> Option<&'static str> {
        match (byte, self) {
            (b'\\', _) => Some("\\\\"),
            (b'\n', _) => Some("\\n"),
            (b'"', Self::Quoted) => Some("\\\""),
            _ => None,
        }
    }
}

/// Appends a label value without its quotes: `\`, `"` and LF escaped.
pub(super) fn push_value(out: &mut String, value: &str) {
    push(out, value, EscapeContext::Quoted);
}

/// Appends a HELP text for text 0.0.4: `\` and LF escaped.
pub(super) fn push_help(out: &mut String, help: &str) {
    push(out, help, EscapeContext::Line);
}

/// Appends a HELP text for OpenMetrics: `\`, `"` and LF escaped.
pub(super) fn push_quoted_help(out: &mut String, help: &str) {
    push(out, help, EscapeContext::Quoted);
}

fn push(out: &mut String, value: &str, context: EscapeContext) {
    // Only ASCII is escaped, so every cut below is between two characters.
    let mut clean = 0;
    for (at, byte) in value.bytes().enumerate() {
        if let Some(escaped) = context.escaped(byte) {
            out.push_str(&value[clean..at]);
            out.push_str(escaped);
            clean = at + 1;
        }
    }
    out.push_str(&value[clean..]);
}

/// Appends `a="x",b="y"` without braces; nothing if there are no labels.
pub(super) fn push_labels(out: &mut String, labels: &[(Arc<str>, Arc<str>)]) {
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        push_value(out, value);
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
        // Input, label value (and OpenMetrics HELP), HELP of text 0.0.4.
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
            for (push, expected) in
                [(push_value as fn(&mut String, &str), quoted), (push_quoted_help, quoted), (push_help, line)]
            {
                let mut out = String::new();
                push(&mut out, input);
                assert_eq!(out, expected);
            }
        }
    }
}
