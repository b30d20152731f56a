//! Sinks as the value of a setting.

use std::fmt;

use soundpost_core::Error;
use soundpost_sinks::Sink;

/// Sinks and the declaration they were made from, by which they are compared.
#[derive(Clone)]
pub struct SinkList {
    pub(crate) sinks: Vec<Sink>,
    declaration: String,
}

/// Kind, URL or path, and options of a sink.
pub type SinkParts = (String, String, Vec<(String, String)>);

impl SinkList {
    /// Makes sinks from URLs with commas or white space between them.
    ///
    /// # Errors
    /// When a URL cannot be parsed; the message does not contain its secrets.
    pub fn from_urls(urls: &str) -> Result<Self, Error> {
        Ok(Self { sinks: Sink::list(urls)?, declaration: urls.to_owned() })
    }

    /// Makes sinks from their kinds, places and options, as a binding passes them.
    ///
    /// # Errors
    /// When a kind, URL or option is unknown.
    pub fn from_parts(parts: &[SinkParts]) -> Result<Self, Error> {
        let sinks = parts.iter().map(|(kind, place, options)| Sink::with_options(kind, place, options));
        Ok(Self { sinks: sinks.collect::<Result<_, _>>()?, declaration: format!("{parts:?}") })
    }

    pub(crate) fn push(&mut self, sink: Sink) {
        self.sinks.push(sink);
    }
}

impl From<Vec<Sink>> for SinkList {
    fn from(sinks: Vec<Sink>) -> Self {
        Self { sinks, declaration: String::new() }
    }
}

impl PartialEq for SinkList {
    fn eq(&self, other: &Self) -> bool {
        self.declaration == other.declaration && self.sinks.len() == other.sinks.len()
    }
}

impl fmt::Debug for SinkList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.sinks).finish()
    }
}
