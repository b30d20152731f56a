//! An encoder of the messages of `push.proto`, which writes in place without intermediate messages.

use std::ops::Range;

/// `PushRequest.streams`
pub(crate) const STREAMS: u8 = 1;
/// `StreamAdapter.labels`
pub(crate) const LABELS: u8 = 1;
/// `StreamAdapter.entries`
pub(crate) const ENTRIES: u8 = 2;
/// `EntryAdapter.timestamp`, `.line`, `.structuredMetadata`
pub(crate) const TIMESTAMP: u8 = 1;
pub(crate) const LINE: u8 = 2;
pub(crate) const METADATA: u8 = 3;
/// `LabelPairAdapter.name`, `.value`
pub(crate) const NAME: u8 = 1;
pub(crate) const VALUE: u8 = 2;
/// `Timestamp.seconds`, `.nanos`
pub(crate) const SECONDS: u8 = 1;
pub(crate) const NANOS: u8 = 2;
const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// Appends a field of text or bytes.
pub(crate) fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    push_length(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn push_length(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(field << 3 | LENGTH_DELIMITED);
    push_varint(out, length as u64);
}

/// Begins a field of text, bytes or a message. Returns the start of its contents.
pub(crate) fn begin(out: &mut Vec<u8>, field: u8) -> usize {
    out.extend_from_slice(&[field << 3 | LENGTH_DELIMITED, 0]);
    out.len()
}

/// Ends a field. Returns the place of its contents, which move if the length needs several bytes.
#[inline]
pub(crate) fn end(out: &mut Vec<u8>, start: usize) -> Range<usize> {
    let length = out.len() - start;
    if length >= 0x80 {
        return end_long(out, start, length);
    }
    out[start - 1] = length as u8;
    start..out.len()
}

#[cold]
fn end_long(out: &mut Vec<u8>, start: usize, length: usize) -> Range<usize> {
    let mut varint = Vec::with_capacity(8);
    push_varint(&mut varint, length as u64);
    let moved = varint.len() - 1;
    out.splice(start - 1..start, varint);
    start + moved..out.len()
}

/// Returns the encoded length of a number, bytes.
pub(crate) fn varint(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

pub(crate) fn push_int(out: &mut Vec<u8>, field: u8, number: u64) {
    out.push(field << 3 | VARINT);
    push_varint(out, number);
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
