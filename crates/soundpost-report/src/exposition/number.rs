//! Numbers as Prometheus and OpenMetrics write them.

/// Limit below which a whole number is written in digits; from here on Go's `%g` uses an exponent.
const EXPONENT_FROM: f64 = 1e6;
/// Limit below which Go's `%g` uses a negative exponent.
const FRACTION_FROM: f64 = 1e-4;

pub(super) fn push_int(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Appends a float for text 0.0.4: Go's `%g` with the shortest digits that parse to the same value (`1`, `0.25`,
/// `1e+06`), and `NaN`, `+Inf`, `-Inf`.
pub(super) fn push_float(out: &mut String, value: f64) {
    push(out, value, false);
}

/// Appends a float as a canonical number of OpenMetrics: as [`push_float`], with `.0` if there is neither a point nor
/// an exponent (`1.0`).
pub(super) fn push_canonical(out: &mut String, value: f64) {
    push(out, value, true);
}

fn push(out: &mut String, value: f64, point: bool) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    } else if value.is_infinite() {
        out.push('+');
    }
    let value = value.abs();
    if value.is_infinite() {
        out.push_str("Inf");
    } else if value < EXPONENT_FROM && value.fract() == 0.0 {
        push_int(out, value as u64);
        if point {
            out.push_str(".0");
        }
    } else if (FRACTION_FROM..EXPONENT_FROM).contains(&value) {
        // In this range zmij writes plain digits, and the value has a fraction.
        out.push_str(zmij::Buffer::new().format_finite(value));
    } else {
        push_exponent(out, value);
    }
}

/// Appends a positive finite float as `d.ddde±dd`.
fn push_exponent(out: &mut String, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let leading = if whole == "0" { 1 + fraction.bytes().take_while(|b| *b == b'0').count() } else { 0 };
    // zmij's exponents have at most three digits and a sign.
    let exponent = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - 1 - leading as i32;
    let mut digits = whole.chars().chain(fraction.chars()).skip(leading);
    out.extend(digits.next());
    let end = out.len();
    out.push('.');
    out.extend(digits);
    out.truncate(out.trim_end_matches('0').len());
    if out.len() == end + 1 {
        out.truncate(end);
    }
    out.push_str(if exponent < 0 { "e-" } else { "e+" });
    if exponent.abs() < 10 {
        out.push('0');
    }
    push_int(out, u64::from(exponent.unsigned_abs()));
}

/// Appends a time in nanoseconds since the Unix epoch as seconds with the necessary decimals.
pub(super) fn push_seconds(out: &mut String, unix_nanos: u64) {
    const NANOS: u64 = 1_000_000_000;
    push_int(out, unix_nanos / NANOS);
    let mut nanos = unix_nanos % NANOS;
    if nanos == 0 {
        return;
    }
    out.push('.');
    let mut place = NANOS / 10;
    while nanos > 0 {
        // One decimal digit, 0 to 9.
        out.push(char::from(b'0' + (nanos / place) as u8));
        nanos %= place;
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(push: fn(&mut String, f64), value: f64) -> String {
        let mut out = String::from("x");
        push(&mut out, value);
        out.split_off(1)
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        // Right column: strconv.FormatFloat(f, 'g', -1, 64).
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00001, "1e-05"),
            (1e-10, "1e-10"),
            (1.5e-300, "1.5e-300"),
            (10.0, "10"),
            (2.5, "2.5"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (1_000_000.5, "1.0000005e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1.2e10, "1.2e+10"),
            (1e16, "1e+16"),
            (1e17, "1e+17"),
            (1.7e19, "1.7e+19"),
            (-2.5e21, "-2.5e+21"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
        ];
        for (value, expected) in table {
            assert_eq!(written(push_float, value), expected);
        }
    }

    #[test]
    fn canonical_numbers_are_those_of_the_specification() {
        // OpenMetrics 1.0, "Canonical Numbers".
        let table = [
            (0.0, "0.0"),
            (0.001, "0.001"),
            (0.01, "0.01"),
            (0.95, "0.95"),
            (1.0, "1.0"),
            (1.7, "1.7"),
            (10.0, "10.0"),
            (1e-10, "1e-10"),
            (1e-9, "1e-09"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1e10, "1e+10"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, expected) in table {
            assert_eq!(written(push_canonical, value), expected);
        }
    }

    #[test]
    fn moments_keep_their_nanoseconds() {
        for (nanos, expected) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (1_767_323_045_678_000_000, "1767323045.678"),
            (1_767_323_045_000_000_000, "1767323045"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            let mut out = String::new();
            push_seconds(&mut out, nanos);
            assert_eq!(out, expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_float_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            for push in [push_float, push_canonical] {
                let read: f64 = written(push, value).parse().unwrap();
                proptest::prop_assert!(read.to_bits() == bits || (value.is_nan() && read.is_nan()));
            }
        }
    }
}
