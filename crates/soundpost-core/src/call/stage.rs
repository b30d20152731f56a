//! Stages: named, timed parts of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::state::CallState;
use crate::clock::{self, seconds};
use crate::registry::{Counter, Histogram};
use crate::segment::{add_stage, epoch, word};
use crate::sync::Ordering;

/// What stages of one name within a call set record to.
pub(crate) struct StageSet {
    /// Position of the record with its name.
    pub(crate) at: u32,
    pub(crate) duration: Histogram,
    pub(crate) failures: Counter,
}

/// A running stage; it ends when this is dropped. Stages of one call may overlap.
#[must_use = "a stage lasts as long as this value; dropped at once it measures nothing"]
pub struct Stage {
    set: Arc<StageSet>,
    started: u64,
    failed: AtomicBool,
    epoch: u32,
    /// The call it belongs to, and the stage the call was in before.
    call: Option<(CallState, u64)>,
}

impl Stage {
    pub(crate) fn begin(set: Arc<StageSet>, call: Option<CallState>) -> Self {
        let started = clock::monotonic_nanos();
        let call = call.map(|call| {
            let mut before = 0;
            call.with_slot(|slot| {
                before = slot[word::STAGE].swap(u64::from(set.at) + 1, Ordering::Relaxed);
                slot[word::PROGRESS].store(started, Ordering::Relaxed);
            });
            (call, before)
        });
        Self { set, started, failed: AtomicBool::new(false), epoch: epoch(), call }
    }

    /// Marks the stage as ended in an error.
    pub fn fail(&self) {
        self.failed.store(true, Relaxed);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What a forked child inherited is its parent's.
        if self.epoch != epoch() {
            return;
        }
        let now = clock::monotonic_nanos();
        let nanos = now.saturating_sub(self.started);
        self.set.duration.observe(seconds(nanos));
        let failed = *self.failed.get_mut() || std::thread::panicking();
        if failed {
            self.set.failures.increment(1);
        }
        if let Some((call, before)) = &self.call {
            call.with_slot(|slot| {
                slot[word::STAGE].store(*before, Ordering::Relaxed);
                add_stage(slot, self.set.at, nanos, failed);
                slot[word::PROGRESS].store(now, Ordering::Relaxed);
            });
        }
    }
}
