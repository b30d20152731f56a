//! Shortening of long Python tracebacks.

use std::borrow::Cow;

use crate::field::cut;

/// Start of the line of a frame.
const FRAME: &str = "\n  File \"";

/// Shortens a redacted traceback to about `limit` bytes: its first frames, a line with the number of omitted lines,
/// and its last frames with the exception. Of an exception whose text alone is too long, the first and the last lines
/// stay.
pub(super) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    with_frames(text, limit, without_middle)
}

/// Shortens a traceback that is not redacted. Only whole lines are omitted, up to the start of a frame: a gap inside a
/// line or an exception's text could separate a secret from the text that marks it.
pub(super) fn shortened_before_redaction(text: &str, limit: usize) -> Cow<'_, str> {
    with_frames(text, limit, |text, limit| Cow::Borrowed(cut(text, limit)))
}

fn with_frames(text: &str, limit: usize, end_of: impl Fn(&str, usize) -> Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let Some(last) = text.rfind(FRAME) else { return end_of(text, limit) };
    // As many of the last frames as fit three quarters of the limit.
    let from = text.ceil_char_boundary(text.len() - limit / 4 * 3);
    let tail = text[from..].find(FRAME).map_or(last, |at| from + at);
    let tail_text = end_of(&text[tail..], limit / 4 * 3);
    let head = text[..text.floor_char_boundary((limit - tail_text.len()).min(tail))].rfind('\n').unwrap_or(0);
    let lines = text[head..tail].matches('\n').count();
    match lines {
        0 => Cow::Owned(format!("{}{tail_text}", &text[..head])),
        lines => Cow::Owned(format!("{}\n  [{lines} lines left out]{tail_text}", &text[..head])),
    }
}

/// Returns the first and the last lines of a text, of a single line the first and the last characters.
fn without_middle(text: &str, limit: usize) -> Cow<'_, str> {
    const GAP: usize = "\n  [18446744073709551615 characters left out]\n".len();
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    if limit < 4 * GAP {
        return Cow::Borrowed(cut(text, limit));
    }
    let room = (limit - GAP) / 2;
    let head = &text[..text.floor_char_boundary(room)];
    let tail = &text[text.ceil_char_boundary(text.len() - room)..];
    match (head.rfind('\n'), tail.find('\n')) {
        (Some(end), Some(start)) if end > 0 => {
            let start = text.len() - tail.len() + start;
            let lines = text[end..start].matches('\n').count();
            Cow::Owned(format!("{}\n  [{lines} lines left out]{}", &text[..end], &text[start..]))
        }
        _ => {
            let characters = text[head.len()..text.len() - tail.len()].chars().count();
            Cow::Owned(format!("{head}\n  [{characters} characters left out]\n{tail}"))
        }
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
    fn long_error_before_redaction_is_cut_at_its_end() {
        let text = traceback(1000, &"é".repeat(10_000));
        let short = shortened_before_redaction(&text, 4096).into_owned();
        assert!(short.len() <= 4096 + 40 && short.starts_with("Traceback"), "{}", short.len());
        assert!(
            short.contains("\n  File \"f999.py\", line 999, in f999\n    call()\nValueError: éé"),
            "{short}"
        );
        assert!(short.ends_with('é'), "{short}");
    }

    #[test]
    fn first_and_last_lines_of_a_long_error_stay() {
        let error: String = (0..1000).map(|line| format!("error line {line}\n")).collect();
        let short = shortened(&traceback(1000, &error), 4096).into_owned();
        assert!(short.len() <= 4096 + 40, "{}", short.len());
        assert!(
            short.starts_with("Traceback (most recent call last):\n  File \"f0.py\", line 0,"),
            "{short}"
        );
        assert!(
            short.contains("\n  File \"f999.py\", line 999, in f999\n    call()\nValueError: error line 0\n")
        );
        assert!(short.ends_with("\nerror line 998\nerror line 999\n"), "{short}");
        assert_eq!(short.matches(" lines left out]\n").count(), 2, "{short}");
    }

    #[test]
    fn both_ends_of_a_long_line_stay() {
        let text = format!("begin {} end", "é".repeat(10_000));
        let short = shortened(&text, 1000).into_owned();
        assert!(short.len() <= 1000 && short.starts_with("begin é") && short.ends_with("é end"), "{short}");
        assert_eq!(short.matches(" characters left out]\n").count(), 1, "{short}");
    }

    #[test]
    fn text_after_a_hole_begins_with_a_frame() {
        let cause = traceback(3, &"secret line\n".repeat(1000));
        let text = format!("{cause}\nDuring handling:\n{}", traceback(2, "last"));
        let short = shortened_before_redaction(&text, 4096).into_owned();
        let (_, behind) = short.split_once("left out]").unwrap_or_default();
        assert!(behind.starts_with("\n  File \"") && !behind.contains("secret"), "{short}");
        assert!(behind.ends_with("ValueError: last"), "{short}");
    }

    #[test]
    fn short_text_and_other_text_stay() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened_before_redaction("no traceback", 4), "no t");
        for limit in 0..3000 {
            let text = traceback(20, "é");
            let _ = (shortened(&text, limit), shortened_before_redaction(&text, limit));
        }
    }
}
