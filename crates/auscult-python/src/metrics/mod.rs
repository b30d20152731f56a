//! Metrics in the shape of `prometheus_client`: `Counter`, `Gauge`, `Histogram`, `Summary`, `Info`, `Enum`.
//!
//! They can be made before `init`; what they are told until then is dropped, and they are bound at `init`.

mod around;
mod counter;
mod family;
mod gauge;
mod histogram;
mod info;
mod metric;
mod state_set;
mod summary;

pub use around::Around;
pub use counter::Counter;
pub(crate) use family::{bind_all, unbind_all};
pub use gauge::Gauge;
pub use histogram::Histogram;
pub use info::Info;
pub use metric::Metric;
pub use state_set::Enum;
pub use summary::Summary;
