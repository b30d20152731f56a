//! Options of a registry.

use crate::segment::ProcessRole;

/// Default maximum number of series of a family.
pub const DEFAULT_SERIES_LIMIT: usize = 2000;

/// Options of a registry.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the segment, bytes; see [`crate::DEFAULT_SEGMENT_BYTES`].
    pub segment_bytes: usize,
    /// Maximum number of series of a family; see [`DEFAULT_SERIES_LIMIT`].
    pub series_limit: usize,
    /// Bucket bounds of histograms recorded through the facade, by the name given there.
    pub buckets: Vec<(String, Vec<f64>)>,
    /// Whether everything is also forwarded through the facade to the global recorder.
    pub forward: bool,
    /// The service's own patterns of text that must not be recorded; see [`soundpost_redact::Redactor::new`].
    pub redact: Vec<String>,
    /// Whether text to synthesise is recorded; otherwise its length replaces it.
    pub record_text: bool,
    /// Whether histograms keep exemplars.
    pub exemplars: bool,
    /// Role of the process.
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
            exemplars: true,
            role: ProcessRole::default(),
        }
    }
}
