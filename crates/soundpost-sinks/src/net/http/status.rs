//! The meaning of HTTP replies, and their text in messages.

use std::time::{Duration, SystemTime};

use crate::transport::answer::Verdict;

/// Maximum delay that a server can request.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Maximum length of the reply in a message, bytes.
const SUMMARY_BYTES: usize = 512;
const HIDDEN: &str = "***";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The first kilobytes of its body, in one line and without secrets.
    pub(crate) text: String,
    pub(crate) cut: bool,
}

impl Reply {
    /// Returns the verdict. Unknown statuses keep the records, as the data may be valid. A rejection with one of the
    /// words in `faults` concerns single records.
    pub(crate) fn verdict(&self, faults: &[&str]) -> Verdict {
        match self.status {
            204 => Verdict::Taken,
            200..=202 if !self.reports_failure() => Verdict::Taken,
            200..=299 => {
                Verdict::Misconfigured(format!("this is no answer of such a receiver: {}", self.summary()))
            }
            400 | 422 if faults.iter().any(|words| self.text.contains(words)) => {
                Verdict::Faulty(self.summary())
            }
            400 | 422 => Verdict::Refused(self.summary()),
            413 => Verdict::TooLarge(self.summary()),
            408 | 425 | 429 | 500..=599 => {
                Verdict::Later { why: self.summary(), retry_after: self.retry_after }
            }
            _ => Verdict::Misconfigured(self.summary()),
        }
    }

    /// Returns whether the body contradicts a successful status. A page comes from another kind of server, and an error
    /// means that records were not stored.
    fn reports_failure(&self) -> bool {
        let said = self.text.to_ascii_lowercase();
        self.cut
            || said.starts_with('<')
            || ["error", "partial", "fail"].iter().any(|word| said.contains(word))
    }

    /// Returns the status and the start of the body.
    pub(crate) fn summary(&self) -> String {
        let reason =
            hyper::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let mut text = self.status.to_string();
        let said = &self.text[..self.text.floor_char_boundary(SUMMARY_BYTES)];
        for part in [reason.unwrap_or_default(), said].into_iter().filter(|part| !part.is_empty()) {
            text.push_str(if text.len() == 3 { " " } else { ": " });
            text.push_str(part);
        }
        text
    }
}

/// Returns the delay that `Retry-After` requests, as seconds or as a date. `None` if it is invalid or in the past.
pub(crate) fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that overflows counts as the maximum.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(now).ok().map(|wait| wait.min(MAX_RETRY_AFTER))
}

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
    fn retry_after_has_two_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let table = [
            ("0", Some(0)),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("300", Some(300)),
            ("301", Some(300)),
            ("99999999999999999999999999", Some(300)),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("\u{0661}", None),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", None),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(300)),
            ("Sun, 99 Nov 1994 08:49:47 GMT", None),
        ];
        for (text, expected) in table {
            assert_eq!(retry_after(text.as_bytes(), now), expected.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(b"\xff", now), None);
    }

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
