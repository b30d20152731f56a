//! The store's records, as transports want them.

use soundpost_core::FieldValue;

use crate::encode::record::{Event, Origin, Point};
use crate::store::Record;

/// What a call or an event is in any format, beside its texts, bytes.
const FIXED: usize = 400;
/// What a field is beside its texts, bytes.
const FIELD: usize = 24;

impl Record {
    /// It as an event; `None` if it is none.
    pub fn event(&self) -> Option<Event<'_>> {
        match self {
            Self::Call(call) => Some(Event::of_call(call)),
            Self::Event(row) => Some(Event::of_log(row)),
            Self::Vitals(_) => None,
        }
    }

    /// It as points; none if it has none.
    pub fn points<'a>(&'a self, origin: &Origin<'a>) -> Vec<Point<'a>> {
        match self {
            Self::Call(call) => vec![Point::of_call(origin, call)],
            Self::Event(_) => Vec::new(),
            Self::Vitals(moment) => Point::of_vitals(origin, &moment.samples),
        }
    }

    /// Bytes it takes when it is written, about.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Call(call) => {
                let labels =
                    call.labels.iter().map(|(name, value)| FIELD + name.len() + value.len()).sum::<usize>();
                FIXED + labels + fields(&call.fields) + call.stages.len() * 2 * FIELD
            }
            Self::Event(row) => {
                let event = &row.event;
                let texts = [&event.logger, &event.file, &event.thread, &event.message];
                FIXED + texts.iter().map(|text| text.len()).sum::<usize>() + fields(&event.fields)
            }
            Self::Vitals(moment) => {
                FIXED + moment.samples.iter().map(|sample| sample.values.len() * FIELD).sum::<usize>()
            }
        }
    }
}

fn fields(fields: &[(String, FieldValue)]) -> usize {
    let text = |value: &FieldValue| if let FieldValue::Text(text) = value { text.len() } else { 0 };
    fields.iter().map(|(name, value)| FIELD + name.len() + text(value)).sum()
}
