//! The directory: append-only records that describe the cells (families, series, label sets, names).
//!
//! A record has a head word, a checksum and a payload. The head contains the record's length and is set by
//! one compare-and-swap from 0, which reserves the place and shows where the next record begins. A second
//! store of the head commits. A writer killed in between leaves a reserved record, which readers skip.
//! Readers search past a damaged head, word by word, for a head with a valid checksum.

use super::checksum::checksum;
use super::layout::Layout;
use crate::sync::{AtomicU64, Ordering, fence};

const MARK: u64 = 0xA5C1;
const STATE_SHIFT: u32 = 32;
// States differ by two bits, so that one flipped bit never makes another state.
const RESERVED: u64 = 0b001;
const COMMITTED: u64 = 0b010;
const HIDDEN: u64 = 0b100;
/// Words of a record before its payload.
const PREFIX: usize = 2;
/// Maximum length of a record; limits how far a damaged length can move a reader.
const MAX_RECORD: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Fact about the segment: service, version, constant labels, merged segments.
    Meta,
    /// A metric family.
    Family,
    /// Help of a family, given after its registration.
    Describe,
    /// Series: labels and cells of a family.
    Series,
    /// Operation and label values of calls.
    Operation,
    /// Name of a stage.
    Stage,
}

impl RecordKind {
    fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Meta,
            2 => Self::Family,
            3 => Self::Describe,
            4 => Self::Series,
            5 => Self::Operation,
            6 => Self::Stage,
            _ => return None,
        })
    }

    fn code(self) -> u64 {
        match self {
            Self::Meta => 1,
            Self::Family => 2,
            Self::Describe => 3,
            Self::Series => 4,
            Self::Operation => 5,
            Self::Stage => 6,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Record {
    /// Position of the head, words from the directory's start; other records refer to it.
    pub(crate) at: u32,
    pub(crate) kind: RecordKind,
    pub(crate) payload: Payload,
}

#[derive(Clone, Copy)]
pub(crate) struct Directory<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Directory<'a> {
    pub(crate) fn new(segment: &'a [AtomicU64], layout: &Layout) -> Self {
        let end = (layout.directory + layout.directory_words).min(segment.len());
        Self { words: segment.get(layout.directory..end).unwrap_or_default() }
    }

    /// Appends a record at the first free place from `hint` on; `None` when the directory is full.
    pub(crate) fn append(&self, hint: u32, kind: RecordKind, payload: &Payload) -> Option<u32> {
        self.append_before(hint, kind, payload, 0)
    }

    /// Appends a record and leaves `reserved` words free; `None` without so much room.
    pub(crate) fn append_before(
        &self,
        hint: u32,
        kind: RecordKind,
        payload: &Payload,
        reserved: usize,
    ) -> Option<u32> {
        let length = payload.record_words();
        if length > MAX_RECORD {
            return None;
        }
        let open = self.words.get(..self.words.len().checked_sub(reserved)?)?;
        let mut at = hint as usize;
        loop {
            let head = open.get(at..at.checked_add(length)?)?.first()?;
            let reserved = Head { kind, state: RESERVED, length }.encode();
            match head.compare_exchange(0, reserved, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.words[at + 1].store(record_checksum(kind, &payload.words), Ordering::Relaxed);
                    for (word, value) in self.words[at + PREFIX..].iter().zip(&payload.words) {
                        word.store(*value, Ordering::Relaxed);
                    }
                    head.store(Head { kind, state: COMMITTED, length }.encode(), Ordering::Release);
                    return Some(at as u32);
                }
                Err(taken) => at += Head::decode(taken).map_or(1, |head| head.length),
            }
        }
    }

    /// Returns a scan of the records from a position on.
    pub(crate) fn read(&self, from: u32) -> Scan<'a> {
        Scan { words: self.words, at: from as usize, damaged: 0, stuck: false, unfinished: Vec::new() }
    }

    /// Reads the record at a position.
    pub(crate) fn get(&self, at: u32) -> Lookup {
        match read_record(self.words, at as usize) {
            Ok((record, _)) => Lookup::Record(record),
            Err(Unreadable::Reserved(_)) => Lookup::Unfinished,
            Err(Unreadable::End | Unreadable::Damaged) => Lookup::Damaged,
        }
    }

    /// Hides a record from the exposition, or shows it again. Returns false if nothing changed.
    pub(crate) fn set_hidden(&self, at: u32, hidden: bool) -> bool {
        let Some(word) = self.words.get(at as usize) else { return false };
        let Some(head) = Head::decode(word.load(Ordering::Acquire)) else { return false };
        let (before, after) = if hidden { (COMMITTED, HIDDEN) } else { (HIDDEN, COMMITTED) };
        let head = |state| Head { state, ..head }.encode();
        word.compare_exchange(head(before), head(after), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Reports whether the record at a position is exposed.
    pub(crate) fn is_exposed(&self, at: u32) -> bool {
        let head = self.words.get(at as usize).and_then(|word| Head::decode(word.load(Ordering::Acquire)));
        head.is_some_and(|head| head.state == COMMITTED)
    }
}

#[derive(Clone, Copy)]
struct Head {
    kind: RecordKind,
    state: u64,
    length: usize,
}

impl Head {
    fn encode(self) -> u64 {
        MARK << 48 | self.kind.code() << 40 | self.state << STATE_SHIFT | self.length as u64
    }

    fn decode(word: u64) -> Option<Self> {
        let length = (word & 0xFFFF_FFFF) as usize;
        let state = word >> STATE_SHIFT & 0xFF;
        let kind = RecordKind::from_code(word >> 40 & 0xFF)?;
        let sound = word >> 48 == MARK
            && (PREFIX..=MAX_RECORD).contains(&length)
            && [RESERVED, COMMITTED, HIDDEN].contains(&state);
        sound.then_some(Self { kind, state, length })
    }
}

pub(crate) enum Lookup {
    Record(Record),
    /// Reserved: its writer is running or was killed.
    Unfinished,
    Damaged,
}

enum Unreadable {
    End,
    Reserved(usize),
    Damaged,
}

fn read_record(words: &[AtomicU64], at: usize) -> Result<(Record, usize), Unreadable> {
    let head = words.get(at).ok_or(Unreadable::End)?.load(Ordering::Acquire);
    if head == 0 {
        return Err(Unreadable::End);
    }
    let head = Head::decode(head).ok_or(Unreadable::Damaged)?;
    if head.state == RESERVED {
        return Err(Unreadable::Reserved(head.length));
    }
    let body = words.get(at + 1..at + head.length).ok_or(Unreadable::Damaged)?;
    let sum = body[0].load(Ordering::Relaxed);
    let payload: Vec<u64> = body[1..].iter().map(|word| word.load(Ordering::Relaxed)).collect();
    fence(Ordering::Acquire);
    if record_checksum(head.kind, &payload) != sum {
        return Err(Unreadable::Damaged);
    }
    let payload = Payload { words: payload };
    let record = Record { at: at as u32, kind: head.kind, payload };
    Ok((record, at + head.length))
}

pub(crate) struct Scan<'a> {
    words: &'a [AtomicU64],
    at: usize,
    damaged: u64,
    stuck: bool,
    unfinished: Vec<u32>,
}

