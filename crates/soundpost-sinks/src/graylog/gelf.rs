//! GELF 1.1 for Graylog.
//!
//! Source: <https://go2docs.graylog.org/current/getting_in_log_data/gelf.html>. Graylog's search back ends give a
//! field the type of its first value, and do not index a record with a value of another type.

use std::borrow::Cow;

use crate::format::json::{Dialect, Object, is_blank, push_text};
use crate::format::losses::Losses;
use crate::format::moment::push_seconds;
use crate::format::names::{Alphabet, Reserved, alphabet};
use crate::format::record::{Event, Origin};

/// Maximum length of a frame in Graylog's TCP input by default, including the final NUL, bytes.
pub const FRAME: usize = 2 * 1024 * 1024;
/// Maximum length of a host name, bytes.
const HOST: usize = 255;
/// Earliest representable time, nanoseconds since 1970. Earlier times are replaced by it.
const EARLIEST: i64 = 1_000_000;
/// Maximum length of a datagram of a chunked message, bytes.
pub(crate) const CHUNK: usize = 1420;
/// Maximum number of chunks of a message.
const CHUNKS: usize = 128;
const HEADER: usize = 12;

static RESERVED: Reserved = Reserved::new(&["_id", "_message", "_source", "_timestamp", "_full_message"]);

static ALLOWED: Alphabet = alphabet(b".@_-");

static FIELDS: Dialect = Dialect {
    prefix: "_",
    reserved: &RESERVED,
    allowed: Some(&ALLOWED),
    // The longest term that Lucene indexes; a longer one discards the whole record.
    text: 32_766,
    narrow: true,
};

/// Appends an event as one JSON object of at most `limit` bytes (at least 2,048), without the NUL that ends a frame.
///
/// The first line of the message that is not blank is the `short_message`, so that lists stay compact. The whole
/// message, the error and the traceback are the `full_message`. A search covers both.
///
/// Booleans become 1 and 0, because Graylog discards them otherwise. NaN and infinite numbers and blank texts are
/// omitted, and numbers beyond i64 become the largest. Written as text, they would cost the whole record.
pub fn push(out: &mut Vec<u8>, origin: &Origin<'_>, event: &Event<'_>, limit: usize) -> Losses {
    let origin = &event.origin(origin);
    let mut object = Object::new(out, limit, &FIELDS);
    object.must("version", |out, _| out.extend_from_slice(b"\"1.1\""));
    object.must("host", |out, losses| push_text(out, or_dash(origin.host), HOST, losses));
    let (short, full) = messages(event);
    object.must("short_message", |out, losses| match &full {
        // The `full_message` contains the rest.
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

/// Returns the datagrams of a message with a unique id; `None` if it needs more than 128.
pub fn datagrams(message: &[u8], id: [u8; 8]) -> Option<Vec<Vec<u8>>> {
    if message.len() <= CHUNK {
        return Some(vec![message.to_vec()]);
    }
    let parts = message.chunks(CHUNK - HEADER);
    let count = u8::try_from(parts.len()).ok().filter(|count| usize::from(*count) <= CHUNKS)?;
    let datagram = |(number, part)| [&[0x1e, 0x0f], &id[..], &[number, count], part].concat();
    Some((0..count).zip(parts).map(datagram).collect())
}

/// Returns the first line of a message, and the full text if there is more.
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

/// Returns the text, or a dash for a blank one, which Graylog would reject.
fn or_dash(text: &str) -> &str {
    if is_blank(text) { "-" } else { text }
}

#[cfg(test)]
mod tests;
