//! Reading of a service: all segments merged into one plain [`Snapshot`], and the events of their rings.

mod attached;
mod collector;
mod live;
mod merge;
mod model;
mod names;
mod retire;
mod ring_reader;
#[cfg(test)]
mod tests;

pub use crate::registry::MetricKind;
pub use collector::{Activity, Collector};
pub use model::{Distribution, Exemplar, Labels, MetricFamily, MetricSeries, MetricValue, Snapshot};
pub use ring_reader::{DeathKey, EndedProcess, EventBatch, RingEvent, RingReader};
