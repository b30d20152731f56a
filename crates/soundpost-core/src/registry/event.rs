//! Events, which are finished calls and log events: how many were taken, and which were not.

use std::sync::Arc;

use super::handle::Counter;
use super::{Registry, Spec};
use crate::error::Error;
use crate::segment::Refused;

/// Why an event was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// The event ring was full: the reporter does not keep up, or there is none.
    RingFull,
    /// The event is longer than the ring takes.
    TooLarge,
}

impl Dropped {
    pub(super) const ALL: [Self; 2] = [Self::RingFull, Self::TooLarge];

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::TooLarge => "too_large",
        }
    }
}

/// What of an event that was kept was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Fields there was no room for.
    pub(crate) fields_left: u64,
    /// Texts that were cut.
    pub(crate) shortened: u64,
}

impl Kept {
    /// Reasons, in the order of the fields.
    pub(super) const REASONS: [&str; 2] = ["too_many_fields", "shortened"];
}

impl Registry {
    /// Up to where events were recorded, as a position of the segment's event ring; see
    /// [`Registry::events_stored`].
    pub fn events_recorded(&self) -> u64 {
        self.segment.ring().head()
    }

    /// Up to where the reporter has stored this process's events: all that were recorded when it reaches
    /// what [`Registry::events_recorded`] told then.
    pub fn events_stored(&self) -> u64 {
        self.segment.ring().stored()
    }

    /// The counter of events that were not kept for this reason.
    ///
    /// # Errors
    /// When the segment has no room for it.
    pub fn dropped_events(self: &Arc<Self>, reason: &str) -> Result<Counter, Error> {
        let dropped = Spec::whole_counter("soundpost_events_dropped")
            .help("Finished calls and log events dropped, by reason.")
            .labels(&["reason"]);
        self.family(dropped)?.counter(&[reason])
    }

    /// The counter of fields and texts of events that were kept without them.
    pub(super) fn altered_events(self: &Arc<Self>, reason: &str) -> Result<Counter, Error> {
        let altered = Spec::whole_counter("soundpost_events_altered")
            .help("Fields omitted from recorded events, and texts truncated, by reason.")
            .labels(&["reason"]);
        self.family(altered)?.counter(&[reason])
    }

    /// Counts an event that was offered to the ring, and what of it was left out.
    #[inline]
    pub(crate) fn count_event(&self, appended: Result<Kept, Refused>) {
        match appended {
            Ok(kept) => {
                if let Some(own) = self.own.get() {
                    own.events.increment(1);
                }
                if kept != Kept::default() {
                    self.alter_event(kept);
                }
            }
            Err(Refused::Full) => self.drop_event(Dropped::RingFull),
            Err(Refused::TooLarge) => self.drop_event(Dropped::TooLarge),
        }
    }

    /// Counts an event that was not kept.
    #[cold]
    fn drop_event(&self, why: Dropped) {
        if let Some(own) = self.own.get() {
            own.dropped[why as usize].increment(1);
        }
    }

    /// Counts what of an event was not kept.
    #[cold]
    pub(crate) fn alter_event(&self, kept: Kept) {
        if let Some(own) = self.own.get() {
            let [fields, shortened] = &own.altered;
            fields.increment(kept.fields_left);
            shortened.increment(kept.shortened);
        }
    }
}
