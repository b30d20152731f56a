//! Sinks: what ships the store's records to servers and files, at least once and in order.
//!
//! [`Sink`]s are settings. A [`Transport`] carries records to one receiver and tells by an [`Answer`] what became of
//! them; it decides nothing about trying again.

mod answer;
mod net;
mod open;
mod record;
mod settings;
mod transport;

pub use answer::{Answer, Rejected, Verdict};
pub use record::Record;
pub use settings::{Graylog, InfluxApi, InfluxDb, JsonLines, Loki, Sink};
pub use transport::{Batch, Delivering, Limits, Transport};
