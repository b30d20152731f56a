//! Parsing of the kernel's text files: any bytes, never a panic.
//!
//! The kernel ends every line. A line without its end was cut off, possibly within a number, and is ignored.

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Parses a decimal number of digits only.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Parses a decimal number with or without a fraction: no sign, no exponent, no `inf`.
pub(super) fn decimal(word: &[u8]) -> Option<f64> {
    let plain = word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    std::str::from_utf8(word).ok().filter(|_| plain)?.parse().ok()
}

/// Parses a file that contains one number.
pub(super) fn only_number(text: &[u8]) -> Option<u64> {
    number(lines(text).next()?.trim_ascii())
}

/// Returns the number after a key at the start of a line: `inactive_file 4096`, `MemTotal:  4096 kB`.
pub(super) fn keyed(text: &[u8], key: &str) -> Option<u64> {
    lines(text).find_map(|line| {
        let mut words = words(line);
        (words.next()? == key.as_bytes()).then(|| words.next().and_then(number))?
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_whole_numbers_only() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "18446744073709551616", "-1", "+1", "1.0", "1 ", "0x1", "max"] {
            assert_eq!(number(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(decimal(b"1.72"), Some(1.72));
        for wrong in ["", ".", "inf", "nan", "-1", "1e9", "1.2.3"] {
            assert_eq!(decimal(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_no_line() {
        assert_eq!(lines(b"a\nb").collect::<Vec<_>>(), [b"a"]);
        assert_eq!(only_number(b"1073741824\n"), Some(1_073_741_824));
        assert_eq!(only_number(b"107374"), None);
        assert_eq!(keyed(b"MemTotal:     24 kB\nMemFree: 1", "MemTotal:"), Some(24));
        assert_eq!(keyed(b"MemTotal:     24 kB\nMemFree: 1", "MemFree:"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>) {
            only_number(&text);
            keyed(&text, "a");
            for line in lines(&text) {
                for word in words(line) {
                    number(word);
                    decimal(word);
                }
            }
        }
    }
}
