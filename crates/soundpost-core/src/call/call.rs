//! A call: one request for generated output, from its start to its one end.

use std::sync::Arc;
use std::time::Duration;

use super::outcome::Outcome;
use super::request_id::RequestId;
use super::set::CallSet;
use super::state::CallState;
use crate::clock;
use crate::segment::{Begin, flag};

/// A running call. Every method takes `&self` and does nothing once the call has ended; the first end
/// counts. Dropped without one it is `abandoned`, or `error` while the thread unwinds.
#[must_use = "a call lasts as long as this value; dropped at once it is counted as abandoned"]
pub struct Call {
    state: CallState,
}

impl Call {
    /// Ends the call with what the error says it is: `oom`, `poisoned`, `timeout` or `error`.
    pub fn fail(&self, error: &(dyn std::error::Error + 'static)) {
        self.end_with(Outcome::of_error(error), "", &error.to_string());
    }

    /// Ends the call with an outcome and what went wrong: the error's type and text, kept as the fields
    /// `error_type` and `error`.
    pub fn end_with(&self, outcome: Outcome, error_type: &str, text: &str) {
        if self.state.is_active() {
            for (name, value) in [("error_type", error_type), ("error", text)] {
                if !value.is_empty() {
                    self.field(name, value);
                }
            }
        }
        self.state.end(outcome);
    }

    /// The call as stages, other threads and the current call refer to it.
    pub fn state(&self) -> &CallState {
        &self.state
    }
}

impl std::ops::Deref for Call {
    type Target = CallState;

    #[inline]
    fn deref(&self) -> &CallState {
        &self.state
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.state.end(Outcome::Error);
        } else {
            self.state.abandon();
        }
        self.state.release();
    }
}

/// A call about to start.
#[must_use = "nothing is recorded before the call is started"]
pub struct CallBuilder {
    set: Arc<CallSet>,
    id: Option<RequestId>,
    queued: u64,
    flags: u64,
}

impl CallBuilder {
    #[inline]
    pub(super) fn new(set: Arc<CallSet>) -> Self {
        Self { set, id: None, queued: 0, flags: flag::STREAMING }
    }

    /// The caller's request id; a blank one is ignored.
    pub fn request_id(mut self, id: &str) -> Self {
        self.id = RequestId::new(id).or(self.id);
        self
    }

    /// Takes the request id from a W3C `traceparent`, unless there is one already.
    pub fn traceparent(mut self, header: &str) -> Self {
        self.id = self.id.or_else(|| RequestId::from_traceparent(header));
        self
    }

    /// How long the request waited before this.
    pub fn queued(mut self, waited: Duration) -> Self {
        self.queued = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX).max(1);
        self
    }

    /// Whether the consumer takes chunks as they are made; so unless told otherwise.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.flags = flag::with(self.flags, flag::STREAMING, streaming);
        self
    }

    /// Whether the call is measured by its output, so that without any it is `empty`.
    pub fn expects_output(mut self, expects: bool) -> Self {
        self.flags = flag::with(self.flags, flag::EXPECTS_OUTPUT, expects);
        self
    }

    /// Starts the call.
    #[inline]
    pub fn start(self) -> Call {
        let id = self.id.unwrap_or_else(RequestId::random);
        let begin = Begin {
            owner: self.set.registry.segment().owner(),
            call_set: self.set.at,
            now: clock::monotonic_nanos(),
            queued: self.queued,
            characters: 0,
            flags: self.flags,
            id: id.words(),
        };
        Call { state: CallState::begin(self.set, id, &begin) }
    }
}
