//! Log events, for bindings; a service in Rust records them by [`Telemetry::layer`](crate::Telemetry::layer).

pub use soundpost_core::{EventBuilder, FieldRef, Level, Log, LogEvent, LogFields};
