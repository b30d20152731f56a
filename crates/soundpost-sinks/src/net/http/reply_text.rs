//! Makes a server's reply readable.

const HIDDEN: &str = "***";

/// Returns a text in one line and without secrets. A truncated text also loses the start of a secret at its end.
pub(crate) fn cleaned(text: &[u8], cut: bool, secrets: &[String]) -> String {
    let mut text = String::from_utf8_lossy(text).into_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), HIDDEN);
    }
    if cut {
        secrets.iter().for_each(|secret| drop_beginning(&mut text, secret));
    }
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn drop_beginning(text: &mut String, secret: &str) {
    let beginnings = (1..secret.len()).rev().filter(|end| secret.is_char_boundary(*end));
    if let Some(end) = beginnings.into_iter().find(|end| text.ends_with(&secret[..*end])) {
        text.truncate(text.len() - end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_reply_are_hidden() {
        let secrets = ["hunter2".to_owned(), "dXNlcjpodW50ZXIy".to_owned()];
        let table = [
            ("token hunter2 is no good, hunter2!", false, "token *** is no good, ***!"),
            ("a\r\n\tb\0 c", false, "a b c"),
            ("Basic dXNlcjpodW50ZXIy", false, "Basic ***"),
            ("it was hunt", true, "it was"),
            ("it was hunt", false, "it was hunt"),
            ("hunter2 hunter2", true, "*** ***"),
        ];
        for (text, cut, expected) in table {
            assert_eq!(cleaned(text.as_bytes(), cut, &secrets), expected);
        }
        assert_eq!(cleaned(b"\xffhunter2\xff", false, &secrets), "\u{fffd}***\u{fffd}");
    }
}
