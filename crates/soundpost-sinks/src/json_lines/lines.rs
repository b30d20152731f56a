//! JSON lines: one object per event, for Promtail, Alloy, Filebeat, Vector.

use crate::format::json::{Dialect, Object, push_text};
use crate::format::losses::Losses;
use crate::format::moment::push_rfc3339;
use crate::format::names::Reserved;
use crate::format::record::{Event, Origin};

/// Maximum length of a line with its line feed, bytes. A message takes at most half of it.
pub const LINE: usize = 1024 * 1024;
/// Start of each line.
pub(crate) const BEGINNING: &[u8] = b"{\"time\":\"";

static RESERVED: Reserved = Reserved::new(&[]);

static FIELDS: Dialect =
    Dialect { prefix: "", reserved: &RESERVED, allowed: None, text: 64 * 1024, narrow: false };

/// Appends an event as a line, with its line feed. The time is RFC 3339 in UTC.
///
/// A NaN or infinite field is omitted, and a duplicate name gets a `_` at its end.
pub fn push(out: &mut Vec<u8>, origin: &Origin<'_>, event: &Event<'_>) -> Losses {
    let origin = &event.origin(origin);
    let mut object = Object::new(out, LINE - 1, &FIELDS);
    object.must("time", |out, _| {
        out.push(b'"');
        push_rfc3339(out, event.unix_nanos, 9);
        out.push(b'"');
    });
    object.must("level", |out, losses| push_text(out, event.level.name(), LINE, losses));
    object.must("message", |out, losses| push_text(out, &event.message, LINE / 2, losses));
    object.text("host", origin.host);
    object.text("traceback", event.trace);
    object.rest(origin, event);
    let losses = object.end();
    out.push(b'\n');
    losses
}

#[cfg(test)]
mod tests;
