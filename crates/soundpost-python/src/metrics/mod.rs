//! Metrics in the shape of `prometheus_client`: `Counter`, `Gauge`, `Histogram`, `Summary`, `Info`, `Enum`.
//!
//! They can be created before `init`, which binds them. Values recorded until then are dropped.

mod context;
mod counter;
mod family;
mod gauge;
mod histogram;
mod info;
mod merge;
mod metric;
mod state_set;
mod summary;

pub(crate) use context::MetricContext;
pub(crate) use counter::Counter;
pub(crate) use family::{bind_all, unbind_all};
pub(crate) use gauge::Gauge;
pub(crate) use histogram::Histogram;
pub(crate) use info::Info;
pub(crate) use metric::Metric;
pub(crate) use state_set::Enum;
pub(crate) use summary::Summary;
