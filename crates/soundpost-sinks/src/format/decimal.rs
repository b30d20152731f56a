//! Numbers as text.

use std::io::Write as _;

/// Smallest number that is written with an exponent.
const EXPONENT_FROM: f64 = 1e16;
/// The product with 100 is rounded correctly if it is below `EXACT` and farther than `NEAR` from the middle between
/// two hundredths.
const NEAR: f64 = 1e-6;
const EXACT: f64 = 1e9;

/// Appends a whole number.
pub(crate) fn push_int(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends the shortest digits that parse to the same number, with a point or an exponent: `1.0`, `0.25`, `1e16`;
/// and `NaN`, `inf`, `-inf`.
pub(crate) fn push_float(out: &mut Vec<u8>, number: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format(number).as_bytes();
    if number.abs() < EXPONENT_FROM {
        out.extend_from_slice(text);
    } else {
        // Omits the plus of `1e+16`.
        out.extend(text.iter().filter(|byte| **byte != b'+'));
    }
}

/// Appends a number with two decimals, as `{:.2}` does.
pub(crate) fn push_hundredths(out: &mut Vec<u8>, number: f64) {
    let hundredths = number * 100.0;
    let rest = hundredths.fract();
    if number.is_sign_positive() && hundredths < EXACT && (rest - 0.5).abs() > NEAR {
        let whole = hundredths as u64 + u64::from(rest > 0.5);
        push_int(out, whole / 100);
        out.push(b'.');
        push_digits(out, whole % 100, 2);
    } else {
        // Writing to memory cannot fail.
        let _ = write!(out, "{number:.2}");
    }
}

/// Appends the last `width` digits of a number, at most 9.
pub(crate) fn push_digits(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut digits = [0; 9];
    set_digits(&mut digits[..width], number);
    out.extend_from_slice(&digits[..width]);
}

/// Writes the last digits of a number.
pub(crate) fn set_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(push: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_have_the_shortest_digits() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (940.123_456, "940.123456"),
            (1e-5, "0.00001"),
            (1e-6, "1e-6"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e16"),
            (-1.5e300, "-1.5e300"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(written(|out| push_float(out, number)), expected);
        }
    }

    proptest! {
        #[test]
        fn floats_read_back(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            let read: f64 = written(|out| push_float(out, number)).parse().unwrap();
            prop_assert!(read.to_bits() == bits || number.is_nan());
        }

        #[test]
        fn hundredths_equal_those_of_the_standard_library(
            number in prop_oneof![
                any::<u64>().prop_map(f64::from_bits),
                (0_u32..1_000_000).prop_map(|halves| f64::from(halves) / 200.0),
                (0_u32..1_000_000).prop_map(|halves| (f64::from(halves) / 200.0).next_up()),
                -1.0..1e8_f64,
            ],
        ) {
            prop_assert_eq!(written(|out| push_hundredths(out, number)), format!("{number:.2}"));
        }
    }
}
