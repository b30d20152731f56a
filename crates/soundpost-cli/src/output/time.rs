//! Times of the wall clock.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use soundpost::settings::parse_duration;

fn timestamp(unix_nanos: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(unix_nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Formats a time for programs: `2026-01-02T03:04:05.678Z`.
pub(crate) fn format_rfc3339(unix_nanos: u64) -> String {
    timestamp(unix_nanos).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Formats a time for people, in the local time zone: `2026-01-02 03:04:05`.
pub(crate) fn format_local(unix_nanos: u64) -> String {
    local(unix_nanos, "%Y-%m-%d %H:%M:%S")
}

/// Formats a time for people with milliseconds.
pub(crate) fn format_local_millis(unix_nanos: u64) -> String {
    local(unix_nanos, "%Y-%m-%d %H:%M:%S.%3f")
}

fn local(unix_nanos: u64, format: &str) -> String {
    timestamp(unix_nanos).to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// Parses a time to nanoseconds since 1970: RFC 3339, a local date and time, one of both, or a duration before now.
pub(crate) fn parse_moment(text: &str) -> Result<u64, String> {
    let timestamp = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| Some(parse_local(text)?.to_zoned(TimeZone::system()).ok()?.timestamp()))
        .or_else(|| Timestamp::now().checked_sub(parse_duration(text).ok()?).ok());
    let nanos = timestamp.and_then(|timestamp| u64::try_from(timestamp.as_nanosecond()).ok());
    nanos.ok_or_else(|| {
        format!("{text:?} is not a time; use 2026-01-02T03:04:05Z, 2026-01-02 03:04, yesterday, 09:00 or 2h")
    })
}

/// Parses a local time: a date, `today` or `yesterday`, with a time of day or midnight; or a time of today.
fn parse_local(text: &str) -> Option<DateTime> {
    let time = |text: &str| {
        format!("{}{text}", if text.find(':') == Some(1) { "0" } else { "" }).parse::<Time>().ok()
    };
    let today = Timestamp::now().to_zoned(TimeZone::system()).date();
    let (day, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), "00:00"));
    match day {
        "today" => Some(today.to_datetime(time(rest)?)),
        "yesterday" => Some(today.yesterday().ok()?.to_datetime(time(rest)?)),
        _ => text
            .parse()
            .ok()
            .or_else(|| Some(day.parse::<Date>().ok()?.to_datetime(time(rest)?)))
            .or_else(|| Some(today.to_datetime(time(text)?))),
    }
}

pub(crate) fn unix_nanos_now() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_each_form_is_parsed() {
        let utc = 1_767_323_045_000_000_000;
        assert_eq!(parse_moment("2026-01-02T03:04:05Z"), Ok(utc));
        assert_eq!(parse_moment("2026-01-02T05:04:05+02:00"), Ok(utc));
        for text in ["2026-01-02 03:04:05", "2026-01-02T03:04", "2026-01-02"] {
            let read = parse_moment(text).unwrap_or(0);
            assert_eq!(&format_local(read)[..text.len()], text.replace('T', " "), "{text}");
        }
        let hour = 3_600_000_000_000;
        assert!(
            parse_moment("1h").is_ok_and(|moment| (unix_nanos_now() - moment).abs_diff(hour) < hour / 60)
        );
        let parsed = |text: &str| format_local(parse_moment(text).unwrap_or(0));
        let (today, yesterday) = (parsed("today"), parsed("yesterday"));
        assert!(today.ends_with(" 00:00:00") && yesterday.ends_with(" 00:00:00") && yesterday < today);
        assert_eq!(parsed("09:00"), today.replace(" 00:", " 09:"));
        assert_eq!(parsed("9:05:07"), today.replace(" 00:00:00", " 09:05:07"));
        assert_eq!(parsed("yesterday 18:30"), yesterday.replace(" 00:00:", " 18:30:"));
        for text in ["", "tomorrow", "25:00", "yesterday noon", "1e99", "1960-01-01T00:00:00Z"] {
            assert!(parse_moment(text).is_err_and(|message| message.contains("2026-01-02")), "{text}");
        }
    }

    #[test]
    fn time_is_formatted() {
        assert_eq!(format_rfc3339(1_767_323_045_678_999_999), "2026-01-02T03:04:05.678Z");
        assert_eq!(format_local(1_767_323_045_678_999_999).len(), "2026-01-02 03:04:05".len());
    }
}
