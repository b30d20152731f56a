//! The series of one operation and one set of label values, resolved once.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use super::end::CallEnd;
use super::field::Fields;
use super::levels::AudioLevels;
use super::metrics::RequestMetrics;
use super::outcome::{Outcome, Status};
use super::record::CallRecordWriter;
use crate::clock::seconds;
use crate::registry::{
    AppendMap, Counter, FamilyCore, Histogram, LabelPairs, OVERFLOW, OperationRecord, Registry, hash_of,
    label_value,
};
use crate::segment::{IdWords, Payload, RecordKind, flag, set_once, slow_path, word};
use crate::sync::{AtomicU64, Ordering};

/// Series that calls of one operation with the same label values record to; each is made on its first use.
pub(crate) struct OperationSeries {
    pub(crate) registry: Arc<Registry>,
    pub(crate) fields: Arc<Fields>,
    pub(crate) metrics: Arc<RequestMetrics>,
    /// Position of the directory record that calls in flight refer to.
    pub(crate) at: u32,
    pub(crate) operation: Arc<str>,
    labels: LabelPairs,
    /// Whether the process has begun a call of the operation.
    has_begun: Arc<AtomicBool>,
    totals: [OnceLock<Counter>; Outcome::ALL.len()],
    durations: [OnceLock<Histogram>; Status::ALL.len()],
    own: OwnSeries,
    stages: AppendMap<Box<str>, Arc<StageSeries>>,
    /// Number of calls in flight in the forwarding recorder; this registry reads it from the slots.
    forwarded_in_flight: Option<metrics::Gauge>,
}

/// Series with no more labels than those of the operation.
#[derive(Default)]
struct OwnSeries {
    busy: OnceLock<Histogram>,
    queue: OnceLock<Histogram>,
    first_audio: OnceLock<Histogram>,
    chunk_gap: OnceLock<Histogram>,
    underrun: OnceLock<Histogram>,
    real_time_factor: OnceLock<Histogram>,
    audio_seconds: OnceLock<Counter>,
    characters: OnceLock<Counter>,
    seconds_per_character: OnceLock<Histogram>,
    video_seconds: OnceLock<Counter>,
    clipped: OnceLock<Histogram>,
    silence: OnceLock<Histogram>,
}

/// Series that stages of one name record to.
pub(crate) struct StageSeries {
    /// Position of the directory record with the name.
    pub(crate) at: u32,
    pub(crate) duration: Histogram,
    pub(crate) failures: Counter,
}

