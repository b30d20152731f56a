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
pub mod loki;
mod metrics;
mod net;
mod open;
mod options;

pub use capture::Capture;
pub use delivery::ack_queue::AckQueue;
pub use delivery::answer::{Answer, Verdict};
pub use delivery::bisect::{Delivery, Turn};
pub use delivery::context::FlushAcks;
pub use delivery::origin::Names;
pub use delivery::status::Trouble;
pub use delivery::transport::{Batch, Delivering, Limits, Transport};
pub use delivery::workers::Workers;
pub use graylog::options::Graylog;
pub use influxdb::options::{InfluxApi, InfluxDb};
pub use json_lines::options::JsonLines;
pub use loki::options::Loki;
pub use metrics::add_sink_families;
pub use open::open;
pub use options::list::{Sink, prepared};
