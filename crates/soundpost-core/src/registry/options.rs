//! How a registry is opened.

use crate::segment::ProcessRole;

/// At most so many series a family, where nothing else is asked for.
pub const DEFAULT_SERIES_LIMIT: usize = 2000;

/// How a registry is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the segment, bytes; see [`crate::DEFAULT_SEGMENT_BYTES`].
    pub segment_bytes: usize,
    /// Series a family; see [`DEFAULT_SERIES_LIMIT`].
    pub series_limit: usize,
    /// Bucket bounds of histograms that come through the facade, by the name given there.
    pub buckets: Vec<(String, Vec<f64>)>,
    /// Also writes everything through the facade to the recorder that is installed globally.
    pub forward: bool,
    /// Patterns of the service's own for what must not be recorded; see [`soundpost_redact::Redactor::new`].
    pub redact: Vec<String>,
    /// Records text to synthesise, which otherwise becomes its length.
    pub record_text: bool,
    /// Whether this is a process of the service.
    pub role: ProcessRole,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: crate::DEFAULT_SEGMENT_BYTES,
            series_limit: DEFAULT_SERIES_LIMIT,
            buckets: Vec::new(),
            forward: false,
            redact: Vec::new(),
            record_text: false,
            role: ProcessRole::default(),
        }
    }
}
