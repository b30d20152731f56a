//! Names behind positions in a directory: operations, labels, stages. Constant labels are added to the labels
//! of calls and the fields of log events.

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::{CallOrigin, CallRecord, FinishedCall, InFlightCall, StageTime};
use crate::log::LogEvent;
use crate::registry::{LabelPairs, Meta, OVERFLOW, OperationRecord, RecordOrigin};
use crate::segment::{Lookup, Owner, RawCall, RawStage, Record, RecordKind, Source, word};

/// Operation of a call whose record did not fit the directory.
const UNKNOWN: &str = "unknown";

#[derive(Default)]
pub(super) struct Names {
    operations: HashMap<u32, Arc<OperationRecord>>,
    stages: HashMap<u32, Arc<str>>,
    constant: Option<LabelPairs>,
    origin: Option<Arc<RecordOrigin>>,
    /// Instance of segments without one.
    instance: String,
}

impl Names {
    pub(super) fn new(instance: String) -> Self {
        Self { instance, ..Self::default() }
    }

    pub(super) fn finished(&mut self, source: &Source, record: CallRecord) -> FinishedCall {
        self.resolved(source, record, None)
    }

    /// Returns the call that was in a slot when its process died, at about `ended`.
    pub(super) fn died(&mut self, source: &Source, call: &RawCall, ended: u64) -> FinishedCall {
        let died_in = self.stage_of(source, call.words[word::STAGE]);
        self.resolved(source, CallRecord::of_died(call, ended), died_in)
    }

    fn resolved(&mut self, source: &Source, record: CallRecord, died_in: Option<String>) -> FinishedCall {
        let (operation, labels) = self.operation_at(source, record.words[word::OPERATION] as u32);
        let origin = CallOrigin {
            operation,
            labels,
            stages: self.stages(source, &record.stages),
            died_in,
            origin: self.origin(source),
            pid: source.pid(Owner::from_word(record.words[word::OWNER])) as u32,
            segment: source.id(),
            wall_offset: source.wall_offset(),
        };
        FinishedCall::new(record, origin)
    }

    pub(super) fn in_flight(&mut self, source: &Source, call: &RawCall, now: u64) -> InFlightCall {
        let get = |at: usize| call.words[at];
        let (operation, labels) = self.operation_at(source, get(word::OPERATION) as u32);
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

    /// Returns a log event with its origin, and the constant labels among its fields, except those whose name is taken.
    pub(super) fn labelled(&mut self, source: &Source, mut event: LogEvent) -> LogEvent {
        self.constant(source).iter().for_each(|(name, value)| event.add_label(name, value));
        event.origin = self.origin(source);
        event
    }

    fn operation_at(&mut self, source: &Source, at: u32) -> (String, Vec<(String, String)>) {
        if !self.operations.contains_key(&at)
            && let Some(mut set) = record(source, at).as_ref().and_then(OperationRecord::decode)
        {
            let own = set.labels.clone();
            let constant = self.constant(source).iter();
            let missing = constant.filter(|(name, _)| !own.iter().any(|(label, _)| label == name));
            set.labels = own.iter().chain(missing).cloned().collect();
            self.operations.insert(at, Arc::new(set));
        }
        let label = |(name, value): &(Box<str>, Box<str>)| (name.to_string(), value.to_string());
        match self.operations.get(&at) {
            Some(set) => (set.operation.clone(), set.labels.iter().map(label).collect()),
            None => (UNKNOWN.to_owned(), self.constant(source).iter().map(label).collect()),
        }
    }

    /// Returns the constant labels of the segment.
    fn constant(&mut self, source: &Source) -> &[(Box<str>, Box<str>)] {
        self.constant.get_or_insert_with(|| {
            let label = |meta: Meta| match meta {
                Meta::Label { name, value } => Some((name.into(), value.into())),
                _ => None,
            };
            first_metas(source).filter_map(label).collect()
        })
    }

    /// Returns the version and the instance of the segment; `None` where its identity is damaged.
    fn origin(&mut self, source: &Source) -> Option<Arc<RecordOrigin>> {
        if self.origin.is_none() {
            let identity = first_metas(source).find_map(|meta| match meta {
                Meta::Service { version, instance, .. } => Some(RecordOrigin { version, instance }),
                _ => None,
            });
            self.origin = identity.map(|mut origin| {
                if origin.instance.is_empty() {
                    origin.instance.clone_from(&self.instance);
                }
                Arc::new(origin)
            });
        }
        self.origin.clone()
    }

    fn stage_of(&mut self, source: &Source, word: u64) -> Option<String> {
        let at = u32::try_from(word.checked_sub(1)?).ok()?;
        Some(self.stage(source, at).to_string())
    }

    fn stages(&mut self, source: &Source, stages: &[RawStage]) -> Vec<StageTime> {
        stages
            .iter()
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

/// Returns the facts about the segment, which are the first records of its directory.
fn first_metas(source: &Source) -> impl Iterator<Item = Meta> {
    let first = source.directory().read(0).take_while(|record| record.kind == RecordKind::Meta);
    first.filter_map(|record| Meta::decode(&record))
}

fn record(source: &Source, at: u32) -> Option<Record> {
    match source.directory().get(at) {
        Lookup::Record(record) => Some(record),
        Lookup::Unfinished | Lookup::Damaged => None,
    }
}
