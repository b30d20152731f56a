//! Shortening of long Python tracebacks.

use std::borrow::Cow;

use crate::field::cut;

/// Start of the line of a frame.
const FRAME: &str = "\n  File \"";

/// Shortens a traceback to about `limit` bytes: its first frames, a line with the number of omitted lines,
/// and its last frames with the exception. Only whole lines are omitted, up to the start of a frame. A gap
/// inside a line or an exception's text could separate a secret from the text that marks it.
pub(super) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let Some(last) = text.rfind(FRAME) else { return Cow::Borrowed(cut(text, limit)) };
    // As many of the last frames as fit three quarters of the limit.
    let from = text.ceil_char_boundary(text.len() - limit / 4 * 3);
    let tail = text[from..].find(FRAME).map_or(last, |at| from + at);
    let tail_text = cut(&text[tail..], limit / 4 * 3);
    let head = text[..text.floor_char_boundary((limit - tail_text.len()).min(tail))].rfind('\n').unwrap_or(0);
    let lines = text[head..tail].matches('\n').count();
    match lines {
        0 => Cow::Owned(format!("{}{tail_text}", &text[..head])),
        lines => Cow::Owned(format!("{}\n  [{lines} lines left out]{tail_text}", &text[..head])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traceback(frames: usize, error: &str) -> String {
        let frames: String = (0..frames)
            .map(|frame| format!("\n  File \"f{frame}.py\", line {frame}, in f{frame}\n    call()"))
            .collect();
        format!("Traceback (most recent call last):{frames}\nValueError: {error}")
    }

    #[test]
    fn first_and_last_frames_and_the_exception_stay() {
        let text = traceback(1000, "no voice");
        let short = shortened(&text, 4096);
        assert!(short.len() <= 4096 + 40, "{}", short.len());
        assert!(
            short.starts_with("Traceback (most recent call last):\n  File \"f0.py\", line 0, in f0\n"),
            "{short}"
        );
        assert!(
            short.ends_with("\n  File \"f999.py\", line 999, in f999\n    call()\nValueError: no voice"),
            "{short}"
        );
        assert_eq!(short.matches(" lines left out]\n  File \"").count(), 1, "{short}");
    }

    #[test]
    fn a_long_error_is_cut_at_its_end() {
        let short = shortened(&traceback(1000, &"é".repeat(10_000)), 4096).into_owned();
        assert!(short.len() <= 4096 + 40 && short.starts_with("Traceback"), "{}", short.len());
        assert!(
            short.contains("\n  File \"f999.py\", line 999, in f999\n    call()\nValueError: éé"),
            "{short}"
        );
    }

    #[test]
    fn text_after_a_hole_begins_with_a_frame() {
        let cause = traceback(3, &"secret line\n".repeat(1000));
        let text = format!("{cause}\nDuring handling:\n{}", traceback(2, "last"));
        let short = shortened(&text, 4096).into_owned();
        let (_, behind) = short.split_once("left out]").unwrap_or_default();
        assert!(behind.starts_with("\n  File \"") && !behind.contains("secret"), "{short}");
        assert!(behind.ends_with("ValueError: last"), "{short}");
    }

    #[test]
    fn short_text_and_other_text_stay() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("no traceback", 4), "no t");
        for limit in 0..3000 {
            let text = traceback(20, "é");
            let _ = shortened(&text, limit);
        }
    }
}
