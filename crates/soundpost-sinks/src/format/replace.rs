//! Replacement of invalid characters, within a limit.

use super::losses::Losses;

/// Invalid ASCII characters and their replacements. Other characters stay.
pub(crate) struct Rules {
    /// 0, or the position in `replacements` plus 1, by byte.
    table: [u8; 256],
    replacements: &'static [Replacement],
}

/// A character, its replacement, and whether a parser restores it.
pub(crate) type Replacement = (u8, &'static str, Reads);

/// Whether a parser restores a replaced character.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// The replacement is an escape, which a parser restores.
    Back,
    /// The replacement is permanent.
    Otherwise,
}

impl Rules {
    /// Creates rules. With `controls`, the last replacement also applies to all other control characters.
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

    /// Appends a text, truncated to `room` bytes.
    pub(crate) fn push(&self, out: &mut Vec<u8>, text: &str, room: usize, losses: &mut Losses) {
        let end = out.len() + room;
        // No replacement is shorter than its character, so the rest cannot fit.
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
                // Only ASCII is replaced, so every cut is at a character boundary.
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
