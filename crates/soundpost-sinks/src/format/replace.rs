//! Replacing what a place cannot hold, within a bound.

use super::losses::Losses;

/// Which ASCII characters a place cannot hold, and what stands for each. What is beyond ASCII stays.
pub(crate) struct Rules {
    /// By byte: 0, or 1 + the place in `replacements`.
    table: [u8; 256],
    replacements: &'static [Replacement],
}

/// A character, what is written for it, and whether it reads back.
pub(crate) type Replacement = (u8, &'static str, Reads);

/// Whether what was replaced reads back as it was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// It was escaped.
    Back,
    /// Something else stands in its place for good.
    Otherwise,
}

impl Rules {
    /// Rules of these replacements; `controls` also makes `_` of all control characters that have none of their
    /// own, by the last replacement.
    pub(crate) const fn new(replacements: &'static [Replacement], controls: bool) -> Self {
        let mut table = [0; 256];
        if controls {
            let mut byte = 0;
            while byte < 0x20 {
                table[byte] = replacements.len() as u8;
                byte += 1;
            }
            table[0x7f] = replacements.len() as u8;
        }
        let mut place = 0;
        while place < replacements.len() {
            table[replacements[place].0 as usize] = place as u8 + 1;
            place += 1;
        }
        Self { table, replacements }
    }

    /// Appends a text, as much of it as takes at most `room` bytes.
    pub(crate) fn push(&self, out: &mut Vec<u8>, text: &str, room: usize, losses: &mut Losses) {
        let end = out.len() + room;
        // No replacement is shorter than what it stands for: the rest need not be looked at.
        let given = text.len();
        let text = &text[..text.floor_char_boundary(room)];
        let (mut clean, mut cleaned) = (0, false);
        let whole = 'whole: {
            for (at, byte) in text.bytes().enumerate() {
                let place = self.table[usize::from(byte)];
                if place == 0 {
                    continue;
                }
                let (_, replacement, reads) = self.replacements[usize::from(place) - 1];
                // Only ASCII is replaced, so every cut is between two characters.
                if !push_clean(out, &text[clean..at], end) || out.len() + replacement.len() > end {
                    break 'whole false;
                }
                out.extend_from_slice(replacement.as_bytes());
                cleaned |= reads == Reads::Otherwise;
                clean = at + 1;
            }
            push_clean(out, &text[clean..], end)
        };
        losses.shortened += u64::from(!whole || text.len() < given);
        losses.cleaned += u64::from(cleaned);
    }
}

fn push_clean(out: &mut Vec<u8>, text: &str, end: usize) -> bool {
    let fits = text.floor_char_boundary(end.saturating_sub(out.len()).min(text.len()));
    out.extend_from_slice(&text.as_bytes()[..fits]);
    fits == text.len()
}
