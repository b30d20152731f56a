//! Something that can be sampled.

use std::fmt;

use crate::reading::Readings;

/// Something that can be sampled: the host, the processes of the service, the GPUs, a script in a test.
pub trait Source: Send {
    /// A short name for threads, flags and errors: `host`, `gpu`.
    fn name(&self) -> &'static str;

    /// The processes of the service from now on; for sources that tell them apart.
    fn set_pids(&mut self, _pids: &[u32]) {}

    /// Reads everything now. What cannot be read is left out; an error means that nothing could be, and is
    /// shown with its reason until a later sample succeeds.
    ///
    /// # Errors
    /// When the source is not there: no library, no driver, no permission.
    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem>;
}

/// Why a source gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A few fixed words, fit for a label: `no_library`, `no_driver`, `no_permission`, `version_mismatch`.
    pub reason: &'static str,
    /// For a person: what is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Problem {}
