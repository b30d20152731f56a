//! Request ids: the caller's, from a W3C `traceparent`, or generated.

use std::cell::Cell;

use crate::segment::{IdWords, REQUEST_ID_BYTES, epoch, random};

/// A request id of at most [`REQUEST_ID_BYTES`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    length: u8,
    bytes: [u8; REQUEST_ID_BYTES],
}

thread_local! {
    /// Fork epoch and state of this thread's generator; a forked child seeds its own.
    static GENERATOR: Cell<(u32, u64, u64)> = const { Cell::new((0, 0, 0)) };
}

impl RequestId {
    /// Returns the caller's id, cut at 64 bytes; `None` when it is blank.
    pub fn new(id: &str) -> Option<Self> {
        let id = id.trim();
        let id = &id[..id.floor_char_boundary(REQUEST_ID_BYTES)];
        (!id.is_empty()).then(|| Self::from_bytes(id.as_bytes()))
    }

    /// Returns the trace id of a W3C `traceparent` (`00-<32 hex>-<16 hex>-<2 hex>`); `None` when the header is invalid.
    ///
    /// See <https://www.w3.org/TR/trace-context/#traceparent-header>.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let header = header.trim();
        let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let mut parts = header.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = (version.len(), trace.len(), parent.len(), flags.len()) == (2, 32, 16, 2);
        let rest = parts.next().is_none() || version != "00";
        let zero = |text: &str| text.bytes().all(|b| b == b'0');
        let valid = lengths
            && rest
            && version != "ff"
            && [version, trace, parent, flags].into_iter().all(hex)
            && !zero(trace)
            && !zero(parent);
        valid.then(|| Self::from_bytes(trace.as_bytes()))
    }

    /// Generates an id of 32 hexadecimal digits, the shape of a trace id.
    #[inline]
    pub fn random() -> Self {
        let mut bytes = [0; REQUEST_ID_BYTES];
        let (high, low) = next_random();
        let halves = [(high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32];
        for (digits, half) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(halves) {
            *digits = hexadecimal(half);
        }
        Self { length: 32, bytes }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    fn from_bytes(text: &[u8]) -> Self {
        let mut bytes = [0; REQUEST_ID_BYTES];
        bytes[..text.len()].copy_from_slice(text);
        Self { length: text.len() as u8, bytes }
    }

    #[inline]
    pub(crate) fn words(&self) -> IdWords {
        let (chunks, _) = self.bytes.as_chunks::<8>();
        IdWords {
            length: u64::from(self.length),
            words: std::array::from_fn(|index| u64::from_le_bytes(chunks[index])),
        }
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns the eight lower-case digits of a number, all at once: each byte of a word becomes a digit.
#[inline]
fn hexadecimal(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF;
    let spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF;
    let nibbles = (spread | spread << 4) & (ONES * 0x0F);
    let letters = (nibbles + ONES * 6) >> 4 & ONES;
    (nibbles + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// Returns two random numbers, never both 0: a counter from a random start, mixed by SplitMix64.
#[inline]
fn next_random() -> (u64, u64) {
    GENERATOR.with(|generator| {
        let (seeded, mut high, mut low) = generator.get();
        if seeded != epoch() {
            (high, low) = (random(), random());
        }
        high = high.wrapping_add(0x9E37_79B9_7F4A_7C15);
        low = low.wrapping_add(0x9E37_79B9_7F4A_7C15);
        generator.set((epoch(), high, low));
        (mix(high), mix(low) | 1)
    })
}

/// The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
#[inline]
fn mix(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ state >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ state >> 31
}