impl Scan<'_> {
    /// Returns the position of the next scan: after the last record.
    pub(crate) fn position(&self) -> u32 {
        self.at as u32
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Reports whether the scan ended in a damaged region, which the next scan meets again.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Returns the reserved records that were skipped.
    pub(crate) fn unfinished(self) -> Vec<u32> {
        self.unfinished
    }

    /// Moves to the next position with a valid record, after a damaged one.
    fn resynchronise(&mut self) -> bool {
        let start = self.at + 1;
        let found = (start..self.words.len())
            .find(|at| matches!(read_record(self.words, *at), Ok(_) | Err(Unreadable::Reserved(_))));
        self.damaged += 1;
        self.at = found.unwrap_or(self.at);
        self.stuck = found.is_none();
        found.is_some()
    }
}

impl Iterator for Scan<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            match read_record(self.words, self.at) {
                Ok((record, next)) => {
                    self.at = next;
                    return Some(record);
                }
                Err(Unreadable::End) => return None,
                Err(Unreadable::Reserved(length)) => {
                    self.unfinished.push(self.at as u32);
                    self.at += length;
                }
                Err(Unreadable::Damaged) => {
                    if !self.resynchronise() {
                        return None;
                    }
                }
            }
        }
    }
}

/// Returns the checksum of a record. It includes the kind, so that no record can be read as another kind.
fn record_checksum(kind: RecordKind, words: &[u64]) -> u64 {
    checksum(kind.code(), words.iter().copied().chain([words.len() as u64]))
}

/// Words of a record, written and read in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Payload {
    words: Vec<u64>,
}

impl Payload {
    pub(crate) fn word(mut self, value: u64) -> Self {
        self.words.push(value);
        self
    }

    /// Adds a length and the bytes, eight to a word.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.words.push(text.len() as u64);
        self.words.extend(text.as_bytes().chunks(8).map(|chunk| {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(bytes)
        }));
        self
    }

    /// Adds two texts: a word with both lengths, and the bytes of both.
    pub(crate) fn pair(mut self, first: &str, second: &str) -> Self {
        self.words.push(first.len() as u64 | (second.len() as u64) << 32);
        let mut bytes = first.bytes().chain(second.bytes()).peekable();
        while bytes.peek().is_some() {
            let mut word = [0; 8];
            word.iter_mut().zip(&mut bytes).for_each(|(place, byte)| *place = byte);
            self.words.push(u64::from_le_bytes(word));
        }
        self
    }

    /// Returns the length of a record with this payload, words.
    pub(crate) fn record_words(&self) -> usize {
        PREFIX + self.words.len()
    }

    pub(crate) fn reader(&self) -> PayloadReader<'_> {
        PayloadReader { words: &self.words }
    }
}

/// Reads a payload; every method returns `None` when the words do not contain the requested value.
pub(crate) struct PayloadReader<'a> {
    words: &'a [u64],
}

impl PayloadReader<'_> {
    pub(crate) fn word(&mut self) -> Option<u64> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(*first)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.word()?).ok()?;
        String::from_utf8(self.bytes(length)?).ok()
    }

    /// Reads two texts written by [`Payload::pair`].
    pub(crate) fn pair(&mut self) -> Option<(String, String)> {
        let lengths = self.word()?;
        let (first, second) = ((lengths & 0xFFFF_FFFF) as usize, (lengths >> 32) as usize);
        let mut bytes = self.bytes(first.checked_add(second)?)?;
        let second = bytes.split_off(first);
        Some((String::from_utf8(bytes).ok()?, String::from_utf8(second).ok()?))
    }

    fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let (words, rest) = self.words.split_at_checked(length.div_ceil(8))?;
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(length);
        self.words = rest;
        Some(bytes)
    }

    /// Reads a count limited by the remaining words, so that a damaged one cannot cause a large allocation.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.word()?).ok()?;
        self.at_most(count)
    }

    /// Returns `count` if that many words remain.
    pub(crate) fn at_most(&self, count: usize) -> Option<usize> {
        (count <= self.words.len()).then_some(count)
    }
}
