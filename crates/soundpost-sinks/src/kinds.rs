//! Sinks: they ship calls, log events and vitals to other systems.
//!
//! A builder takes sinks; `SOUNDPOST_SINKS` names them for services that are not changed. The guide's page on sinks
//! describes what each of them writes, and what delivery at least once means.

use soundpost_core::Error;

pub use crate::capture::Capture;
pub use crate::delivery::files::written_files;
pub use crate::delivery::status::SinkProblem;
pub use crate::graylog::Graylog;
pub use crate::influxdb::{InfluxApi, InfluxDb};
pub use crate::json_lines::{JsonLines, erase_lines};
use crate::kind::wrong;
pub use crate::kind::{RegisteredKind, Sink, TargetForm};
pub use crate::loki::push::Extras as LokiExtras;
pub use crate::loki::{Loki, LokiEncoding};
use crate::options::address::{decoded, pairs};
pub use crate::options::declare::OptionRow;
pub use crate::transport::answer::Verdict;

/// Kinds of sinks that URLs and bindings can name.
pub const KINDS: &[RegisteredKind] = &[
    RegisteredKind::of::<InfluxDb>(),
    RegisteredKind::of::<Graylog>(),
    RegisteredKind::of::<Loki>(),
    RegisteredKind::of::<JsonLines>(),
];

impl Sink {
    /// Reads a list of URLs, as `SOUNDPOST_SINKS` has it, separated by commas or white space. A URL may not hold a
    /// secret: use `token_file`, `token_env`, `password_file` or `password_env`.
    ///
    /// # Errors
    /// When a URL cannot be understood. The text names the sink, or the URL's position in the list, and shows nothing of
    /// the URL, which may be a secret.
    pub fn list(text: &str) -> Result<Vec<Self>, Error> {
        let urls = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|url| !url.is_empty());
        urls.enumerate()
            .map(|(index, url)| from_url(&format!("URL {} of the list", index + 1), url))
            .collect()
    }

    /// Returns a sink of the kind of this name, at a URL or path, with options by name and text.
    ///
    /// # Errors
    /// When the kind, the place or an option cannot be understood.
    pub fn with_options(kind: &str, place: &str, options: &[(String, String)]) -> Result<Self, Error> {
        let known = KINDS.iter().find(|known| known.name == kind);
        let known =
            known.ok_or_else(|| Error::config(format!("sinks: there is no sink of kind {kind:?}")))?;
        let mut sink = (known.at)(place)?;
        sink.set(options, false)?;
        Ok(sink)
    }
}

/// Returns the sink of a URL, which errors call `what`.
pub(crate) fn from_url(what: &str, url: &str) -> Result<Sink, Error> {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let scheme = scheme.to_ascii_lowercase();
    let (name, transport) = scheme.split_once('+').unwrap_or((&scheme, ""));
    let fits = |kind: &&RegisteredKind| {
        kind.name == name && (kind.target == TargetForm::Path) == transport.is_empty()
    };
    let kind = KINDS.iter().find(fits).ok_or_else(|| {
        Error::config(format!(
            "sinks: {what} begins with none of {}; in a URL a comma is %2C, and a space %20",
            beginnings().join(", ")
        ))
    })?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_path = kind.target == TargetForm::Path;
    // Checked here and not in the types: in code a password may come from wherever the service has it.
    if place.contains('@') && (!is_path || place.starts_with("//")) {
        let instead = "use user=, and password_file= or password_env=; in a path @ is %40";
        return Err(wrong(kind.name, &format!("the URL has a user or password; {instead}")));
    }
    if is_path {
        let read = |error: String| wrong(kind.name, &error);
        let mut sink = (kind.at)(&decoded(place).map_err(read)?)?;
        sink.set(&pairs(query).map_err(read)?, true)?;
        return Ok(sink);
    }
    (kind.at)(url)
}

/// Returns the beginnings of URLs of all kinds, such as `loki+http://`.
fn beginnings() -> Vec<String> {
    let of_kind = |kind: &RegisteredKind| match kind.target {
        TargetForm::Url(schemes) => {
            schemes.iter().map(|(scheme, _)| format!("{}+{scheme}://", kind.name)).collect::<Vec<_>>()
        }
        TargetForm::Path => vec![format!("{}:", kind.name)],
    };
    KINDS.iter().flat_map(of_kind).collect()
}

/// Checks sinks before they start: their options fit, their files are there, and each has a name of its own.
///
/// # Errors
/// When one of them cannot be used. The text names it.
pub fn prepared(mut sinks: Vec<Sink>) -> Result<Vec<Sink>, Error> {
    for index in 0..sinks.len() {
        sinks[index].prepare()?;
        let name = sinks[index].name();
        if sinks[..index].iter().any(|other| other.name() == name) {
            return Err(wrong(name, "there are two of this name; set name= for one of them"));
        }
    }
    Ok(sinks)
}
