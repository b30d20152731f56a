//! Sinks of Soundpost: they ship the store's records to servers and files, at least once and in order.
//!
//! A [`Sink`] holds the options of one sink. A [`Transport`] carries records to one receiver and reports the result as
//! an [`Answer`]; it decides nothing about retries. Services depend on the crate `soundpost`, not on this one.

#![forbid(unsafe_code)]

mod capture;
mod delivery;
pub mod format;
pub mod graylog;
pub mod influxdb;
pub mod json_lines;
mod kind;
pub mod kinds;
pub mod loki;
mod metrics;
mod net;
mod options;
mod shared;
mod transport;

pub use delivery::ack_queue::AckQueue;
pub use delivery::bisect::{BatchBisect, Step};
pub use delivery::origin::OwnedOrigin;
pub use delivery::worker::FlushAcks;
pub use delivery::workers::Workers;
pub use kind::{Sink, SinkKind};
pub use kinds::prepared;
pub use metrics::add_sink_families;
pub use options::common::Common;
pub use options::declare::OptionSpec;
pub use shared::SharedSinks;
pub use transport::answer::{Answer, Verdict};
pub use transport::{Batch, Delivering, Limits, Transport};