impl OperationSeries {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        metrics: &Arc<RequestMetrics>,
        fields: &Arc<Fields>,
        operation: &Arc<str>,
        labels: LabelPairs,
        has_begun: &Arc<AtomicBool>,
    ) -> Self {
        let record = OperationRecord { operation: operation.to_string(), labels: labels.clone() };
        let at = registry.append_operation(&record);
        Self {
            registry: registry.clone(),
            metrics: metrics.clone(),
            fields: fields.clone(),
            at,
            operation: operation.clone(),
            forwarded_in_flight: registry.forwarded_gauge(
                &format!("{}_requests_in_flight", registry.identity().prefix()),
                labels.iter().map(|(name, value)| (&**name, &**value)).chain([("operation", &**operation)]),
            ),
            labels,
            has_begun: has_begun.clone(),
            totals: Default::default(),
            durations: Default::default(),
            own: OwnSeries::default(),
            stages: AppendMap::new(),
        }
    }

    /// Reports whether these are the series of label values beyond the limit.
    pub(crate) fn is_overflow(&self) -> bool {
        self.labels.iter().any(|(_, value)| **value == *OVERFLOW)
    }

    /// Reports whether no call of the operation began in this process before.
    #[inline]
    pub(crate) fn is_first_call(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        !self.has_begun.load(Relaxed) && !self.has_begun.swap(true, Relaxed)
    }

    /// Counts the start of a call in the forwarding recorder.
    #[inline]
    pub(crate) fn record_start(&self) {
        if let Some(gauge) = &self.forwarded_in_flight {
            gauge.increment(1.0);
        }
    }

    /// Reverts [`OperationSeries::record_start`].
    #[inline]
    pub(crate) fn record_discarded(&self) {
        if let Some(gauge) = &self.forwarded_in_flight {
            gauge.decrement(1.0);
        }
    }

    /// Appends the record of a call that ends to the event ring. A process killed before this leaves a call that
    /// died, a process killed after it a call that ended.
    #[inline]
    pub(crate) fn append(
        &self,
        slot: &[AtomicU64],
        words: &dyn Fn(usize) -> u64,
        end: &CallEnd,
        fields: &[u64],
    ) {
        let appended = CallRecordWriter { slot, words, end, fields }.append(self.registry.segment().ring());
        slot[word::RECORDED].store(1, Ordering::Relaxed);
        self.registry.count_event(appended);
    }

    /// Records the end of a call from the words of its slot. Calls `count` right before it counts the outcome.
    #[inline]
    pub(crate) fn record_end(&self, slot: impl Fn(usize) -> u64, count: impl FnOnce(), end: &CallEnd) {
        self.record_discarded();
        if slot(word::FLAGS) & flag::WARMUP != 0 {
            return count();
        }
        let CallEnd { outcome, now, busy, id } = end;
        let duration = now.saturating_sub(slot(word::STARTED));
        let total = self.total(*outcome);
        count();
        total.add(1);
        self.duration(outcome.status()).observe_exemplar(seconds(duration), id, *now);
        self.histogram(&self.own.busy, &self.metrics.busy).observe(seconds(*busy));
        let queued = slot(word::QUEUED);
        if queued > 0 {
            self.histogram(&self.own.queue, &self.metrics.queue).observe(seconds(queued));
        }
        let characters = slot(word::CHARACTERS);
        if characters > 0 {
            self.counter(&self.own.characters, &self.metrics.characters).add(characters);
        }
        let audio = f64::from_bits(slot(word::AUDIO));
        if audio > 0.0 {
            self.counter(&self.own.audio_seconds, &self.metrics.audio_seconds).increment_by(audio);
            let factor = seconds(*busy) / audio;
            let family = &self.metrics.real_time_factor;
            self.histogram(&self.own.real_time_factor, family).observe_exemplar(factor, id, *now);
            if characters > 0 {
                let family = &self.metrics.seconds_per_character;
                self.histogram(&self.own.seconds_per_character, family).observe(audio / characters as f64);
            }
        }
        let video = f64::from_bits(slot(word::VIDEO));
        if video > 0.0 {
            self.counter(&self.own.video_seconds, &self.metrics.video_seconds).increment_by(video);
        }
        let streams = slot(word::FLAGS) & (flag::STREAMING | flag::UNKNOWN_LENGTH) == flag::STREAMING;
        if slot(word::FIRST_AUDIO) > 0 && streams {
            let underrun = seconds(slot(word::UNDERRUN));
            self.histogram(&self.own.underrun, &self.metrics.underrun).observe(underrun);
        }
    }

    pub(crate) fn record_levels(&self, levels: &AudioLevels) {
        self.histogram(&self.own.clipped, &self.metrics.clipped).observe(levels.clipped_ratio());
        self.histogram(&self.own.silence, &self.metrics.silence).observe(levels.silence_ratio());
    }

    #[inline]
    pub(crate) fn record_first_audio(&self, nanos: u64, id: &IdWords, now: u64) {
        let family = &self.metrics.first_audio;
        self.histogram(&self.own.first_audio, family).observe_exemplar(seconds(nanos), id, now);
    }

    #[inline]
    pub(crate) fn record_chunk_gap(&self, nanos: u64) {
        self.histogram(&self.own.chunk_gap, &self.metrics.chunk_gap).observe(seconds(nanos));
    }

    /// Returns the series of a stage. Names beyond the series limit share one.
    pub(crate) fn stage(&self, name: &str) -> Arc<StageSeries> {
        let given = name;
        let name = label_value(given);
        let find = || self.stages.get(hash_of(name), |key| **key == *name).cloned();
        if let Some(stage) = find() {
            return stage;
        }
        if self.stages.len() >= self.registry.options().series_limit && name != OVERFLOW {
            self.registry.count_overflow();
            return self.stage(OVERFLOW);
        }
        self.registry.count_cut([given]);
        let labels = self.labels_with(&[("operation", &self.operation), ("stage", name)]);
        let stage = StageSeries {
            at: self.registry.append(RecordKind::Stage, &Payload::default().text(name)).unwrap_or(u32::MAX),
            duration: self.registry.histogram(&self.metrics.stage_duration, labels.clone()),
            failures: self.registry.counter(&self.metrics.stage_failure, labels),
        };
        let slow = slow_path();
        find()
            .unwrap_or_else(|| self.stages.insert(&slow, hash_of(name), name.into(), Arc::new(stage)).clone())
    }

    pub(crate) fn set_unhealthy(&self, reason: &str) {
        self.metrics.set_unhealthy(&self.registry, reason, true);
    }

    #[inline]
    fn total(&self, outcome: Outcome) -> &Counter {
        let cell = &self.totals[outcome as usize];
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[
                ("operation", &self.operation),
                ("status", outcome.status().name()),
                ("outcome", outcome.name()),
            ]);
            set_once(cell, self.registry.counter(&self.metrics.total, labels))
        })
    }

    #[inline]
    fn duration(&self, status: Status) -> &Histogram {
        let cell = &self.durations[status as usize];
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[("operation", &self.operation), ("status", status.name())]);
            set_once(cell, self.registry.histogram(&self.metrics.duration, labels))
        })
    }

    #[inline]
    fn histogram<'a>(&self, cell: &'a OnceLock<Histogram>, family: &Arc<FamilyCore>) -> &'a Histogram {
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[("operation", &self.operation)]);
            set_once(cell, self.registry.histogram(family, labels))
        })
    }

    #[inline]
    fn counter<'a>(&self, cell: &'a OnceLock<Counter>, family: &Arc<FamilyCore>) -> &'a Counter {
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[("operation", &self.operation)]);
            set_once(cell, self.registry.counter(family, labels))
        })
    }

    #[cold]
    fn labels_with(&self, own: &[(&str, &str)]) -> LabelPairs {
        let own = own.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let mut labels: Vec<(Box<str>, Box<str>)> = self.labels.iter().cloned().chain(own).collect();
        labels.sort();
        labels.into()
    }
}
