//! The record of a log event in the event ring.

use super::event::{Log, LogEvent};
use super::level::Level;
use crate::field::{self, Bytes, FieldValue, cut, packed};
use crate::registry::Kept;
use crate::segment::{Owner, Refused, Ring, Source};

/// Kind of a record in the ring.
const LOG_EVENT: u64 = 2;
/// Words before the texts.
const FIXED: usize = 6;
/// Longest message, bytes.
const MESSAGE: usize = 64 * 1024;
/// Longest of the other texts, bytes.
const TEXT: usize = 1024;
/// Bits of the length of one of those.
const BITS: u32 = 12;

/// A log event as its segment has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogEntry {
    pub(crate) owner: Owner,
    pub(crate) unix_nanos: u64,
    pub(crate) level: Level,
    pub(crate) line: Option<u32>,
    pub(crate) message: String,
    /// Logger, file, thread, request id, operation.
    pub(crate) texts: [String; 5],
    pub(crate) fields: Vec<(String, FieldValue)>,
}

/// Appends the record of an event; what of it there was no room for.
pub(super) fn append(log: &Log<'_>, unix_nanos: u64, owner: Owner, ring: Ring<'_>) -> Result<Kept, Refused> {
    let given = [log.logger, log.file, log.thread, log.request_id, log.operation];
    let texts = given.map(|text| cut(text, TEXT));
    let before = FIXED + texts.iter().map(|text| text.len().div_ceil(8)).sum::<usize>();
    let room = ring.largest().saturating_sub(before);
    // A small segment: half of the room is the message's, so that neither it nor the fields crowd out the other.
    let message = cut(log.message, MESSAGE.min(room / 2 * 8));
    let message_words = message.len().div_ceil(8);
    let words = log.fields.words();
    let room = room.saturating_sub(message_words);
    let (words, left) = if words.len() <= room { (words, 0) } else { field::fitting(words, room) };
    ring.append(owner, before + message_words + words.len(), |writer| {
        writer.put(LOG_EVENT | (log.level as u64) << 8 | u64::from(log.line.unwrap_or(0)) << 32);
        writer.put(owner.word());
        writer.put(unix_nanos);
        writer.put(message.len() as u64);
        let length =
            |texts: &[&str]| texts.iter().rev().fold(0, |lengths, text| lengths << BITS | text.len() as u64);
        writer.put(length(&texts));
        writer.put(words.len() as u64);
        texts.iter().chain([&message]).for_each(|text| packed(text).for_each(|word| writer.put(word)));
        words.iter().for_each(|word| writer.put(*word));
    })?;
    let cut = given.iter().zip(texts).filter(|(given, text)| given.len() > text.len()).count() as u64;
    let shortened = cut + u64::from(log.message.len() > message.len()) + log.fields.shortened();
    Ok(Kept { fields_left: left + log.fields.left(), shortened })
}

impl LogEntry {
    /// Reads a record; `None` when it is of another kind, or damaged.
    pub(crate) fn decode(payload: &[u64]) -> Option<Self> {
        let (fixed, mut rest) = payload.split_at_checked(FIXED)?;
        if fixed[0] & 0xFF != LOG_EVENT {
            return None;
        }
        let mut texts: [String; 5] = Default::default();
        let lengths = (0..).map(|index| (fixed[4] >> (index * BITS) & ((1 << BITS) - 1)) as usize);
        for (text, length) in texts.iter_mut().zip(lengths) {
            let (bytes, after) = Bytes::split(rest, length)?;
            (*text, rest) = (bytes.text()?, after);
        }
        let (message, rest) = Bytes::split(rest, usize::try_from(fixed[3]).ok()?)?;
        let (fields, _) = rest.split_at_checked(usize::try_from(fixed[5]).ok()?)?;
        let line = (fixed[0] >> 32) as u32;
        Some(Self {
            owner: Owner::from_word(fixed[1]),
            unix_nanos: fixed[2],
            level: *Level::ALL.get((fixed[0] >> 8 & 0xFF) as usize)?,
            line: (line > 0).then_some(line),
            message: message.text()?,
            texts,
            fields: field::decode(fields),
        })
    }

    /// The event of a record of this segment.
    pub(crate) fn event(self, source: &Source) -> LogEvent {
        let [logger, file, thread, request_id, operation] = self.texts;
        LogEvent {
            unix_nanos: self.unix_nanos,
            level: self.level,
            message: self.message,
            logger,
            file,
            line: self.line,
            thread,
            request_id,
            operation,
            pid: source.pid(self.owner) as u32,
            segment: source.id(),
            fields: self.fields,
        }
    }
}
