//! Samples of a WAVE file and the length of a FLAC file, from their headers.
//!
//! WAVE: "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft 1991, and EBU Tech
//! 3306 for RF64. FLAC: RFC 9639 section 8.2 (STREAMINFO).

use std::io::{Read, Seek, SeekFrom};

/// Maximum number of chunks of a WAVE file that are read before its samples.
const MAX_CHUNKS: usize = 64;
/// Format tag of samples that are floats.
const FLOAT: u16 = 3;

/// The samples of a WAVE file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wave {
    bytes_per_second: u32,
    /// Bytes per sample.
    pub(super) width: usize,
    pub(super) is_float: bool,
    /// Position and number of the bytes that are present.
    pub(super) start: u64,
    pub(super) length: u64,
}

impl Wave {
    /// Reads the header. A streaming writer leaves 0 or the largest number as size.
    pub(super) fn read(source: &mut (impl Read + Seek), size: u64) -> Option<Self> {
        let [_, _, _, _, _, _, _, _, form @ ..] = read::<12>(source)?;
        if &form != b"WAVE" {
            return None;
        }
        let mut wave = Self::default();
        for _ in 0..MAX_CHUNKS {
            let Some([a, b, c, d, length @ ..]) = read::<8>(source) else { break };
            let length = u64::from(u32::from_le_bytes(length));
            let start = source.stream_position().ok()?;
            if [a, b, c, d] == *b"data" {
                let there = size.saturating_sub(start);
                wave.start = start;
                wave.length = if length == 0 { there } else { length.min(there) };
                break;
            }
            if [a, b, c, d] == *b"fmt " {
                let [format, format2, _, _, _, _, _, _, r1, r2, r3, r4, _, _, bits, _] = read::<16>(source)?;
                wave.is_float = u16::from_le_bytes([format, format2]) == FLOAT;
                wave.bytes_per_second = u32::from_le_bytes([r1, r2, r3, r4]);
                wave.width = usize::from(bits / 8);
            }
            source.seek(SeekFrom::Start(start + length + length % 2)).ok()?;
        }
        (wave.bytes_per_second > 0).then_some(wave)
    }

    /// Returns the playing time in seconds; 0 for a header sent ahead of the samples.
    pub(super) fn seconds(&self) -> f64 {
        self.length as f64 / f64::from(self.bytes_per_second)
    }
}

/// Returns the seconds of a FLAC file; `None` if its header does not state them.
pub(super) fn flac(source: &mut impl Read) -> Option<f64> {
    // The mark (4 bytes), block header (4), block and frame sizes (10), then 20 bits rate, 3 channels, 5 width, 36 samples.
    let [_, _, _, _, kind, ..] = read::<18>(source)?;
    if kind & 0x7f != 0 {
        return None;
    }
    let word = u64::from_be_bytes(read::<8>(source)?);
    let (rate, samples) = (word >> 44, word & ((1 << 36) - 1));
    (rate > 0 && samples > 0).then(|| samples as f64 / rate as f64)
}

fn read<const N: usize>(source: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
