//! Soundpost is embeddable instrumentation for inference services.
//!
//! It records every call (latency, time to first audio, real-time factor, stages, outcome) into shared memory that
//! survives the process, and exposes the records of all processes of a service to Prometheus.
//!
//! ```no_run
//! # fn main() -> Result<(), soundpost::Error> {
//! let telemetry = soundpost::Telemetry::builder("indextts2")
//!     .version("V23")
//!     .listen(([127, 0, 0, 1], 9464))
//!     .start()?;
//! let synthesize = telemetry.operation("synthesize").labels(["emotion"])?;
//!
//! let call = synthesize.start_with(["neutral"]);
//! call.field("char_count", 128);
//! {
//!     let _stage = call.stage("vocoder");
//! }
//! call.chunk(soundpost::Seconds(0.64));
//! call.finish();
//! # Ok(())
//! # }
//! ```
//!
//! Only configuration can fail. After [`Builder::start`], recording never returns an error, blocks or panics; faults
//! are counted in `soundpost_errors_total`.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod binding;
mod builder;
mod commit;
#[cfg(feature = "metrics-exporter-prometheus")]
mod exporter;
pub mod read;
pub mod settings;
mod start;
mod telemetry;

pub use builder::{Builder, Endpoint, GpuScope};
pub use settings::{Settings, default_directory};
pub use soundpost_core::{
    BYTES_BUCKETS, Call, CallBuilder, CallHandle, Counter, Entered, Error, Family, FieldValue, Gauge, GpuUse,
    Histogram, InFlightCall, LATENCY_BUCKETS, LogLayer, Merge, Notice, Operation, Outcome, RATIO_BUCKETS,
    RequestId, Seconds, Spec, Stage, StageTime, Status, Unit, current_call, enter, sanitized,
};
/// Records calls of a function: see the crate's guide for its arguments.
#[cfg(feature = "macros")]
pub use soundpost_macros::instrument;
pub use soundpost_sinks::kinds as sink;
pub use telemetry::{Telemetry, global};
