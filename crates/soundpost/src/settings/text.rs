//! Parsers of values as people write them: durations, sizes, switches.

use std::time::Duration;

/// Longest duration: a thousand years, which any clock can be moved by.
const MAX_DURATION: Duration = Duration::from_secs(1000 * 365 * 86_400);
const TIME_UNITS: [(&str, f64); 6] =
    [("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
/// Units of sizes in lower case, without the `b` or `ib` at the end.
const SIZE_UNITS: [(&str, u32); 5] = [("", 0), ("k", 1), ("m", 2), ("g", 3), ("t", 4)];

/// Parses a duration: `90s`, `1.5h`, `2d`, `1h30m`, `500ms`, or `0`.
///
/// # Errors
/// When the text is none of these; the message gives examples.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let error = || format!("{text:?} is not a duration; use 500ms, 90s, 15m, 1h30m or 2d");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(error)?;
        let unit = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, factor) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        seconds += number * factor;
        rest = after.trim_start();
    }
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= MAX_DURATION);
    duration.ok_or_else(error)
}

/// Parses a size in bytes: `1048576`, `512MiB`, `512M`, `1.5 GiB` in powers of 1024, `512MB` in powers of 1000.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    if let Ok(bytes) = text.trim().parse() {
        return Some(bytes);
    }
    let (number, unit) = split_number(text.trim())?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (letters, base) = match unit.strip_suffix("ib") {
        Some(letters) => (letters, 1024_f64),
        None => unit.strip_suffix('b').map_or((&*unit, 1024.0), |letters| (letters, 1000.0)),
    };
    let (_, power) = SIZE_UNITS.iter().find(|(name, _)| *name == letters)?;
    let bytes = number * base.powi(i32::try_from(*power).ok()?);
    (bytes.fract() == 0.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// Parses a switch: `1`, `true`, `yes`, `on` and their opposites.
pub(super) fn parse_switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Splits digits and a decimal point from what follows.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_with_units_is_parsed() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("10m", 600.0),
            ("10min", 600.0),
            ("1h30m", 5400.0),
            ("1h 30m", 5400.0),
            ("1.5h", 5400.0),
            ("2d", 172_800.0),
            ("500ms", 0.5),
            ("0", 0.0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn duration_without_unit_or_out_of_range_is_refused() {
        for text in ["", "5", "h", "1y", "-1s", "1..s", "1e400s", "99999999999999999999d", "9999999999999d"] {
            assert!(parse_duration(text).is_err_and(|message| message.contains("1h30m")), "{text}");
        }
    }

    #[test]
    fn size_with_units_is_parsed() {
        const MIB: u64 = 1 << 20;
        for (text, bytes) in [
            ("1048576", MIB),
            ("512MiB", 512 * MIB),
            ("512M", 512 * MIB),
            ("512m", 512 * MIB),
            ("1.5 GiB", 1536 * MIB),
            ("512MB", 512_000_000),
            ("64k", 64 << 10),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "1.5", "many", "5 apples", "-1", "1e3", "0.3k", "99999999999T"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
