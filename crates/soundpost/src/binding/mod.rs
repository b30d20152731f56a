//! Items for `#[soundpost::instrument]` and the Python binding. They are not part of the public interface.

mod site;
#[cfg(feature = "gpu")]
pub mod torch;

pub use site::{AsError, AsText, Begun, Failure, Site};
pub use soundpost_core::clock::monotonic_nanos;
pub use soundpost_core::thread::lock;
pub use soundpost_core::{EventBuilder, FieldRef, LabelSet, Level, Log, LogFields};
pub use soundpost_core::{regular_file, visible};

use crate::telemetry::Telemetry;

/// Returns a builder for a log event. Services use [`Telemetry::layer`].
pub fn event_builder(telemetry: &Telemetry) -> EventBuilder<'_> {
    EventBuilder::new(telemetry.registry())
}

/// Counts an error of `part` in `soundpost_errors_total`.
pub fn count_error(telemetry: &Telemetry, part: &str) {
    telemetry.registry().diagnostics().count_error(part);
}

/// Returns a message without what must not be recorded.
pub fn redacted(telemetry: &Telemetry, text: &str) -> String {
    telemetry.registry().redacted(text).into_owned()
}
