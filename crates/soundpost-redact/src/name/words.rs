//! Words of a name.

use super::lists::SUFFIXES;

/// Maximum bytes of a name; its end counts.
const NAME: usize = 96;
/// Maximum words of a name; the last count.
const WORDS: usize = 12;

/// Last words of a name, in lower case and without the digits at their ends.
pub(crate) struct Words {
    bytes: [u8; NAME],
    spans: [(u8, u8); WORDS],
    /// Number of words; the newest overwrite the oldest.
    count: usize,
}

impl Words {
    pub(crate) fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let name = &name[name.len().saturating_sub(NAME)..];
        let mut words = Self { bytes: [0; NAME], spans: [(0, 0); WORDS], count: 0 };
        let mut start = 0;
        for (at, byte) in name.iter().enumerate() {
            words.bytes[at] = byte.to_ascii_lowercase();
            let before = if at > start { name[at - 1] } else { b' ' };
            let next_is_lower = name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            let turn = byte.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && next_is_lower);
            if !byte.is_ascii_alphanumeric() {
                words.push(start, at);
                start = at + 1;
            } else if turn {
                words.push(start, at);
                start = at;
            }
        }
        words.push(start, name.len());
        words
    }

    fn push(&mut self, mut start: usize, mut end: usize) {
        while end > start && self.bytes[end - 1].is_ascii_digit() {
            end -= 1;
        }
        if end > start {
            let word = &self.bytes[start..end];
            let suffixes = SUFFIXES.iter().filter(|suffix| word.ends_with(suffix.as_bytes()));
            let suffix = if ends_as_suffix(word) { suffixes.map(|suffix| suffix.len()).max() } else { None };
            if let Some(cut) = suffix.map(|length| end - length).filter(|cut| *cut > start) {
                self.spans[self.count % WORDS] = (start as u8, cut as u8);
                self.count += 1;
                start = cut;
            }
            self.spans[self.count % WORDS] = (start as u8, end as u8);
            self.count += 1;
        }
    }

    /// Returns the `nth` word from the end, or an empty one.
    pub(crate) fn back(&self, nth: usize) -> &[u8] {
        if nth >= self.count.min(WORDS) {
            return &[];
        }
        let (start, end) = self.spans[(self.count - nth - 1) % WORDS];
        &self.bytes[usize::from(start)..usize::from(end)]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count.min(WORDS)).map(|nth| self.back(nth))
    }
}

/// Returns whether the last two bytes are those of one of [`SUFFIXES`]: most words end before the list is read.
fn ends_as_suffix(word: &[u8]) -> bool {
    let endings = [
        b"rd", b"ds", b"se", b"wd", b"et", b"ts", b"en", b"ns", b"ey", b"ys", b"ie", b"es", b"al", b"ls",
        b"ss", b"de", b"pw", b"th",
    ];
    word.last_chunk().is_some_and(|ending| endings.contains(&ending))
}
