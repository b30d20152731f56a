//! Read access to a service's store of finished calls, log events and vitals.
//!
//! ```no_run
//! # fn main() -> Result<(), soundpost::read::store::StoreError> {
//! use soundpost::read::store::{CallFilter, Order, Reader};
//!
//! let directory = soundpost::default_directory().join("indextts2");
//! if let Some(store) = Reader::open(&directory)? {
//!     let slowest = CallFilter { order: Order::Slowest, limit: Some(10), ..CallFilter::default() };
//!     for row in store.calls(&slowest)? {
//!         println!("{} {} ms", row.call.request_id, row.call.duration() / 1_000_000);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub use soundpost_core::{FinishedCall, Level, LogEvent};
pub use soundpost_store::{
    CALL_COLUMNS, CallFilter, CallRow, ColumnValue, Dropped, EVENT_COLUMNS, Entity, Erased, EventRow, FILE,
    GpuName, Limits, LogFilter, Order, POSTMORTEMS, Pattern, Place, Progress, Reader, RecordColumn, Rejected,
    Selection, SinkState, Store, StoreError, StoreUsage, Summary, VitalsSample, append_postmortem,
    erase_from_postmortems, postmortem_lines, vitals_columns,
};
