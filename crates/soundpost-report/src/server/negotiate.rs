//! Selects the format and the coding that a client prefers (RFC 9110, sections 12.4 and 12.5).

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

/// Format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text 0.0.4: the default, also for an `Accept` that cannot be parsed.
    Text,
    OpenMetrics,
}

impl Format {
    /// Returns the `Content-Type` of the format; it never repeats input of the client.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    const fn media_type(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Text => ("text", "plain", "0.0.4"),
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        }
    }

    /// Weight of this format and specificity of the range, from the most specific range of `Accept` that matches.
    fn weight(self, ranges: &[MediaRange<'_>]) -> (u16, u8) {
        ranges
            .iter()
            .filter_map(|range| range.exactness(self).map(|exactness| (exactness, range.weight)))
            .max()
            .map_or((0, 0), |(exactness, weight)| (weight, exactness))
    }
}

/// Returns the format that `Accept` prefers. OpenMetrics must be named, with a higher weight than text, or the same
/// weight and a more specific name: clients that do not support it send `*/*`.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let items = items(headers, &ACCEPT);
    let ranges: Vec<_> = items.iter().filter_map(|item| MediaRange::parse(item)).collect();
    let openmetrics = Format::OpenMetrics.weight(&ranges);
    if openmetrics.1 >= MediaRange::NAMED && openmetrics.0 > 0 && openmetrics > Format::Text.weight(&ranges) {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// Returns whether `Accept-Encoding` prefers gzip to no coding.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let items = items(headers, &ACCEPT_ENCODING);
    let weight_of = |names: &[&str]| {
        items
            .iter()
            .filter_map(|item| {
                let mut parts = split(item, b';').into_iter().map(str::trim);
                let name = parts.next()?;
                if !names.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                    return None;
                }
                parts.try_fold(1000, |_, parameter| {
                    let (key, value) = parameter.split_once('=')?;
                    if key.trim().eq_ignore_ascii_case("q") { weight(value.trim()) } else { None }
                })
            })
            .max()
    };
    let any = weight_of(&["*"]);
    let gzip = weight_of(&["gzip", "x-gzip"]).or(any).unwrap_or(0);
    // No coding is always acceptable if it is not mentioned, but less than a named coding.
    let identity = weight_of(&["identity"]).unwrap_or(0);
    gzip > 0 && gzip >= identity
}

/// An item of `Accept` all of whose parameters are known.
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<String>,
    /// Weight in thousandths.
    weight: u16,
}

impl<'a> MediaRange<'a> {
    /// Specificity of a range that names type and subtype; a version adds one.
    const NAMED: u8 = 3;

    /// Returns `None` for malformed items, and for ranges with unknown parameters.
    fn parse(item: &'a str) -> Option<Self> {
        let mut parts = split(item, b';').into_iter().map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { kind, subtype, version: None, weight: 1000 };
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=')?;
            let value = unquote(value.trim());
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => range.weight = weight(&value)?,
                "version" => range.version = Some(value),
                "charset" if value.eq_ignore_ascii_case("utf-8") => {}
                // Prometheus 3 sends the escaping of names; these names need none.
                "escaping" => {}
                _ => return None,
            }
        }
        Some(range)
    }

    /// Returns the specificity for a format: 1 for `*/*`, 2 for `text/*`, then [`Self::NAMED`], 4 with the version.
    fn exactness(&self, format: Format) -> Option<u8> {
        let (kind, subtype, version) = format.media_type();
        match (self.kind, self.subtype, &self.version) {
            (_, _, Some(asked)) if asked != version => None,
            ("*", "*", _) => Some(1),
            (asked, "*", _) if asked.eq_ignore_ascii_case(kind) => Some(2),
            (asked, of, version) if asked.eq_ignore_ascii_case(kind) && of.eq_ignore_ascii_case(subtype) => {
                Some(Self::NAMED + u8::from(version.is_some()))
            }
            _ => None,
        }
    }
}

/// Returns the items of a list header over all its lines, without lines that are not ASCII.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| split(line, b','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect()
}

/// Splits at a separator outside double quotes.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// Parses a weight (`0`, `0.5`, `1.000`) as thousandths; digits after the third are ignored.
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths =
        fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
