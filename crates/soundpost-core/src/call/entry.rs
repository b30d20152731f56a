//! The record of a finished call in the event ring.

use super::outcome::Outcome;
use super::set::Ended;
use crate::field::{self, FieldValue};
use crate::registry::Kept;
use crate::segment::{Owner, RawStage, Refused, Ring, Ticket, flag, stages_of, word};
use crate::sync::{AtomicU64, Ordering};

/// Kind of a record in the ring.
const FINISHED_CALL: u64 = 1;
/// Words before the request id.
const FIXED: usize = 13;

/// A finished call as its segment has it: names are positions in the directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) outcome: Outcome,
    /// The slot it was in; `None` when all were taken.
    pub(crate) slot: Option<Ticket>,
    pub(crate) owner: Owner,
    pub(crate) call_set: u32,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) busy: u64,
    pub(crate) queued: u64,
    pub(crate) first_audio: u64,
    pub(crate) underrun: u64,
    pub(crate) chunks: u64,
    pub(crate) audio: f64,
    pub(crate) characters: u64,
    pub(crate) streaming: bool,
    pub(crate) request_id: String,
    pub(crate) stages: Vec<RawStage>,
    pub(crate) fields: Vec<(String, FieldValue)>,
}

/// What the slot of a call says about its end.
pub(crate) struct Closing<'a> {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) slot: &'a [AtomicU64],
    pub(crate) words: &'a dyn Fn(usize) -> u64,
    pub(crate) ended: &'a Ended,
    pub(crate) fields: &'a [u64],
}

impl Closing<'_> {
    /// Appends the record; what of it there was no room for.
    #[inline]
    pub(crate) fn append(&self, ring: Ring<'_>) -> Result<Kept, Refused> {
        let get = self.words;
        let stages = stages_of(self.slot);
        let id_words = self.ended.id.used();
        let without_fields = FIXED + id_words.len() + 2 * stages.len();
        let room = ring.largest().saturating_sub(without_fields);
        let (fields, left) =
            if self.fields.len() <= room { (self.fields, 0) } else { field::fitting(self.fields, room) };
        let owner = Owner::from_word(get(word::OWNER));
        let length = without_fields + fields.len();
        ring.append(owner, length, |writer| {
            // Who finds the record unfinished finds the call.
            self.slot[word::RECORD_AT].store(writer.position() + 1, Ordering::Relaxed);
            let streaming = u64::from(get(word::FLAGS) & flag::STREAMING != 0);
            let kind = FINISHED_CALL | (self.ended.outcome as u64) << 8 | streaming << 16;
            writer.put(kind | (stages.len() as u64) << 24 | self.ended.id.length << 40);
            for value in [owner.word(), get(word::CALL_SET), get(word::STARTED), self.ended.now] {
                writer.put(value);
            }
            writer.put(self.ended.busy);
            writer.put(self.ticket.map_or(u64::MAX, Ticket::word));
            for value in
                [word::QUEUED, word::FIRST_AUDIO, word::UNDERRUN, word::CHUNKS, word::AUDIO, word::CHARACTERS]
            {
                writer.put(get(value));
            }
            id_words.iter().for_each(|word| writer.put(*word));
            for stage in stages.clone() {
                writer.put(stage.key);
                writer.put(stage.nanos);
            }
            fields.iter().for_each(|word| writer.put(*word));
        })?;
        Ok(Kept { fields_left: left, shortened: 0 })
    }
}

impl Entry {
    /// Reads a record; `None` when it is of another kind, or damaged.
    pub(crate) fn decode(payload: &[u64]) -> Option<Self> {
        let (fixed, rest) = payload.split_at_checked(FIXED)?;
        if fixed[0] & 0xFF != FINISHED_CALL {
            return None;
        }
        let id_length = (fixed[0] >> 40) as usize;
        let (id, rest) = rest.split_at_checked(id_length.div_ceil(8))?;
        let (stages, fields) = rest.split_at_checked((fixed[0] >> 24 & 0xFF) as usize * 2)?;
        let mut request_id: Vec<u8> = id.iter().flat_map(|word| word.to_le_bytes()).collect();
        request_id.truncate(id_length);
        Some(Self {
            outcome: *Outcome::ALL.get((fixed[0] >> 8 & 0xFF) as usize)?,
            streaming: fixed[0] >> 16 & 1 == 1,
            slot: Ticket::from_word(fixed[6]),
            owner: Owner::from_word(fixed[1]),
            call_set: fixed[2] as u32,
            started: fixed[3],
            ended: fixed[4],
            busy: fixed[5],
            queued: fixed[7],
            first_audio: fixed[8],
            underrun: fixed[9],
            chunks: fixed[10],
            audio: f64::from_bits(fixed[11]),
            characters: fixed[12],
            request_id: String::from_utf8(request_id).ok()?,
            stages: stages.chunks_exact(2).map(|pair| RawStage { key: pair[0], nanos: pair[1] }).collect(),
            fields: field::decode(fields),
        })
    }
}
