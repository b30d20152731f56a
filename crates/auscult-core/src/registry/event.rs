//! Events, which are finished calls: how many were taken, and which were not.

use std::sync::Arc;

use super::handle::Counter;
use super::{Registry, Spec};
use crate::error::Error;
use crate::segment::Refused;

/// Why an event, or part of it, was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The event ring was full: the reporter does not keep up, or there is none.
    RingFull,
    /// The event is longer than the ring takes.
    TooLarge,
    /// A call has more fields than are kept; the call itself was.
    TooManyFields,
}

impl Dropped {
    pub(super) const ALL: [Self; 3] = [Self::RingFull, Self::TooLarge, Self::TooManyFields];

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::TooLarge => "too_large",
            Self::TooManyFields => "too_many_fields",
        }
    }
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
        let dropped = Spec::whole_counter("auscult_events_dropped")
            .help("Events, or fields of them, that were not kept, by reason.")
            .labels(&["reason"]);
        self.family(dropped)?.counter(&[reason])
    }

    /// Counts an event that was offered to the ring, and what of it was left out.
    #[inline]
    pub(crate) fn count_event(&self, appended: Result<u64, Refused>) {
        match appended {
            Ok(left) => {
                if let Some(own) = self.own.get() {
                    own.events.increment(1);
                }
                if left > 0 {
                    self.drop_event(Dropped::TooManyFields, left);
                }
            }
            Err(Refused::Full) => self.drop_event(Dropped::RingFull, 1),
            Err(Refused::TooLarge) => self.drop_event(Dropped::TooLarge, 1),
        }
    }

    /// Counts what was not kept.
    #[cold]
    pub(crate) fn drop_event(&self, why: Dropped, times: u64) {
        if let Some(own) = self.own.get() {
            own.dropped[why as usize].increment(times);
        }
    }
}
