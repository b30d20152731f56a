//! Wall-clock times as text.

use super::decimal::{push_digits, push_int, set_digits};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Appends a time, in nanoseconds since 1970, as RFC 3339 in UTC with at most 9 decimals: `2026-01-02T03:04:05.678Z`.
/// Further decimals are truncated.
pub(crate) fn push_rfc3339(out: &mut Vec<u8>, unix_nanos: i64, decimals: usize) {
    let (seconds, nanos) = (unix_nanos.div_euclid(SECOND), unix_nanos.rem_euclid(SECOND));
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00.000000000";
    let parts = [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, second / 3600),
        (14..16, second / 60 % 60),
        (17..19, second % 60),
        (20..29, nanos),
    ];
    for (place, number) in parts {
        set_digits(&mut text[place], number.unsigned_abs());
    }
    out.extend_from_slice(&text[..text.len() - 9 + decimals]);
    out.push(b'Z');
}

/// Appends a time as seconds with six decimals.
pub(crate) fn push_seconds(out: &mut Vec<u8>, unix_nanos: u64) {
    let micros = unix_nanos / 1000;
    push_int(out, micros / 1_000_000);
    out.push(b'.');
    push_digits(out, micros % 1_000_000, 6);
}

/// Returns year, month and day of a day since 1970-01-01. Years begin in March, so that the leap day is the last.
/// Source: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_match_the_calendar() {
        let table = [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400 * SECOND, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800 * SECOND, "2000-03-01T00:00:00.000000000Z"),
            (1_767_323_045_678_901_234, "2026-01-02T03:04:05.678901234Z"),
            (4_107_542_399 * SECOND, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400 * SECOND, "2100-03-01T00:00:00.000000000Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ];
        for (nanos, expected) in table {
            let (mut whole, mut short) = (Vec::new(), Vec::new());
            push_rfc3339(&mut whole, nanos, 9);
            push_rfc3339(&mut short, nanos, 3);
            assert_eq!(String::from_utf8(whole).unwrap(), expected);
            assert_eq!(String::from_utf8(short).unwrap(), format!("{}Z", &expected[..23]));
        }
    }

    #[test]
    fn seconds_keep_their_microseconds() {
        for (nanos, expected) in [
            (1000, "0.000001"),
            (1_767_323_045_678_901_234, "1767323045.678901"),
            (u64::MAX, "18446744073.709551"),
        ] {
            let mut out = Vec::new();
            push_seconds(&mut out, nanos);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
