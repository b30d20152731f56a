//! The metrics of a service as plain data: see [`Telemetry::snapshot`](crate::Telemetry::snapshot) and
//! [`Service::snapshot`](crate::read::Service::snapshot).

pub use soundpost_core::snapshot::{
    Distribution, Exemplar, Labels, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot,
};
