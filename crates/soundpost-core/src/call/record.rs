//! The record of a finished call in the event ring.

use super::end::{CallEnd, busy_until};
use super::outcome::Outcome;
use crate::field::{self, FieldValue};
use crate::registry::Truncation;
use crate::segment::{
    CALL_WORDS, EventRing, IdWords, Owner, RECORDED_WORDS, RawCall, RawStage, Refused, stages_of,
    stages_of_words, word,
};
use crate::sync::{AtomicU64, Ordering};

/// Kind of the record in the ring.
const FINISHED_CALL: u64 = 1;
/// Words before the request id: kind, end, busy time, and the recorded words of the slot.
const FIXED: usize = 3 + RECORDED_WORDS.len();

/// A finished call as its segment holds it: names are positions in the directory, numbers are the slot's words.
pub(crate) struct CallRecord {
    pub(crate) outcome: Outcome,
    pub(crate) ended: u64,
    pub(crate) busy: u64,
    /// The slot's words; only those of [`RECORDED_WORDS`] are set.
    pub(crate) words: [u64; CALL_WORDS],
    pub(crate) request_id: String,
    pub(crate) stages: Vec<RawStage>,
    pub(crate) fields: Vec<(String, FieldValue)>,
}

/// Appends the record of a call that ends.
pub(crate) struct CallRecordWriter<'a> {
    pub(crate) slot: &'a [AtomicU64],
    /// The slot's words, as the end of the call saw them.
    pub(crate) words: &'a dyn Fn(usize) -> u64,
    pub(crate) end: &'a CallEnd,
    pub(crate) fields: &'a [u64],
}

impl CallRecordWriter<'_> {
    /// Appends the record. Returns the number of fields that did not fit.
    #[inline]
    pub(crate) fn append(&self, ring: EventRing<'_>) -> Result<Truncation, Refused> {
        let get = self.words;
        let stages = stages_of(self.slot);
        let id_words = self.end.id.used();
        let without_fields = FIXED + id_words.len() + 2 * stages.len();
        let room = ring.largest().saturating_sub(without_fields);
        let (fields, fields_left) =
            if self.fields.len() <= room { (self.fields, 0) } else { field::fitting(self.fields, room) };
        let length = without_fields + fields.len();
        ring.append(Owner::from_word(get(word::OWNER)), length, |writer| {
            // A reader that finds the record unfinished finds its call by this word.
            self.slot[word::RECORD_AT].store(writer.position() + 1, Ordering::Relaxed);
            let kind = FINISHED_CALL | (self.end.outcome as u64) << 8;
            writer.put(kind | (stages.len() as u64) << 24 | self.end.id.length << 40);
            writer.put(self.end.now);
            writer.put(self.end.busy);
            RECORDED_WORDS.iter().for_each(|word| writer.put(get(*word)));
            id_words.iter().for_each(|word| writer.put(*word));
            for stage in stages.clone() {
                writer.put(stage.key);
                writer.put(stage.nanos);
            }
            fields.iter().for_each(|word| writer.put(*word));
        })?;
        Ok(Truncation { fields_left, shortened: 0 })
    }
}

impl CallRecord {
    /// Reads a record; `None` when it is of another kind or damaged.
    pub(crate) fn decode(payload: &[u64]) -> Option<Self> {
        let (fixed, rest) = payload.split_at_checked(FIXED)?;
        let [head, ended, busy, recorded @ ..] = fixed else { return None };
        if head & 0xFF != FINISHED_CALL {
            return None;
        }
        let mut words = [0; CALL_WORDS];
        RECORDED_WORDS.iter().zip(recorded).for_each(|(word, value)| words[*word] = *value);
        let length = head >> 40;
        let (id, rest) = rest.split_at_checked((length as usize).div_ceil(8))?;
        let (stages, fields) = rest.split_at_checked((head >> 24 & 0xFF) as usize * 2)?;
        Some(Self {
            outcome: *Outcome::ALL.get((head >> 8 & 0xFF) as usize)?,
            ended: *ended,
            busy: *busy,
            words,
            request_id: IdWords::from_used(length, id)?.text()?,
            stages: stages.chunks_exact(2).map(|pair| RawStage { key: pair[0], nanos: pair[1] }).collect(),
            fields: field::decode(fields),
        })
    }

    /// The record of a call that was in a slot when its process died, at about `ended`.
    pub(crate) fn of_died(call: &RawCall, ended: u64) -> Self {
        let ended = ended.max(call.words[word::PROGRESS]).max(call.words[word::STARTED]);
        Self {
            outcome: Outcome::Died,
            ended,
            busy: busy_until(|word| call.words[word], ended),
            words: call.words,
            request_id: call.request_id().unwrap_or_default(),
            stages: stages_of_words(&call.words),
            fields: Vec::new(),
        }
    }
}
