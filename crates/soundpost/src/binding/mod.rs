//! Items for `#[soundpost::instrument]` and the Python binding. They are not part of the public interface.

mod integration;
mod site;
#[cfg(feature = "gpu")]
pub mod torch;

pub use integration::{HookState, publish_hook};
pub use site::{AsError, AsText, Begun, Failure, Site};
pub use soundpost_core::clock::monotonic_nanos;
pub use soundpost_core::thread::lock;
pub use soundpost_core::{
    EventBuilder, FieldRef, KnownTexts, LabelSet, Level, LoadPhase, Loading, Log, LogFields, RequestId,
    is_text_name,
};
pub use soundpost_core::{regular_file, visible};
#[cfg(feature = "host")]
pub use soundpost_report::oom_kills;

use crate::telemetry::Telemetry;

/// Returns a builder for a log event. Services use [`Telemetry::layer`].
pub fn event_builder(telemetry: &Telemetry) -> EventBuilder<'_> {
    EventBuilder::new(telemetry.registry())
}

/// Begins a phase of loading, inside a call or not. Services use [`Telemetry::loading`].
pub fn loading(telemetry: &Telemetry, phase: LoadPhase, in_call: bool) -> Loading {
    Loading::begin(telemetry.registry(), phase, in_call)
}

/// Returns whether values of this name are texts to synthesise, which are not recorded.
pub fn hides(telemetry: &Telemetry, name: &str) -> bool {
    telemetry.registry().redactor().hides(name)
}

/// Replaces texts to synthesise in the text of an error.
pub fn hide_in_error(telemetry: &Telemetry, error: &mut String, known: &KnownTexts) {
    soundpost_core::hide_in_error(telemetry.registry(), error, known);
}

/// Marks this process as ended in good order. A forked child calls it that ends without [`Telemetry::shutdown`].
pub fn end_process(telemetry: &Telemetry) {
    telemetry.registry().end_process();
}

/// Counts an error of `part` in `soundpost_errors_total`.
pub fn count_error(telemetry: &Telemetry, part: &str) {
    telemetry.registry().diagnostics().count_error(part);
}

/// Returns a message without what must not be recorded.
pub fn redacted(telemetry: &Telemetry, text: &str) -> String {
    telemetry.registry().redacted(text).into_owned()
}
