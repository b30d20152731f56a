//! Reading: all segments of a service merged into one plain [`Snapshot`], and dead ones folded.

mod attached;
mod collector;
mod drain;
mod merge;
mod model;
mod names;
mod retire;
#[cfg(test)]
mod tests;
mod vital;

pub use crate::registry::Kind;
pub use collector::{Activity, Collector};
pub use drain::{DeathKey, Drain, Drained, Recorded};
pub use model::{Distribution, Exemplar, Family, Labels, Series, Snapshot, Value};
