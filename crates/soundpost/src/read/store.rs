//! Read access to a service's store of finished calls and vitals.
//!
//! ```no_run
//! # fn main() -> Result<(), soundpost::read::store::StoreError> {
//! use soundpost::read::store::{CallFilter, Order, Reader};
//!
//! let directory = soundpost::default_directory().join("indextts2");
//! if let Some(store) = Reader::open(&directory)? {
//!     let slowest = CallFilter { order: Order::Slowest, limit: Some(10), ..CallFilter::default() };
//!     for call in store.calls(&slowest)? {
//!         println!("{} {} ms", call.request_id, call.duration / 1_000_000);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub use soundpost_store::{
    CallFilter, CallRow, Entity, FILE, GpuName, Limits, Missed, Order, Progress, Reader, Rejected, SinkState,
    Store, StoreError, Summary, VitalsSample,
};
