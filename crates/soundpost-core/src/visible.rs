//! Characters that a terminal obeys or shows nothing for.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a terminal obeys a character, or it is invisible or changes the direction of writing.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

/// Returns a text with hidden characters in the form `\u{1b}`, and line ends as `\n`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to memory does not fail.
        let _ = if is_hidden(c) { write!(visible, "{}", c.escape_default()) } else { write!(visible, "{c}") };
    }
    Cow::Owned(visible)
}
