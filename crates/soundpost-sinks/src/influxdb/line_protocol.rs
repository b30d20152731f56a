//! InfluxDB line protocol.
//!
//! Source: <https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>. The parsers in use (v1's and
//! v2's in Go, v3's in Rust, VictoriaMetrics') disagree on backslashes and on line feeds in quotes. The output is
//! restricted to the forms that all of them read alike.

use std::borrow::Cow;
use std::ops::Range;

use crate::format::decimal::{push_float, push_int};
use crate::format::losses::Losses;
use crate::format::names::{FIELDS, NAME, Name, Reserved, UsedNames};
use crate::format::record::{Point, Value};
use crate::format::replace::Reads::{Back, Otherwise};
use crate::format::replace::Rules;

/// Maximum length of an escaped tag value, bytes.
const TAG_VALUE: usize = 1024;
/// Maximum length of measurement and tags together, bytes. v1 rejects more than 65,535.
const SERIES: usize = 60_000;
/// Maximum length of an escaped field text, bytes.
const TEXT: usize = 64 * 1024;

/// Names that are reserved by the servers.
static RESERVED: Reserved = Reserved::new(&["time", "_field", "_measurement"]);

const MEASUREMENT: Rules = Rules::new(
    &[(b',', "\\,", Back), (b' ', "\\ ", Back), (b'\\', "/", Otherwise), (0, "_", Otherwise)],
    true,
);

const TAG: Rules = Rules::new(
    &[
        (b',', "\\,", Back),
        (b' ', "\\ ", Back),
        (b'=', "\\=", Back),
        (b'\\', "/", Otherwise),
        (0, "_", Otherwise),
    ],
    true,
);

const FIELD: Rules = Rules::new(
    &[
        (b',', "\\,", Back),
        (b' ', "\\ ", Back),
        (b'=', "\\=", Back),
        (b'\\', "/", Otherwise),
        (b'"', "_", Otherwise),
        (0, "_", Otherwise),
    ],
    true,
);

/// A line feed becomes a backslash, which is escaped, and an `n`.
const STRING: Rules = Rules::new(
    &[
        (b'\\', "\\\\", Back),
        (b'"', "\\\"", Back),
        (b'\n', "\\\\n", Otherwise),
        (b'\r', "\\\\r", Otherwise),
        (0, "\u{fffd}", Otherwise),
    ],
    false,
);

/// Appends a point as a line, with its line feed; nothing if no field can be written.
///
/// Characters that servers would reject or change are replaced (`_` for control characters, `/` for `\`). A
/// duplicate name gets a `_` at its end, and a NaN or infinite field is omitted. All changes are counted.
pub fn push(out: &mut Vec<u8>, point: &Point<'_>) -> Losses {
    let start = out.len();
    let mut losses = Losses::default();
    push_measurement(out, point.measurement, &mut losses);
    push_tags(out, &point.tags, start + SERIES, &mut losses);
    if !push_fields(out, point, &mut losses) {
        out.truncate(start);
        return Losses { records: 1, ..Losses::default() };
    }
    out.push(b' ');
    push_int(out, point.unix_nanos);
    out.push(b'\n');
    losses
}

fn push_measurement(out: &mut Vec<u8>, name: &str, losses: &mut Losses) {
    let start = out.len();
    MEASUREMENT.push(out, name, NAME, losses);
    match out.get_mut(start) {
        // A leading `#` starts a comment.
        Some(first) if *first == b'#' => *first = b'_',
        Some(_) => return,
        None => out.push(b'_'),
    }
    losses.cleaned += 1;
}

/// Appends `,name=value` for each tag, by name.
fn push_tags(out: &mut Vec<u8>, tags: &[(Cow<'_, str>, &str)], end: usize, losses: &mut Losses) {
    let start = out.len();
    let mut names = UsedNames::new(&RESERVED);
    for (name, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
        let before = out.len();
        out.push(b',');
        let mut lost = Losses::default();
        let Some(written) = push_name(out, name, &TAG, &names, &mut lost) else {
            out.truncate(before);
            losses.left_out += 1;
            continue;
        };
        out.push(b'=');
        TAG.push(out, value, TAG_VALUE, &mut lost);
        if out.len() > end {
            out.truncate(before);
            losses.left_out += 1;
            continue;
        }
        names.add(written);
        *losses += lost;
    }
    if !names.places().is_sorted_by_key(|name| &out[name.clone()]) {
        sort(out, start, names.places());
    }
}

fn sort(out: &mut Vec<u8>, start: usize, names: &[Range<usize>]) {
    let written = out.split_off(start);
    // A tag extends from the comma before its name to the next comma.
    let ends = names.iter().skip(1).map(|next| next.start - 1).chain([start + written.len()]);
    let name = |(name, _): &(&Range<usize>, usize)| &written[name.start - start..name.end - start];
    let mut tags: Vec<_> = names.iter().zip(ends).collect();
    tags.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    for (name, end) in tags {
        out.extend_from_slice(&written[name.start - 1 - start..end - start]);
    }
}

/// Appends the fields. Returns whether there is one.
fn push_fields(out: &mut Vec<u8>, point: &Point<'_>, losses: &mut Losses) -> bool {
    let mut names = UsedNames::new(&RESERVED);
    for (name, value) in &point.fields {
        let before = out.len();
        if names.places().len() == FIELDS || matches!(value, Value::Float(number) if !number.is_finite()) {
            losses.left_out += 1;
            continue;
        }
        out.push(if names.places().is_empty() { b' ' } else { b',' });
        match push_name(out, name, &FIELD, &names, losses) {
            Some(written) => names.add(written),
            None => {
                out.truncate(before);
                losses.left_out += 1;
                continue;
            }
        }
        out.push(b'=');
        push_value(out, value, losses);
    }
    !names.places().is_empty()
}

/// Appends a unique name; `None` if there is none.
fn push_name(
    out: &mut Vec<u8>,
    name: &str,
    rules: &Rules,
    taken: &UsedNames,
    losses: &mut Losses,
) -> Option<Name> {
    let start = out.len();
    let mut lost = Losses::default();
    rules.push(out, name, NAME, &mut lost);
    let written = taken.resolve(out, start, &mut lost)?;
    *losses += lost;
    Some(written)
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>, losses: &mut Losses) {
    let mut int = |number: i64| {
        push_int(out, number);
        out.push(b'i');
    };
    match value {
        Value::Int(number) => int(*number),
        Value::Unsigned(number) => {
            losses.saturated += u64::from(i64::try_from(*number).is_err());
            int(i64::try_from(*number).unwrap_or(i64::MAX));
        }
        Value::Float(number) => push_float(out, *number),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Text(text) => {
            out.push(b'"');
            STRING.push(out, text, TEXT, losses);
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests;
