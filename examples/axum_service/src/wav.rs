//! WAV header for 16-bit mono PCM.

/// Returns the header for `data_bytes` of PCM, or for a stream of unknown length.
pub(crate) fn header(sample_rate: u32, data_bytes: Option<u32>) -> Vec<u8> {
    // Players read the largest number as "until the stream ends".
    let riff = data_bytes.map_or(u32::MAX, |bytes| 36 + bytes);
    let mut header = Vec::with_capacity(44);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&riff.to_le_bytes());
    header.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    header.extend_from_slice(&sample_rate.to_le_bytes());
    header.extend_from_slice(&(sample_rate * 2).to_le_bytes());
    header.extend_from_slice(b"\x02\0\x10\0data");
    header.extend_from_slice(&data_bytes.unwrap_or(u32::MAX).to_le_bytes());
    header
}
