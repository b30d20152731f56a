//! The messages of `push.proto`, as far as a push needs them: written from borrowed texts, without a message of
//! owned ones between.

use super::entry::Entry;

/// `PushRequest.streams`
pub(super) const STREAMS: u8 = 1;

/// `StreamAdapter.labels`
pub(super) const LABELS: u8 = 1;

/// `StreamAdapter.entries`
const ENTRIES: u8 = 2;

/// `EntryAdapter.timestamp`, `.line`, `.structuredMetadata`
const TIMESTAMP: u8 = 1;
const LINE: u8 = 2;
const METADATA: u8 = 3;

/// `LabelPairAdapter.name`, `.value`
const NAME: u8 = 1;
const VALUE: u8 = 2;

/// `Timestamp.seconds`, `.nanos`
const SECONDS: u8 = 1;
const NANOS: u8 = 2;

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Appends a field that is text, bytes or a message.
pub(super) fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    push_length(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends an entry to a stream.
pub(super) fn push_entry(out: &mut Vec<u8>, unix_nanos: i64, entry: &Entry) {
    let mut time = Vec::with_capacity(16);
    push_int(&mut time, SECONDS, unix_nanos.div_euclid(SECOND).cast_unsigned());
    push_int(&mut time, NANOS, unix_nanos.rem_euclid(SECOND).cast_unsigned());
    let pair = |(name, value): (&[u8], &[u8])| delimited(name.len()) + delimited(value.len());
    let metadata = || entry.raw_pairs().filter(|_| entry.has_metadata());
    let pairs: usize = metadata().map(|texts| delimited(pair(texts))).sum();
    push_length(out, ENTRIES, delimited(time.len()) + delimited(entry.line().len()) + pairs);
    push_bytes(out, TIMESTAMP, &time);
    push_bytes(out, LINE, entry.line().as_bytes());
    for (name, value) in metadata() {
        push_length(out, METADATA, pair((name, value)));
        push_bytes(out, NAME, name);
        push_bytes(out, VALUE, value);
    }
}

/// How long a field of so many bytes is, with its key and its length.
fn delimited(length: usize) -> usize {
    let bits = usize::BITS - (length | 1).leading_zeros();
    1 + bits.div_ceil(7) as usize + length
}

fn push_length(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(field << 3 | LENGTH_DELIMITED);
    push_varint(out, length as u64);
}

fn push_int(out: &mut Vec<u8>, field: u8, number: u64) {
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
