//! Text from services, made safe for a terminal.

use std::borrow::Cow;

use soundpost::binding::visible::is_hidden;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Replaces characters that a terminal obeys, and those that change the direction of writing: names and labels come
/// from requests.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns JSON with hidden characters in its own escapes.
pub(crate) fn visible_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let escape = |unit: &mut u16| format!("\\u{unit:04x}");
    let visible = |c: char| match is_hidden(c) {
        true => c.encode_utf16(&mut [0; 2]).iter_mut().map(escape).collect(),
        false => String::from(c),
    };
    Cow::Owned(json.chars().map(visible).collect())
}

pub(crate) fn display_width(text: &str) -> usize {
    text.width()
}

/// Truncates a text to `columns`, with `…` at the cut.
pub(crate) fn truncate(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(plain("a\x1b[2Jb\r\n\u{202e}c\u{9b}"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}");
        assert_eq!(plain("schön 情感"), "schön 情感");
    }

    #[test]
    fn hidden_characters_of_json_are_escaped() {
        let text = "a\u{9b}\u{202e}\u{e0041}\u{7f}b 情";
        let json = serde_json::to_string(text).unwrap();
        assert_eq!(visible_json(&json), r#""a\u009b\u202e\udb40\udc41\u007fb 情""#);
        assert_eq!(serde_json::from_str::<String>(&visible_json(&json)).unwrap(), text);
    }

    #[test]
    fn text_is_truncated_by_columns() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 4), "abc…");
        assert_eq!(truncate("情感合成", 5), "情感…");
        assert_eq!(truncate("abc", 0), "");
    }
}
