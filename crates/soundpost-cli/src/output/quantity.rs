//! Quantities for people.

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

/// Formats a ratio in percent.
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
    fn quantities_are_short() {
        let written = [0.0, 1023.0, 1536.0, 1048575.0, 24.0 * 1073741824.0].map(format_bytes);
        assert_eq!(written, ["0 B", "1023 B", "1.5 KiB", "1.0 MiB", "24.0 GiB"]);
        assert_eq!([0, 999, 1000, 1234567].map(format_count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(format_percent(0.984), "98 %");
    }
}
