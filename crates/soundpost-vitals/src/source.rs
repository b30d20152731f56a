//! Something that can be sampled.

use std::fmt;

use crate::gpu::Visible;
use crate::reading::Readings;

/// Something that can be sampled: the host, the processes of the service, the GPUs, a script in a test.
pub trait Source: Send {
    /// A short name for threads, flags and errors: `host`, `gpu`.
    fn name(&self) -> &'static str;

    /// The processes of the service from now on; for sources that tell them apart.
    fn set_pids(&mut self, _pids: &[u32]) {}

    /// What the environment of a process shows it of GPUs, by pid, from now on; for sources that care.
    fn set_visible(&mut self, _visible: &[(u32, Visible)]) {}

    /// What a person should know about what is sampled, if anything; said once in the log.
    fn note(&self) -> Option<&'static str> {
        None
    }

    /// The few values that are worth a look between two samples, while calls run; none for most sources.
    fn glance(&mut self) -> Option<&mut dyn Glance> {
        None
    }

    /// Reads everything now. What cannot be read is left out; an error means that nothing could be, and is
    /// shown with its reason until a later sample succeeds. What was read beside the error is shown as well.
    ///
    /// # Errors
    /// When the source is not there: no library, no driver, no permission.
    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem>;
}

/// The part of a source that is looked at more often than all of it.
pub trait Glance {
    /// Reads a few values now, of the same quantities and labels as a sample has.
    ///
    /// # Errors
    /// When the source is not there.
    fn glance(&mut self, readings: &mut Readings) -> Result<(), Problem>;
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
