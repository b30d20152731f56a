//! Store of Soundpost: calls, log events and vitals of a service in one SQLite file.
//!
//! The service's reporter writes it with [`Store`]; any process reads it with [`Reader`]. [`Backlog`] holds records while
//! the file cannot be written. The crate starts no thread and reads no clock but that of [`Limits`].
//! `docs/guide/store.md` describes the file. Services depend on the crate `soundpost`, not on this one.

#![forbid(unsafe_code)]

mod backlog;
mod batch;
mod clock;
mod cursor;
mod erase;
mod error;
mod file;
mod filter;
mod fork;
mod limits;
mod open;
mod postmortems;
mod reader;
mod record;
mod record_rows;
mod remains;
mod retention;
mod sample_rows;
mod scan;
mod schema;
mod shared_rows;
mod sql;
mod vitals;
mod writer;

pub use backlog::{Backlog, Evicted};
pub use batch::{Batch, DeathKey, RingEvent};
pub use cursor::{Acknowledgement, Dropped, RecordKinds, Rejected, SinkState};
pub use erase::{Erased, Selection};
pub use error::StoreError;
pub use file::FILE;
pub use filter::{CallFilter, LogFilter, Order, Pattern};
pub use fork::prepare_for_forks;
pub use limits::{Limits, Now, StoreUsage};
pub use postmortems::{
    POSTMORTEMS, append_postmortem, erase_from_postmortems, postmortem_lines, record_ended_process,
};
pub use reader::{Reader, Summary};
pub use record::{CallRow, EventRow, Record, RecordBatch, VitalsRow};
pub use retention::Progress;
pub use schema::{CALL_COLUMNS, ColumnValue, EVENT_COLUMNS, Place, RecordColumn, VERSION};
pub use vitals::{Entity, GpuName, VitalsSample, vitals_columns};
pub use writer::Store;
