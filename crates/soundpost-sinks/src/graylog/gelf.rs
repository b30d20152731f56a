//! GELF 1.1, as Graylog reads it.
//!
//! Source: <https://go2docs.graylog.org/current/getting_in_log_data/gelf.html>, and what Graylog's search back ends
//! do with the fields: a field has the type of its first value, and a record with another one is not indexed.

use std::borrow::Cow;

use crate::format::json::{Dialect, Object, is_blank, push_text};
use crate::format::losses::Losses;
use crate::format::moment::push_seconds;
use crate::format::names::{Alphabet, Reserved, alphabet};
use crate::format::record::{Event, Origin};

/// Longest frame that Graylog's TCP input takes by default, with the NUL that ends it, bytes.
pub const FRAME: usize = 2 * 1024 * 1024;

/// Longest host name, bytes.
const HOST: usize = 255;

/// Nothing before 1970 can be said: this is said instead, nanoseconds.
const EARLIEST: i64 = 1_000_000;

/// A datagram of a message that takes more than one: at most so long, bytes.
pub(crate) const CHUNK: usize = 1420;

/// A message has at most so many chunks.
const CHUNKS: usize = 128;

const HEADER: usize = 12;

static RESERVED: Reserved = Reserved::new(&["_id", "_message", "_source", "_timestamp", "_full_message"]);

static ALLOWED: Alphabet = alphabet(b".@_-");

static FIELDS: Dialect = Dialect {
    prefix: "_",
    reserved: &RESERVED,
    allowed: Some(&ALLOWED),
    // The longest term that Lucene indexes: a longer one costs the whole record.
    text: 32_766,
    narrow: true,
};

/// Appends an event as one JSON object of at most `limit` bytes, of which there must be 2,048; without the NUL that
/// ends a frame.
///
/// Of a message of several lines the first that says something is the `short_message`, by which lists of messages stay
/// lists. All of them, the error and the traceback are the `full_message`. A search for words looks at both.
///
/// Truth values become 1 and 0, as Graylog loses others. What the field's type in the search back end could not take is
/// not written as text, since the record would be lost with it: a NaN or infinite number is left out, and a number
/// beyond i64 becomes the largest. Blank texts are left out.
pub fn push(out: &mut Vec<u8>, origin: &Origin<'_>, event: &Event<'_>, limit: usize) -> Losses {
    let mut object = Object::new(out, limit, &FIELDS);
    object.must("version", |out, _| out.extend_from_slice(b"\"1.1\""));
    object.must("host", |out, losses| push_text(out, or_dash(origin.host), HOST, losses));
    let (short, full) = messages(event);
    object.must("short_message", |out, losses| match &full {
        // What is cut off is in the other.
        Some(_) => push_text(out, short, limit / 4, &mut Losses::default()),
        None => push_text(out, short, limit / 2, losses),
    });
    if let Some(full) = full {
        object.must("full_message", |out, losses| push_text(out, &full, limit / 2, losses));
    }
    object.must("timestamp", |out, losses| {
        losses.cleaned += u64::from(event.unix_nanos < EARLIEST);
        push_seconds(out, event.unix_nanos.max(EARLIEST).unsigned_abs());
    });
    object.must("level", |out, _| out.push(b'0' + event.level.syslog()));
    object.rest(origin, event);
    object.end()
}

/// The datagrams of a message, compressed or not, which has an id of its own; `None` if it takes more than 128.
pub fn datagrams(message: &[u8], id: [u8; 8]) -> Option<Vec<Vec<u8>>> {
    if message.len() <= CHUNK {
        return Some(vec![message.to_vec()]);
    }
    let parts = message.chunks(CHUNK - HEADER);
    let count = u8::try_from(parts.len()).ok().filter(|count| usize::from(*count) <= CHUNKS)?;
    let datagram = |(number, part)| [&[0x1e, 0x0f], &id[..], &[number, count], part].concat();
    Some((0..count).zip(parts).map(datagram).collect())
}

/// The line that tells what a message is about, and all there is to read if it is more.
fn messages<'e>(event: &'e Event<'_>) -> (&'e str, Option<Cow<'e, str>>) {
    let message = &*event.message;
    let is_one_line = is_blank(message) || !message.trim_end().contains('\n');
    let first = || message.lines().map(str::trim_end).find(|line| !is_blank(line)).unwrap_or_default();
    let short = if is_one_line { message } else { first() };
    let error = event.error().filter(|error| ![message, event.trace].iter().any(|said| said.contains(error)));
    let more: Vec<&str> = error.into_iter().chain([event.trace]).filter(|said| !is_blank(said)).collect();
    let full = match more.is_empty() {
        true => (!is_one_line).then_some(Cow::Borrowed(message)),
        false => Some([message, &more.join("\n")].join("\n").into()),
    };
    (or_dash(short), full)
}

/// The text, or a dash where Graylog would refuse a blank one.
fn or_dash(text: &str) -> &str {
    if is_blank(text) { "-" } else { text }
}

#[cfg(test)]
mod tests;
