//! Sinks as the value of a setting, in a build without them.

use soundpost_core::Error;

/// No value of it exists.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkList {}

/// Kind, URL or path, and options of a sink.
pub type SinkParts = (String, String, Vec<(String, String)>);

impl SinkList {
    /// Returns the error that this build has no sinks.
    ///
    /// # Errors
    /// Always.
    pub fn from_urls(_: &str) -> Result<Self, Error> {
        Err(Error::config("sinks: this build lacks the feature `sinks` of the crate soundpost"))
    }
}
