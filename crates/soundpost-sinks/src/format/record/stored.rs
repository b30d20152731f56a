//! Stored records, as transports encode them.

use soundpost_core::FieldValue;
use soundpost_store::Record;

use super::{Event, Origin, Point};

/// Size of a call or an event in any format without its texts, bytes.
const FIXED_BYTES: usize = 400;
/// Size of a field without its texts, bytes.
const FIELD_BYTES: usize = 24;

impl<'a> Event<'a> {
    /// Returns a record as an event; `None` for vitals.
    pub fn from_record(record: &'a Record) -> Option<Self> {
        match record {
            Record::Call(row) => Some(Self::of_call(row)),
            Record::Event(row) => Some(Self::of_log(row)),
            Record::Vitals(_) => None,
        }
    }
}

impl<'a> Point<'a> {
    /// Returns a record as points; none for log events.
    pub fn from_record(origin: &Origin<'a>, record: &'a Record) -> Vec<Self> {
        match record {
            Record::Call(row) => vec![Self::of_call(origin, row)],
            Record::Event(_) => Vec::new(),
            Record::Vitals(row) => Self::of_vitals(origin, &row.samples),
        }
    }
}

/// Estimates the encoded size of a record, bytes.
pub(crate) fn weight(record: &Record) -> usize {
    match record {
        Record::Call(row) => {
            let call = &row.call;
            let labels =
                call.labels.iter().map(|(name, value)| FIELD_BYTES + name.len() + value.len()).sum::<usize>();
            FIXED_BYTES + labels + fields(&call.fields) + call.stages.len() * 2 * FIELD_BYTES
        }
        Record::Event(row) => {
            let event = &row.event;
            let texts = [&event.logger, &event.file, &event.thread, &event.message];
            FIXED_BYTES + texts.iter().map(|text| text.len()).sum::<usize>() + fields(&event.fields)
        }
        Record::Vitals(row) => {
            FIXED_BYTES + row.samples.iter().map(|sample| sample.values.len() * FIELD_BYTES).sum::<usize>()
        }
    }
}

fn fields(fields: &[(String, FieldValue)]) -> usize {
    let text = |value: &FieldValue| if let FieldValue::Text(text) = value { text.len() } else { 0 };
    fields.iter().map(|(name, value)| FIELD_BYTES + name.len() + text(value)).sum()
}
