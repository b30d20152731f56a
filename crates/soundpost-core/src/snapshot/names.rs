//! What positions in a directory mean to calls: operation, labels, stages; looked up when met, and kept. To the labels of
//! calls, and to the fields of log events, come those that are on everything of their process.

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::{Entry, FinishedCall, InFlightCall, Outcome, StageTime};
use crate::log::LogEvent;
use crate::registry::{CallSetRecord, LabelPairs, Meta, OVERFLOW};
use crate::segment::{Lookup, RawCall, RawStage, Record, RecordKind, Source, flag, stages_of_words, word};

/// An operation without a record, because the directory was full.
const UNKNOWN: &str = "unknown";

/// Names of one segment.
#[derive(Default)]
pub(super) struct Names {
    call_sets: HashMap<u32, Arc<CallSetRecord>>,
    stages: HashMap<u32, Arc<str>>,
    constant: Option<LabelPairs>,
}

impl Names {
    /// The finished call of a record in the ring.
    pub(super) fn finished(&mut self, source: &Source, entry: Entry) -> FinishedCall {
        let (operation, labels) = self.call_set(source, entry.call_set);
        let audible = entry.first_audio > 0;
        FinishedCall {
            request_id: entry.request_id,
            operation,
            labels,
            outcome: entry.outcome,
            pid: source.pid(entry.owner) as u32,
            segment: source.id(),
            ended_unix: entry.ended.wrapping_add(source.wall_offset()),
            started: entry.started,
            ended: entry.ended,
            busy: entry.busy,
            queued: (entry.queued > 0).then_some(entry.queued),
            first_audio: audible.then(|| entry.first_audio.saturating_sub(entry.started)),
            underrun: (audible && entry.streaming).then_some(entry.underrun),
            chunks: entry.chunks,
            audio_seconds: entry.audio,
            characters: entry.characters,
            streaming: entry.streaming,
            died_in: None,
            stages: self.stages(source, entry.stages.into_iter()),
            fields: entry.fields,
            gpu: None,
        }
    }

    /// The call that was in a slot when its process died, at about `ended`.
    pub(super) fn died(&mut self, source: &Source, call: &RawCall, ended: u64) -> FinishedCall {
        let get = |at: usize| call.words[at];
        let ended = ended.max(get(word::PROGRESS)).max(get(word::STARTED));
        let resumed = get(word::RESUMED);
        let running = if resumed == 0 { 0 } else { ended.saturating_sub(resumed) };
        let entry = Entry {
            outcome: Outcome::Died,
            slot: None,
            owner: call.owner(),
            call_set: get(word::CALL_SET) as u32,
            started: get(word::STARTED),
            ended,
            busy: get(word::BUSY).saturating_add(running),
            queued: get(word::QUEUED),
            first_audio: get(word::FIRST_AUDIO),
            underrun: get(word::UNDERRUN),
            chunks: get(word::CHUNKS),
            audio: f64::from_bits(get(word::AUDIO)),
            characters: get(word::CHARACTERS),
            streaming: get(word::FLAGS) & flag::STREAMING != 0,
            request_id: call.request_id().unwrap_or_default(),
            stages: stages_of_words(&call.words),
            fields: Vec::new(),
        };
        FinishedCall { died_in: self.stage_of(source, get(word::STAGE)), ..self.finished(source, entry) }
    }

    /// A call in flight.
    pub(super) fn in_flight(&mut self, source: &Source, call: &RawCall, now: u64) -> InFlightCall {
        let get = |at: usize| call.words[at];
        let (operation, labels) = self.call_set(source, get(word::CALL_SET) as u32);
        InFlightCall {
            request_id: call.request_id().unwrap_or_default(),
            operation,
            labels,
            pid: source.pid(call.owner()) as u32,
            started: get(word::STARTED),
            age: now.saturating_sub(get(word::STARTED)),
            since_progress: now.saturating_sub(get(word::PROGRESS)),
            stage: self.stage_of(source, get(word::STAGE)),
            chunks: get(word::CHUNKS),
            audio_seconds: f64::from_bits(get(word::AUDIO)),
        }
    }

    /// A log event with the constant labels among its fields, but for those whose name a field has.
    pub(super) fn labelled(&mut self, source: &Source, mut event: LogEvent) -> LogEvent {
        self.constant(source).iter().for_each(|(name, value)| event.label(name, value));
        event
    }

    fn call_set(&mut self, source: &Source, at: u32) -> (String, Vec<(String, String)>) {
        if !self.call_sets.contains_key(&at)
            && let Some(mut set) = record(source, at).as_ref().and_then(CallSetRecord::decode)
        {
            let own = set.labels.clone();
            let constant = self.constant(source).iter();
            let missing = constant.filter(|(name, _)| !own.iter().any(|(label, _)| label == name));
            set.labels = own.iter().chain(missing).cloned().collect();
            self.call_sets.insert(at, Arc::new(set));
        }
        let label = |(name, value): &(Box<str>, Box<str>)| (name.to_string(), value.to_string());
        match self.call_sets.get(&at) {
            Some(set) => (set.operation.clone(), set.labels.iter().map(label).collect()),
            None => (UNKNOWN.to_owned(), self.constant(source).iter().map(label).collect()),
        }
    }

    /// Labels on everything that is recorded in the segment: they are the first that its directory was told.
    fn constant(&mut self, source: &Source) -> &[(Box<str>, Box<str>)] {
        self.constant.get_or_insert_with(|| {
            let first = source.directory().read(0).take_while(|record| record.kind == RecordKind::Meta);
            let label = |record: Record| match Meta::decode(&record)? {
                Meta::Label { name, value } => Some((name.into(), value.into())),
                _ => None,
            };
            first.filter_map(label).collect()
        })
    }

    /// The name behind a slot's word for the stage it is in.
    fn stage_of(&mut self, source: &Source, word: u64) -> Option<String> {
        let at = u32::try_from(word.checked_sub(1)?).ok()?;
        Some(self.stage(source, at).to_string())
    }

    fn stages(&mut self, source: &Source, stages: impl Iterator<Item = RawStage>) -> Vec<StageTime> {
        stages
            .map(|stage| StageTime {
                name: self.stage(source, stage.at()).to_string(),
                count: stage.count(),
                failures: stage.failures(),
                nanos: stage.nanos,
            })
            .collect()
    }

    fn stage(&mut self, source: &Source, at: u32) -> Arc<str> {
        if let Some(name) = self.stages.get(&at) {
            return name.clone();
        }
        let record = record(source, at).filter(|record| record.kind == RecordKind::Stage);
        let name = record.and_then(|record| record.payload.reader().text());
        match name {
            Some(name) => self.stages.entry(at).or_insert_with(|| name.into()).clone(),
            None => OVERFLOW.into(),
        }
    }
}

fn record(source: &Source, at: u32) -> Option<Record> {
    match source.directory().get(at) {
        Lookup::Record(record) => Some(record),
        Lookup::Unfinished | Lookup::Damaged => None,
    }
}
