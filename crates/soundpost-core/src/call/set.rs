//! Call sets: everything calls of one operation with the same label values record to, resolved once.

use std::sync::{Arc, OnceLock};

use super::entry::Closing;
use super::field::Fields;
use super::metrics::RequestMetrics;
use super::outcome::{Outcome, Status};
use super::stage::StageSet;
use crate::clock::seconds;
use crate::registry::{
    AppendMap, CallSetRecord, Counter, FamilyCore, Histogram, LabelPairs, OVERFLOW, Registry, hash_of,
};
use crate::segment::{IdWords, RecordKind, Ticket, flag, set_once, slow_path, word};
use crate::sync::{AtomicU64, Ordering};

/// Series of one operation and one set of label values; each is made when it is first needed.
pub(crate) struct CallSet {
    pub(crate) registry: Arc<Registry>,
    pub(crate) fields: Arc<Fields>,
    pub(crate) metrics: Arc<RequestMetrics>,
    /// Position of its record, which calls in flight point to.
    pub(crate) at: u32,
    pub(crate) operation: Arc<str>,
    labels: LabelPairs,
    totals: [OnceLock<Counter>; Outcome::ALL.len()],
    durations: [OnceLock<Histogram>; Status::ALL.len()],
    busy: OnceLock<Histogram>,
    queue: OnceLock<Histogram>,
    first_audio: OnceLock<Histogram>,
    chunk_gap: OnceLock<Histogram>,
    underrun: OnceLock<Histogram>,
    real_time_factor: OnceLock<Histogram>,
    audio_seconds: OnceLock<Counter>,
    characters: OnceLock<Counter>,
    stages: AppendMap<Box<str>, Arc<StageSet>>,
    /// The number of calls in flight in somebody else's recorder; ours is read from the slots.
    mirrored_in_flight: Option<metrics::Gauge>,
}

/// How a call ended, as numbers; read from its slot by whoever won the right to end it.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) now: u64,
    pub(crate) busy: u64,
    pub(crate) id: IdWords,
}

impl Ended {
    #[inline]
    pub(crate) fn new(slot: impl Fn(usize) -> u64, outcome: Outcome, now: u64, id: IdWords) -> Self {
        let resumed = slot(word::RESUMED);
        let running = if resumed == 0 { 0 } else { now.saturating_sub(resumed) };
        Self { outcome, now, busy: slot(word::BUSY) + running, id }
    }
}

impl CallSet {
    pub(crate) fn new(
        registry: &Arc<Registry>,
        metrics: &Arc<RequestMetrics>,
        fields: &Arc<Fields>,
        operation: &Arc<str>,
        labels: LabelPairs,
    ) -> Self {
        let record = CallSetRecord { operation: operation.to_string(), labels: labels.clone() };
        // A full directory costs the call in flight its name, not the call.
        let at = registry.append(RecordKind::CallSet, &record.encode()).unwrap_or(u32::MAX);
        Self {
            registry: registry.clone(),
            metrics: metrics.clone(),
            fields: fields.clone(),
            at,
            operation: operation.clone(),
            mirrored_in_flight: registry.mirror_gauge(
                &format!("{}_requests_in_flight", registry.identity().prefix()),
                labels.iter().map(|(name, value)| (&**name, &**value)).chain([("operation", &**operation)]),
            ),
            labels,
            totals: Default::default(),
            durations: Default::default(),
            busy: OnceLock::new(),
            queue: OnceLock::new(),
            first_audio: OnceLock::new(),
            chunk_gap: OnceLock::new(),
            underrun: OnceLock::new(),
            real_time_factor: OnceLock::new(),
            audio_seconds: OnceLock::new(),
            characters: OnceLock::new(),
            stages: AppendMap::new(),
        }
    }

    /// Counts a call that starts; calls in flight are otherwise read from the slots.
    #[inline]
    pub(crate) fn record_start(&self) {
        if let Some(gauge) = &self.mirrored_in_flight {
            gauge.increment(1.0);
        }
    }

    /// Takes back what [`CallSet::record_start`] counted.
    pub(crate) fn record_discarded(&self) {
        if let Some(gauge) = &self.mirrored_in_flight {
            gauge.decrement(1.0);
        }
    }

    /// Appends the record of a call that ends to the event ring. A process killed behind it left a call that
    /// ended, one killed before it a call that died.
    #[inline]
    pub(crate) fn append(
        &self,
        ticket: Option<Ticket>,
        slot: &[AtomicU64],
        words: &dyn Fn(usize) -> u64,
        ended: &Ended,
        fields: &[u64],
    ) {
        let appended = Closing { ticket, slot, words, ended, fields }.append(self.registry.segment().ring());
        slot[word::RECORDED].store(1, Ordering::Relaxed);
        self.registry.count_event(appended);
    }

