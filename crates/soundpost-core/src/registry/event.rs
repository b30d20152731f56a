//! Counters of events, which are finished calls and log events.

use std::sync::Arc;

use super::handle::Counter;
use super::{Registry, Spec};
use crate::error::Error;
use crate::segment::Refused;

/// Reason for dropping an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropReason {
    /// The event ring was full: the reporter is too slow, or none runs.
    RingFull,
    /// The event is longer than a record of the ring may be.
    TooLarge,
}

impl DropReason {
    pub(super) const ALL: [Self; 2] = [Self::RingFull, Self::TooLarge];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::TooLarge => "too_large",
        }
    }
}

/// Counts of fields and texts lost from a recorded event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truncation {
    /// Fields that did not fit.
    pub(crate) fields_left: u64,
    /// Texts that were cut.
    pub(crate) shortened: u64,
}

impl Truncation {
    /// Label values, in the order of the fields.
    pub(super) const REASONS: [&str; 2] = ["too_many_fields", "shortened"];
}

impl Registry {
    /// Returns the end of the recorded events, a position of the segment's event ring.
    pub fn events_recorded(&self) -> u64 {
        self.segment.ring().head()
    }

    /// Returns the end of the stored events. All events are stored once it reaches an earlier result of
    /// [`Registry::events_recorded`].
    pub fn events_stored(&self) -> u64 {
        self.segment.ring().stored()
    }

    /// Returns the counter of events that were dropped for this reason.
    ///
    /// # Errors
    /// When the segment has no room for the counter.
    pub fn dropped_events(self: &Arc<Self>, reason: &str) -> Result<Counter, Error> {
        let dropped = Spec::whole_counter("soundpost_events_dropped")
            .help("Finished calls and log events dropped, by reason.")
            .labels(&["reason"]);
        self.family(dropped)?.counter(&[reason])
    }

    /// Returns the counter of fields and texts lost from recorded events.
    pub(super) fn truncated_events(self: &Arc<Self>, reason: &str) -> Result<Counter, Error> {
        let altered = Spec::whole_counter("soundpost_events_altered")
            .help("Fields omitted from recorded events, and texts truncated, by reason.")
            .labels(&["reason"]);
        self.family(altered)?.counter(&[reason])
    }

    /// Counts an event that was offered to the ring.
    #[inline]
    pub(crate) fn count_event(&self, appended: Result<Truncation, Refused>) {
        match appended {
            Ok(truncation) => {
                if let Some(own) = self.own.get() {
                    own.events.add(1);
                }
                if truncation != Truncation::default() {
                    self.count_truncation(truncation);
                }
            }
            Err(Refused::Full) => self.count_dropped(DropReason::RingFull),
            Err(Refused::TooLarge) => self.count_dropped(DropReason::TooLarge),
        }
    }

    #[cold]
    fn count_dropped(&self, reason: DropReason) {
        if let Some(own) = self.own.get() {
            own.dropped[reason as usize].add(1);
        }
    }

    #[cold]
    pub(crate) fn count_truncation(&self, truncation: Truncation) {
        if let Some(own) = self.own.get() {
            let [fields, shortened] = &own.truncated;
            fields.add(truncation.fields_left);
            shortened.add(truncation.shortened);
        }
    }
}
