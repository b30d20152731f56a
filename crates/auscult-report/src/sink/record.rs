//! What a sink is given.

use crate::encode::record::{Event, Origin, Point};
use crate::store::CallRow;

/// A record of the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A finished call.
    Call(CallRow),
}

impl Record {
    /// Its place among all that was stored.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Call(call) => call.sequence,
        }
    }

    /// It as an event; `None` if it is none.
    pub fn event(&self) -> Option<Event<'_>> {
        match self {
            Self::Call(call) => Some(Event::of_call(call)),
        }
    }

    /// It as points; none if it has none.
    pub fn points<'a>(&'a self, origin: &Origin<'a>) -> Vec<Point<'a>> {
        match self {
            Self::Call(call) => vec![Point::of_call(origin, call)],
        }
    }
}
