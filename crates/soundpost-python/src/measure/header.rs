//! Playing time of an audio file from its header: RIFF/WAVE (also RF64), and FLAC.
//!
//! WAVE: "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft 1991, and EBU Tech
//! 3306 for RF64. FLAC: RFC 9639 section 8.2 (STREAMINFO).

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// The playing time of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    Seconds(f64),
    /// A format whose header has no playing time, such as a video.
    Unknown,
}

/// Maximum number of chunks of a WAVE file that are read before its samples.
const MAX_CHUNKS: usize = 64;

/// Returns the length of a file; `None` if it is missing, empty or not a regular file.
pub(crate) fn length_of_file(path: &Path) -> Option<Length> {
    let mut file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() == 0 {
        return None;
    }
    Some(length(&mut file, about.len()).unwrap_or(Length::Unknown))
}

/// Returns the length of a file in memory; `None` if the bytes begin with no known header.
pub(crate) fn length_of_bytes(bytes: &[u8]) -> Option<Length> {
    let known = [b"RIFF".as_slice(), b"RF64", b"fLaC"].iter().any(|magic| bytes.starts_with(magic));
    known.then(|| length(&mut Cursor::new(bytes), bytes.len() as u64).unwrap_or(Length::Unknown))
}

fn length(source: &mut (impl Read + Seek), size: u64) -> Option<Length> {
    match &read::<4>(source)? {
        b"RIFF" | b"RF64" => wave(source, size),
        b"fLaC" => flac(source),
        _ => None,
    }
}

/// Returns the seconds of the samples that are present. A streaming writer leaves 0 or the largest number as size.
fn wave(source: &mut (impl Read + Seek), size: u64) -> Option<Length> {
    let [_, _, _, _, form @ ..] = read::<8>(source)?;
    if &form != b"WAVE" {
        return None;
    }
    let mut bytes_per_second = 0;
    for _ in 0..MAX_CHUNKS {
        let Some([a, b, c, d, length @ ..]) = read::<8>(source) else { break };
        let length = u64::from(u32::from_le_bytes(length));
        if [a, b, c, d] == *b"data" {
            let there = size.saturating_sub(source.stream_position().ok()?);
            let samples = if length == 0 { there } else { length.min(there) };
            return (bytes_per_second > 0)
                .then(|| Length::Seconds(samples as f64 / f64::from(bytes_per_second)));
        }
        let next = source.stream_position().ok()? + length + length % 2;
        if [a, b, c, d] == *b"fmt " {
            let [_, _, _, _, _, _, _, _, rate @ ..] = read::<12>(source)?;
            bytes_per_second = u32::from_le_bytes(rate);
        }
        source.seek(SeekFrom::Start(next)).ok()?;
    }
    (bytes_per_second > 0).then_some(Length::Seconds(0.0))
}

fn flac(source: &mut impl Read) -> Option<Length> {
    // Block header (4 bytes), block and frame sizes (10), then 20 bits rate, 3 channels, 5 width, 36 samples.
    let [kind, ..] = read::<14>(source)?;
    if kind & 0x7f != 0 {
        return None;
    }
    let word = u64::from_be_bytes(read::<8>(source)?);
    let (rate, samples) = (word >> 44, word & ((1 << 36) - 1));
    (rate > 0 && samples > 0).then(|| Length::Seconds(samples as f64 / rate as f64))
}

fn read<const N: usize>(source: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
