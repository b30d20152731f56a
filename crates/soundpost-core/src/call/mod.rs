//! Calls, their stages and chunks, and how they end.

#[allow(clippy::module_inception)]
mod call;
mod current;
mod entry;
mod field;
mod finished;
mod gpu;
mod metrics;
mod operation;
mod outcome;
mod request_id;
mod set;
mod stage;
mod state;
#[cfg(test)]
mod tests;

pub use call::{Call, CallBuilder};
pub use current::{CallFuture, Entered, current_call, enter};
pub(crate) use entry::Entry;
pub use finished::{FinishedCall, GpuUse, InFlightCall, StageTime};
pub use operation::{Calls, Operation};
pub use outcome::{Outcome, Status};
pub use request_id::RequestId;
pub use stage::Stage;
pub use state::{CallState, Seconds};
