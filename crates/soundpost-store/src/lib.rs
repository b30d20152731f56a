//! Store of Soundpost: calls, log events and vitals of a service in one SQLite file, written by its reporter and readable by
//! everybody.
//!
//! `docs/guide/store.md` says what is in it. [`Store`] writes, [`Reader`] reads, [`Backlog`] holds what cannot be
//! written at the moment. Nothing here has a thread or a clock of its own.
//! Services depend on the crate `soundpost`, not on this one.

#![forbid(unsafe_code)]

mod acknowledgement;
mod age;
mod backlog;
mod batch;
mod call_row;
mod column;
mod error;
mod event_row;
mod file;
mod filter;
mod fork;
mod json;
mod kinds;
mod limits;
mod numbers;
mod open;
mod reader;
mod record;
mod request_id;
mod retention;
mod samples;
mod schema;
mod sinks;
mod sql;
mod stretch;
mod vitals;
mod writer;

pub use acknowledgement::{Acknowledgement, Rejected};
pub use backlog::{Backlog, Dropped};
pub use batch::{Batch, DeathKey, RingEvent};
pub use call_row::CallRow;
pub use error::StoreError;
pub use file::FILE;
pub use filter::{CallFilter, Order};
pub use fork::prepare_for_forks;
pub use limits::{Limits, Now};
pub use reader::{Reader, Summary};
pub use record::{EventRow, Moment, Record, RecordKinds, Stretch};
pub use retention::Progress;
pub use schema::VERSION;
pub use sinks::{Missed, SinkState};
pub use vitals::{Entity, GpuName, VitalsSample};
pub use writer::Store;
