//! GpuSelection format and which coding a client prefers (RFC 9110, sections 12.4 and 12.5).

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

/// Format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text 0.0.4: the default, and the answer to everything that is not understood.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// `Content-Type` of the format; never what the client sent.
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

    /// Weight of this format, and how exactly it was named, by the range of `Accept` that names it
    /// most exactly.
    fn weight(self, ranges: &[MediaRange<'_>]) -> (u16, u8) {
        ranges
            .iter()
            .filter_map(|range| range.exactness(self).map(|exactness| (exactness, range.weight)))
            .max()
            .map_or((0, 0), |(exactness, weight)| (weight, exactness))
    }
}

/// The format that `Accept` prefers. OpenMetrics needs more weight than text, or the same with a
/// more exact name; it has to be named, for `*/*` is said by clients that never heard of it.
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

/// Whether `Accept-Encoding` prefers gzip to no coding.
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
    // No coding is always acceptable where nothing is said about it, and then less welcome than what
    // is named.
    let identity = weight_of(&["identity"]).unwrap_or(0);
    gzip > 0 && gzip >= identity
}

/// One item of `Accept` that is understood in all its parameters.
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<String>,
    /// In thousandths.
    weight: u16,
}

impl<'a> MediaRange<'a> {
    /// Exactness of a range that names type and subtype; with the version it is one more.
    const NAMED: u8 = 3;

    /// `None` for what is malformed, and for ranges with parameters that are not ours: what they ask
    /// for is not known, so it is not given.
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
                // Prometheus 3 says how names may be escaped; ours never need it.
                "escaping" => {}
                _ => return None,
            }
        }
        Some(range)
    }

    /// How exactly this range names a format: 1 for `*/*`, 2 for `text/*`, then [`Self::NAMED`], 4
    /// with the version.
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

/// Items of a header that is a list, over all its lines; lines that are not ASCII are left out.
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

/// Cuts at a separator that is not between double quotes.
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

/// A weight (`0`, `0.5`, `1.000`) in thousandths; digits after the third are ignored.
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
