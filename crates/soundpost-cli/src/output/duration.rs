//! Times that something takes.

use std::time::Duration;

const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

/// A thousand years: no clock is added to what it cannot show.
const LONGEST: Duration = Duration::from_secs(1000 * 365 * 86_400);

/// Reads `90s`, `1.5h`, `2d`, `1h30m`, `500ms`, and `0`.
///
/// # Errors
/// When it is none of these; the message says what is.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; use 90s, 15m, 1h30m or 2d");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(number);
        let unit = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        seconds += number.parse::<f64>().map_err(|_| wrong())? * factor;
        rest = after.trim_start();
    }
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    if time > LONGEST { Err(wrong()) } else { Ok(time) }
}

/// A time for a person, in two units at most: `85 ms`, `12.3 s`, `3 min 4 s`, `2 h 3 min`, `3 d 4 h`.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match seconds {
        s if s < 0.0 => "0 ms".to_owned(),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 99.95 => format!("{s:.1} s"),
        s if s < 3_600.0 => format!("{} min {} s", whole / 60, whole % 60),
        s if s < 86_400.0 => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// A time that somebody set: whole seconds as such.
pub(crate) fn setting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 1..100 if time.subsec_nanos() == 0 => format!("{seconds} s"),
        _ => span(time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("2d", 172_800.0),
            ("500ms", 0.5),
            ("0", 0.0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "5", "h", "1y", "-1s", "1..s", "1e400s", "99999999999999999999d", "9999999999999d"] {
            assert!(parse_duration(text).is_err_and(|message| message.contains("1h30m")), "{text}");
        }
        let written = [0.0, 0.0854, 0.9999, 12.34, 99.96, 184.0, 7_385.0, 273_600.0].map(span);
        let expected =
            ["0 ms", "85 ms", "1.0 s", "12.3 s", "1 min 40 s", "3 min 4 s", "2 h 3 min", "3 d 4 h"];
        assert_eq!(written, expected);
    }
}
