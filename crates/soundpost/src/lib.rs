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
//! let _guard = telemetry.guard(); // flushes at the end of `main`
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
//!
//! # Features
//!
//! Each adds a part and changes no other. Without features, recording and [`Telemetry::render`] remain, and the crate
//! needs no C compiler and no async runtime.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `macros` | yes | `#[instrument]` |
//! | `tracing` | yes | the layer for a `tracing` subscriber |
//! | `testing` | | [`testing::Capture`]: the calls and log events of a test; includes `store` |
//! | `tower` | | [`tower::CallLayer`]: each HTTP request as a call, also for axum |
//! | `server` | yes | the scrape endpoint |
//! | `tls` | | the scrape endpoint over TLS |
//! | `host` | yes | samples of the host and the service's processes |
//! | `gpu` | yes | samples of GPUs through NVML |
//! | `store` | yes | the store of finished calls, log events and vitals (SQLite) |
//! | `sinks` | | sinks that stored records are shipped to; includes `store` |
//! | `announced-text` | yes | redaction of texts to synthesise that only words announce |
//! | `metrics-exporter-prometheus` | | use beside that exporter |

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod binding;
mod builder;
mod commit;
#[cfg(feature = "metrics-exporter-prometheus")]
mod exporter;
pub mod read;
mod scope;
pub mod settings;
mod start;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tower")]
pub mod tower;

pub use builder::Builder;
#[cfg(feature = "server")]
pub use builder::Endpoint;
#[cfg(feature = "gpu")]
pub use builder::GpuScope;
pub use scope::Scope;
pub use settings::{Settings, default_directory};
#[cfg(feature = "tracing")]
pub use soundpost_core::LogLayer;
pub use soundpost_core::{
    AudioLevels, BYTES_BUCKETS, Call, CallBuilder, CallFuture, CallHandle, Counter, Entered, Error, Family,
    FieldValue, Gauge, GpuUse, Histogram, InFlightCall, InstrumentFuture, LATENCY_BUCKETS, LoadPhase,
    Loading, Merge, Notice, Operation, Outcome, RATIO_BUCKETS, RequestId, SILENCE_RATIO, ScopedFuture,
    Seconds, Spec, Stage, StageTime, Status, Unit, current_call, enter, sanitized,
};
/// Records calls of a function: see the crate's guide for its arguments.
#[cfg(feature = "macros")]
pub use soundpost_macros::instrument;
#[cfg(feature = "server")]
pub use soundpost_report::MetricsResponse;
#[cfg(feature = "sinks")]
pub use soundpost_sinks::kinds as sink;
#[cfg(feature = "server")]
pub use telemetry::Accept;
pub use telemetry::{Guard, Telemetry, global};
