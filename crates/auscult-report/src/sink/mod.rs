//! Sinks: what ships the store's records to servers and files, at least once and in order.
//!
//! [`Sink`]s are settings. A [`Transport`] carries records to one receiver and tells by an [`Answer`] what became of
//! them; it decides nothing about trying again.

mod answer;
mod counted;
mod delivery;
mod gelf_http;
mod gelf_tcp;
mod gelf_udp;
mod http;
mod influxdb;
mod json_lines;
mod loki;
mod net;
mod open;
mod patience;
mod record;
mod settings;
mod transport;

pub use answer::{Answer, Rejected, Verdict};
pub use delivery::{Delivery, Turn};
pub use open::open;
pub use record::Record;
pub use settings::{Graylog, InfluxApi, InfluxDb, JsonLines, Loki, Sink};
pub use transport::{Batch, Delivering, Limits, Transport};
