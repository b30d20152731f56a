//! Durations for people.

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
}
