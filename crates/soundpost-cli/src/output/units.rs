//! Durations and quantities for people.

use std::time::Duration;

/// Formats a duration in at most two units: `85 ms`, `12.3 s`, `3 min 4 s`, `2 h 3 min`, `3 d 4 h`.
pub(crate) fn format_span(seconds: f64) -> String {
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

/// Formats a configured duration: whole seconds without a fraction.
pub(crate) fn format_setting(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 1..100 if duration.subsec_nanos() == 0 => format!("{seconds} s"),
        _ => format_span(duration.as_secs_f64()),
    }
}

/// Formats bytes in powers of 1024, as `nvidia-smi` and `free -h` do: `512 B`, `1.5 MiB`, `23.1 GiB`.
pub(crate) fn format_bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (bytes, 0);
    while value.abs() >= 1023.95 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", units[unit]) }
}

pub(crate) fn format_percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// Formats a count with separated thousands: `1,234,567`.
pub(crate) fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_has_at_most_two_units() {
        let written = [-1.0, 0.0, 0.0854, 0.9999, 12.34, 99.96, 184.0, 7_385.0, 273_600.0].map(format_span);
        let expected =
            ["0 ms", "0 ms", "85 ms", "1.0 s", "12.3 s", "1 min 40 s", "3 min 4 s", "2 h 3 min", "3 d 4 h"];
        assert_eq!(written, expected);
    }

    #[test]
    fn quantities_are_short() {
        let written = [0.0, 1023.0, 1536.0, 1048575.0, 24.0 * 1073741824.0].map(format_bytes);
        assert_eq!(written, ["0 B", "1023 B", "1.5 KiB", "1.0 MiB", "24.0 GiB"]);
        assert_eq!([0, 999, 1000, 1234567].map(format_count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(format_percent(0.984), "98 %");
    }
}
