//! Sinks: what ships the store's records to servers and files, at least once and in order.
//!
//! [`Sink`]s are settings. A [`Transport`] carries records to one receiver and tells by an [`Answer`] what became of
//! them; it decides nothing about trying again.

mod answer;
mod capture;
mod counted;
mod delivery;
mod exposition;
mod feed;
mod gelf_http;
mod gelf_tcp;
mod gelf_udp;
mod health;
mod http;
mod influxdb;
mod json_lines;
mod loki;
mod net;
mod open;
mod origin;
mod patience;
mod record;
mod settings;
mod speech;
mod stopped;
mod transport;
mod trouble;
mod trust;
mod worker;
mod workers;

pub use crate::store::{Record, Rejected};
pub use answer::{Answer, Verdict};
pub use delivery::{Delivery, Turn};
pub(crate) use exposition::add as expose;
pub use open::open;
pub(crate) use origin::Names;
pub(crate) use settings::prepared;
pub use settings::{Capture, Graylog, InfluxApi, InfluxDb, JsonLines, Loki, Sink};
pub use transport::{Batch, Delivering, Limits, Transport};
pub use trouble::Trouble;
pub(crate) use workers::Workers;