    /// Records the end of a call from the words of its slot. `count` is called right before the outcome is
    /// counted.
    #[inline]
    pub(crate) fn record_end(&self, slot: impl Fn(usize) -> u64, count: impl FnOnce(), ended: &Ended) {
        if let Some(gauge) = &self.mirrored_in_flight {
            gauge.decrement(1.0);
        }
        let Ended { outcome, now, busy, .. } = *ended;
        let duration = now.saturating_sub(slot(word::STARTED));
        let total = self.total(outcome);
        count();
        total.increment(1);
        self.duration(outcome.status()).observe_exemplar(seconds(duration), &ended.id, now);
        self.histogram(&self.busy, &self.metrics.busy).observe(seconds(busy));
        let queued = slot(word::QUEUED);
        if queued > 0 {
            self.histogram(&self.queue, &self.metrics.queue).observe(seconds(queued));
        }
        let characters = slot(word::CHARACTERS);
        if characters > 0 {
            self.counter(&self.characters, &self.metrics.characters).increment(characters);
        }
        let audio = f64::from_bits(slot(word::AUDIO));
        if audio > 0.0 {
            self.counter(&self.audio_seconds, &self.metrics.audio_seconds).inc(audio);
            let factor = seconds(busy) / audio;
            let family = &self.metrics.real_time_factor;
            self.histogram(&self.real_time_factor, family).observe_exemplar(factor, &ended.id, now);
        }
        if slot(word::FIRST_AUDIO) > 0 && slot(word::FLAGS) & flag::STREAMING != 0 {
            let underrun = seconds(slot(word::UNDERRUN));
            self.histogram(&self.underrun, &self.metrics.underrun).observe(underrun);
        }
    }

    /// Records how long the first audio took.
    #[inline]
    pub(crate) fn record_first_audio(&self, nanos: u64, id: &IdWords, now: u64) {
        let family = &self.metrics.first_audio;
        self.histogram(&self.first_audio, family).observe_exemplar(seconds(nanos), id, now);
    }

    /// Records how long the next chunk took.
    #[inline]
    pub(crate) fn record_chunk_gap(&self, nanos: u64) {
        self.histogram(&self.chunk_gap, &self.metrics.chunk_gap).observe(seconds(nanos));
    }

    /// The stage of this name; made when it is first met.
    pub(crate) fn stage(&self, name: &str) -> Arc<StageSet> {
        let find = || self.stages.get(hash_of(name), |key| **key == *name).cloned();
        if let Some(stage) = find() {
            return stage;
        }
        if self.stages.len() >= self.registry.options().series_limit && name != OVERFLOW {
            self.registry.overflowed();
            return self.stage(OVERFLOW);
        }
        let labels = self.labels_with(&[("operation", &self.operation), ("stage", name)]);
        let record = crate::segment::Payload::default().text(name);
        let stage = StageSet {
            at: self.registry.append(RecordKind::Stage, &record).unwrap_or(u32::MAX),
            duration: self.make_histogram(&self.metrics.stage_duration, labels.clone()),
            failures: self.make_counter(&self.metrics.stage_failure, labels),
        };
        let slow = slow_path();
        find()
            .unwrap_or_else(|| self.stages.insert(&slow, hash_of(name), name.into(), Arc::new(stage)).clone())
    }

    /// Shows in `unhealthy{reason}` that the process cannot work any more.
    pub(crate) fn unhealthy(&self, reason: &str) {
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
            set_once(cell, self.make_counter(&self.metrics.total, labels))
        })
    }

    #[inline]
    fn duration(&self, status: Status) -> &Histogram {
        let cell = &self.durations[status as usize];
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[("operation", &self.operation), ("status", status.name())]);
            set_once(cell, self.make_histogram(&self.metrics.duration, labels))
        })
    }

    #[inline]
    fn histogram<'a>(&self, cell: &'a OnceLock<Histogram>, family: &Arc<FamilyCore>) -> &'a Histogram {
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[("operation", &self.operation)]);
            set_once(cell, self.make_histogram(family, labels))
        })
    }

    #[inline]
    fn counter<'a>(&self, cell: &'a OnceLock<Counter>, family: &Arc<FamilyCore>) -> &'a Counter {
        cell.get().unwrap_or_else(|| {
            let labels = self.labels_with(&[("operation", &self.operation)]);
            set_once(cell, self.make_counter(family, labels))
        })
    }

    #[cold]
    fn make_histogram(&self, family: &Arc<FamilyCore>, labels: LabelPairs) -> Histogram {
        Histogram::new(&self.registry, family, self.registry.series(family, labels))
    }

    #[cold]
    fn make_counter(&self, family: &Arc<FamilyCore>, labels: LabelPairs) -> Counter {
        Counter::new(&self.registry, family, self.registry.series(family, labels))
    }

    #[cold]
    fn labels_with(&self, own: &[(&str, &str)]) -> LabelPairs {
        let own = own.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let mut labels: Vec<(Box<str>, Box<str>)> = self.labels.iter().cloned().chain(own).collect();
        labels.sort();
        labels.into()
    }
}
