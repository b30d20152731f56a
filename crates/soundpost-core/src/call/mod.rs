//! Calls, their stages and chunks, and their outcomes.

#[allow(clippy::module_inception)]
mod call;
mod current;
mod end;
mod field;
mod finished;
mod gpu;
mod handle;
mod levels;
mod mark;
mod metrics;
mod operation;
mod outcome;
mod record;
mod request_id;
mod series;
mod stage;
#[cfg(test)]
mod tests;

pub use call::{Call, CallBuilder};
pub use current::{CallFuture, Entered, InstrumentFuture, ScopedFuture, Unwound, current_call, enter};
pub(crate) use finished::CallOrigin;
pub use finished::{FinishedCall, InFlightCall, StageTime};
pub use handle::{CallHandle, Seconds};
pub use levels::{AudioLevels, SILENCE_RATIO};
pub use operation::{Calls, LabelSet, Operation};
pub use outcome::{Outcome, Status};
pub(crate) use record::CallRecord;
pub use request_id::RequestId;
pub use stage::Stage;
