//! Marks: outcomes of calls that go on.

use super::end::{is_failure, marked};
use super::handle::CallHandle;
use super::outcome::Outcome;
use crate::segment::word;
use crate::sync::Ordering;

impl CallHandle {
    /// Marks the call with an outcome without ending it: when the call ends by its output, or its consumer leaves,
    /// this is its outcome. The first failure counts. [`Outcome::Ok`] withdraws earlier marks.
    pub fn mark(&self, outcome: Outcome) {
        self.mark_with(outcome, "", "");
    }

    /// Marks the call as failed with an error, see [`CallHandle::mark`].
    pub fn mark_error(&self, error: &(dyn std::error::Error + 'static)) {
        self.mark_with(Outcome::of_error(error), "", &error.to_string());
    }

    /// Marks the call with an outcome and an error, whose type and text become the fields `error_type` and `error`.
    pub fn mark_with(&self, outcome: Outcome, error_type: &str, text: &str) {
        let mut is_set = false;
        self.with_slot(|slot| {
            let supersedes = |before: u64| {
                let is_first = marked(|_| before).is_none_or(|before| !is_failure(before));
                (is_first || outcome == Outcome::Ok).then_some(outcome as u64 + 1)
            };
            let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
            is_set = slot[word::MARK].fetch_update(set, get, supersedes).is_ok();
        });
        if is_set && outcome == Outcome::Poisoned {
            self.series().set_unhealthy("poisoned");
        }
        match outcome {
            _ if !is_set => {}
            Outcome::Ok => self.remove_error(),
            _ => self.set_error(error_type, text),
        }
    }

    /// Returns the failure that the call was marked with.
    pub(super) fn marked_failure(&self) -> Option<Outcome> {
        let mut mark = None;
        self.with_slot(|slot| mark = marked(|word| slot[word].load(Ordering::Relaxed)));
        mark.filter(|mark| is_failure(*mark))
    }

    pub(super) fn set_error(&self, error_type: &str, text: &str) {
        for (name, value) in [("error_type", error_type), ("error", text)] {
            if !value.is_empty() {
                self.field(name, value);
            }
        }
    }
}
