//! The checksum of headers and records: FNV-1a over words, with an extra mixing step.

/// Returns the checksum of `words`. A checksum with another `kind` never matches. Under cargo-fuzz all match, so that edited
/// records reach their readers.
pub(crate) fn checksum(kind: u64, words: impl Iterator<Item = u64>) -> u64 {
    if cfg!(fuzzing) {
        return 0;
    }
    words.fold(0xCBF2_9CE4_8422_2325 ^ kind, |sum, word| {
        let mixed = (sum ^ word).wrapping_mul(0x0000_0100_0000_01B3);
        mixed ^ mixed >> 29
    })
}
