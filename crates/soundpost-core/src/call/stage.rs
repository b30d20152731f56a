//! Stages: named, timed parts of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::handle::CallHandle;
use super::outcome::{Outcome, Status};
use super::series::StageSeries;
use crate::clock::{self, seconds};
use crate::segment::{add_stage, epoch, flag, word};
use crate::sync::Ordering;

/// A running stage, which ends when the value is dropped. Stages of one call may overlap.
#[must_use = "a stage lasts as long as this value; dropped at once it measures nothing"]
pub struct Stage {
    series: Arc<StageSeries>,
    started: u64,
    failed: AtomicBool,
    decides: bool,
    is_counted: bool,
    epoch: u32,
    /// The call, and the stage that the call was in before.
    call: Option<(CallHandle, u64)>,
}

impl CallHandle {
    /// Begins a stage of this call.
    pub fn stage(&self, name: &str) -> Stage {
        Stage::begin(self.series().stage(name), Some(self.clone()))
    }
}

impl Stage {
    pub(crate) fn begin(series: Arc<StageSeries>, call: Option<CallHandle>) -> Self {
        let started = clock::monotonic_nanos();
        let mut is_counted = true;
        let call = call.map(|call| {
            let mut before = 0;
            call.with_slot(|slot| {
                before = slot[word::STAGE].swap(u64::from(series.at) + 1, Ordering::Relaxed);
                slot[word::PROGRESS].store(started, Ordering::Relaxed);
                is_counted = slot[word::FLAGS].load(Ordering::Relaxed) & flag::WARMUP == 0;
            });
            (call, before)
        });
        let failed = AtomicBool::new(false);
        Self { series, started, failed, decides: false, is_counted, epoch: epoch(), call }
    }

    /// Sets whether a failure of the stage marks its call, see [`CallHandle::mark`].
    pub fn decides(mut self, decides: bool) -> Self {
        self.decides = decides;
        self
    }

    /// Reports whether a failure of the stage marks its call.
    pub fn is_deciding(&self) -> bool {
        self.decides
    }

    /// Marks the stage as failed.
    pub fn fail(&self) {
        self.fail_with(Outcome::Error, "", "");
    }

    /// Marks the stage as failed, with the outcome and the error that a deciding stage marks its call with,
    /// unless it was only cancelled.
    pub fn fail_with(&self, outcome: Outcome, error_type: &str, text: &str) {
        if !self.failed.swap(true, Relaxed)
            && self.decides
            && outcome.status() != Status::Cancelled
            && let Some((call, _)) = &self.call
        {
            call.mark_with(outcome, error_type, text);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A stage that a forked child inherited belongs to the parent.
        if self.epoch != epoch() {
            return;
        }
        let now = clock::monotonic_nanos();
        let nanos = now.saturating_sub(self.started);
        if std::thread::panicking() {
            self.fail();
        }
        let failed = *self.failed.get_mut();
        if self.is_counted {
            self.series.duration.observe(seconds(nanos));
            if failed {
                self.series.failures.increment();
            }
        }
        if let Some((call, before)) = &self.call {
            call.with_slot(|slot| {
                slot[word::STAGE].store(*before, Ordering::Relaxed);
                add_stage(slot, self.series.at, nanos, failed);
                slot[word::PROGRESS].store(now, Ordering::Relaxed);
            });
        }
    }
}
