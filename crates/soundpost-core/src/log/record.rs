//! The record of a log event in the event ring.

use super::event::{Log, LogEvent, TEXTS};
use super::level::Level;
use crate::clock;
use crate::field::{self, Bytes, cut, packed};
use crate::registry::{Registry, Truncation};
use crate::segment::{EventRing, Owner, Refused, Source};

/// Kind of the record in the ring.
const LOG_EVENT: u64 = 2;
/// Maximum length of the message, bytes.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Maximum length of each other text, bytes.
const TEXT_BYTES: usize = 1024;
/// Bits of the length of such a text.
const LENGTH_BITS: usize = 12;
/// Lengths in one word.
const LENGTHS_PER_WORD: usize = 5;
/// Words before the lengths of the texts.
const FIXED: usize = 5;
/// Words before the texts.
const PREFIX: usize = FIXED + TEXTS.div_ceil(LENGTHS_PER_WORD);

impl Log<'_> {
    /// Records the event, which from here on survives the process. Without room it is dropped and counted in
    /// `soundpost_events_dropped_total`. Never fails, blocks or allocates.
    pub fn record(&self, registry: &Registry) {
        let segment = registry.segment();
        registry.count_event(self.append(segment.owner(), segment.ring()));
    }

    /// Appends the record of the event.
    fn append(&self, owner: Owner, ring: EventRing<'_>) -> Result<Truncation, Refused> {
        let given = self.texts();
        let texts = given.map(|text| cut(text, TEXT_BYTES));
        let before = PREFIX + texts.iter().map(|text| text.len().div_ceil(8)).sum::<usize>();
        let room = ring.largest().saturating_sub(before);
        // In a small segment the message gets half of the room, so that message and fields both have some.
        let message = cut(self.message, MESSAGE_BYTES.min(room / 2 * 8));
        let message_words = message.len().div_ceil(8);
        let words = self.fields.words();
        let room = room.saturating_sub(message_words);
        let (words, left) = if words.len() <= room { (words, 0) } else { field::fitting(words, room) };
        let unix_nanos = self.unix_nanos.unwrap_or_else(clock::unix_nanos);
        ring.append(owner, before + message_words + words.len(), |writer| {
            writer.put(LOG_EVENT | (self.level as u64) << 8 | u64::from(self.line.unwrap_or(0)) << 32);
            writer.put(owner.word());
            writer.put(unix_nanos);
            writer.put(message.len() as u64);
            writer.put(words.len() as u64);
            for texts in texts.chunks(LENGTHS_PER_WORD) {
                let lengths = texts.iter().rev();
                writer.put(lengths.fold(0, |word, text| word << LENGTH_BITS | text.len() as u64));
            }
            texts.iter().chain([&message]).for_each(|text| packed(text).for_each(|word| writer.put(word)));
            words.iter().for_each(|word| writer.put(*word));
        })?;
        let cut = given.iter().zip(texts).filter(|(given, text)| given.len() > text.len()).count() as u64;
        let shortened = cut + u64::from(self.message.len() > message.len()) + self.fields.shortened();
        Ok(Truncation { fields_left: left + self.fields.left(), shortened })
    }
}

impl LogEvent {
    /// Reads a record of a segment; `None` when it is of another kind or damaged.
    pub(crate) fn decode(payload: &[u64], source: &Source) -> Option<Self> {
        let (prefix, mut rest) = payload.split_at_checked(PREFIX)?;
        let (fixed, lengths) = prefix.split_at(FIXED);
        if fixed[0] & 0xFF != LOG_EVENT {
            return None;
        }
        let mut texts: [String; TEXTS] = Default::default();
        for (index, text) in texts.iter_mut().enumerate() {
            let shift = index % LENGTHS_PER_WORD * LENGTH_BITS;
            let length = lengths[index / LENGTHS_PER_WORD] >> shift & ((1 << LENGTH_BITS) - 1);
            let (bytes, after) = Bytes::split(rest, length as usize)?;
            (*text, rest) = (bytes.text()?, after);
        }
        let (message, rest) = Bytes::split(rest, usize::try_from(fixed[3]).ok()?)?;
        let (fields, _) = rest.split_at_checked(usize::try_from(fixed[4]).ok()?)?;
        let line = (fixed[0] >> 32) as u32;
        let [logger, file, thread, request_id, operation] = texts;
        Some(Self {
            unix_nanos: fixed[2],
            level: *Level::ALL.get((fixed[0] >> 8 & 0xFF) as usize)?,
            message: message.text()?,
            logger,
            file,
            line: (line > 0).then_some(line),
            thread,
            request_id,
            operation,
            origin: None,
            pid: source.pid(Owner::from_word(fixed[1])) as u32,
            segment: source.id(),
            fields: field::decode(fields),
        })
    }
}
