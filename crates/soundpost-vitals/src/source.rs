//! Sources of samples.

use std::fmt;

use crate::gpu_selection::Visible;
use crate::reading::Readings;

/// A source of samples: the host, the processes of the service, the GPUs, a script in a test.
pub trait Source: Send {
    /// Returns a short name for threads, flags and errors: `host`, `gpu`.
    fn name(&self) -> &'static str;

    /// Sets the processes of the service.
    fn set_pids(&mut self, _pids: &[u32]) {}

    /// Sets the GPU environment of processes, by pid.
    fn set_visible(&mut self, _visible: &[(u32, Visible)]) {}

    /// Returns a warning about the samples, logged when it changes.
    fn warning(&self) -> Option<&'static str> {
        None
    }

    /// Returns the fast part of the source, sampled while calls run.
    fn fast_source(&mut self) -> Option<&mut dyn FastSource> {
        None
    }

    /// Reads everything. Unreadable values are omitted. An error means that the source is unavailable; its
    /// reason is published until a later sample succeeds, with the values that were read.
    ///
    /// # Errors
    /// When the source is unavailable: no library, no driver, no permission.
    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem>;
}

/// The part of a source that is sampled more often.
pub trait FastSource {
    /// Reads a few values, of the same quantities and labels as a sample.
    ///
    /// # Errors
    /// When the source is unavailable.
    fn fast_sample(&mut self, readings: &mut Readings) -> Result<(), Problem>;
}

/// Reason why a source is unavailable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A fixed label value: `no_library`, `no_driver`, `no_permission`, `version_mismatch`.
    pub reason: &'static str,
    /// Message with the cause and the correction.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Problem {}
