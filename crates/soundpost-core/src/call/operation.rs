//! Operations with their label names, and all calls of one process.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::call::{Call, CallBuilder};
use super::end::{CallEnd, judge};
use super::field::Fields;
use super::metrics::RequestMetrics;
use super::series::OperationSeries;
use super::stage::Stage;
use crate::clock;
use crate::error::Error;
use crate::registry::{AppendMap, OVERFLOW, Registry, check_label, hash_of, label_value};
use crate::segment::{IdWords, InFlight, slow_path, word};

/// Labels that the request metrics define themselves.
const OWN_LABELS: [&str; 4] = ["operation", "status", "outcome", "stage"];
/// Operation of stages without a call.
const NO_OPERATION: &str = "unknown";

/// All calls of one process of a service.
pub struct Calls {
    registry: Arc<Registry>,
    metrics: Arc<RequestMetrics>,
    /// Series by the position of their directory record.
    by_position: AppendMap<u32, Arc<OperationSeries>>,
    operations: AppendMap<OperationKey, Arc<SeriesByValues>>,
    /// Whether a call has begun, by operation.
    begun: AppendMap<Box<str>, Arc<AtomicBool>>,
    fields: Arc<Fields>,
}

/// Name and label names of an operation.
type OperationKey = (Box<str>, Arc<[Box<str>]>);
/// Series of one operation by its label values, in the order of its label names.
type SeriesByValues = AppendMap<Box<[Box<str>]>, Arc<OperationSeries>>;

impl Calls {
    /// Registers the request metrics.
    ///
    /// # Errors
    /// When their names are taken, or the segment has no room for them.
    pub fn new(registry: &Arc<Registry>) -> Result<Arc<Self>, Error> {
        let metrics = Arc::new(RequestMetrics::register(registry)?);
        let fields = Arc::new(Fields::new(registry.segment().layout().call_slots));
        Ok(Arc::new(Self {
            registry: registry.clone(),
            metrics,
            by_position: AppendMap::new(),
            operations: AppendMap::new(),
            begun: AppendMap::new(),
            fields,
        }))
    }

    /// Returns the operation of this name without labels, see [`Operation::labels`].
    pub fn operation(self: &Arc<Self>, name: &str) -> Operation {
        self.find_or_make(name, &[])
    }

    fn check_label(&self, operation: &str, label: &str, before: &[&str]) -> Result<(), Error> {
        check_label(operation, label)?;
        let problem = if OWN_LABELS.contains(&label) {
            "is one of the request metrics' own"
        } else if before.contains(&label) {
            "is given twice"
        } else if self.registry.identity().has_label(label) {
            "is already on every metric of the service"
        } else {
            return Ok(());
        };
        Err(Error::config(format!("operation {operation:?}: label {label:?} {problem}; rename it")))
    }

    fn find_or_make(self: &Arc<Self>, name: &str, labels: &[&str]) -> Operation {
        let key: OperationKey =
            (label_value(name).into(), labels.iter().map(|&label| label.into()).collect());
        let find = || self.operations.get(hash_of(&key), |other| *other == key).cloned();
        let (operation, labels) = (Arc::from(&*key.0), key.1.clone());
        let series = find().unwrap_or_else(|| {
            self.registry.count_cut([name]);
            let slow = slow_path();
            let make = || Arc::new(AppendMap::new());
            find()
                .unwrap_or_else(|| self.operations.insert(&slow, hash_of(&key), key.clone(), make()).clone())
        });
        Operation { calls: self.clone(), name: operation, labels, expects_output: false, series }
    }

    /// Returns the flag whether a call of this operation has begun.
    fn has_begun(&self, operation: &str) -> Arc<AtomicBool> {
        let slow = slow_path();
        let known = self.begun.get(hash_of(operation), |key| **key == *operation);
        known
            .unwrap_or_else(|| self.begun.insert(&slow, hash_of(operation), operation.into(), Arc::default()))
            .clone()
    }

    /// Begins a stage without a call, for example in a worker thread. Its operation is `unknown`.
    pub fn stage(self: &Arc<Self>, name: &str) -> Stage {
        Stage::begin(self.operation(NO_OPERATION).series::<&str>(&[]).stage(name), None)
    }

    /// Ends calls of this process without progress for `limit` as if their consumer had left. Returns their number.
    pub fn reap_idle(&self, limit: Duration) -> usize {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let (owner, now) = (self.registry.segment().owner(), clock::monotonic_nanos());
        let in_flight = self.registry.segment().in_flight();
        let idle = |words: &[u64]| now.saturating_sub(words[word::PROGRESS]) > limit;
        let mut reaped = 0;
        for call in in_flight.read().filter(|call| call.owner() == owner && idle(&call.words)) {
            let at = call.words[word::OPERATION] as u32;
            let Some(series) = self.by_position.get(hash_of(at), |key| *key == at) else { continue };
            if let Some(call) = in_flight.end_if(call.index, |call| idle(&call.words)) {
                let slot = in_flight.slot(call.index);
                let id = IdWords::new(&call.request_id().unwrap_or_default());
                let words = |word: usize| call.words[word];
                let end = CallEnd::new(words, judge(words, true), now, id);
                let mut buffer = self.fields.get(call.index);
                let fields = buffer.as_ref().map_or(&[][..], |fields| fields.words(call.sequence));
                series.append(slot, &words, &end, fields);
                buffer.iter_mut().for_each(|fields| fields.end(call.sequence));
                series.record_end(words, || InFlight::count(slot), &end);
                reaped += 1;
            }
        }
        reaped
    }

    /// Records the GPU memory peak of a finished call of any process, bytes.
    pub fn observe_gpu_peak(
        &self,
        operation: &str,
        labels: &[(String, String)],
        bytes: u64,
        request_id: &str,
    ) {
        let own = [("operation".into(), operation.into())];
        let labels = labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let mut labels: Vec<(Box<str>, Box<str>)> = labels.chain(own).collect();
        labels.sort();
        let histogram = self.registry.histogram(&self.metrics.gpu_memory_peak, labels.into());
        histogram.observe_with_exemplar(bytes as f64, request_id);
    }

    /// Returns the registry that the calls record to.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Sets or clears `unhealthy{reason}`.
    pub fn set_unhealthy(&self, reason: &str, unhealthy: bool) {
        self.metrics.set_unhealthy(&self.registry, reason, unhealthy);
    }
}

/// An operation with its label names. Cheap to clone; made once and used for every request.
#[derive(Clone)]
pub struct Operation {
    calls: Arc<Calls>,
    name: Arc<str>,
    labels: Arc<[Box<str>]>,
    expects_output: bool,
    series: Arc<SeriesByValues>,
}

/// Label values of an [`Operation`], resolved to their series.
#[doc(hidden)]
pub struct LabelSet(Arc<OperationSeries>);

impl LabelSet {
    /// Reports whether the values are beyond the limit, which is counted each time that they are resolved.
    pub fn is_overflow(&self) -> bool {
        self.0.is_overflow()
    }
}

impl Operation {
    /// Starts a call of an operation without labels.
    #[inline]
    pub fn start(&self) -> Call {
        self.begin().start()
    }

    /// Starts a call with these label values, in the order of the label names.
    #[inline]
    pub fn start_with<S: AsRef<str>>(&self, values: impl AsRef<[S]>) -> Call {
        self.begin_with(values).start()
    }

    /// Returns a builder for a call with a request id, queue time and the like.
    #[inline]
    pub fn begin(&self) -> CallBuilder {
        self.begin_with::<&str>([])
    }

    /// Returns a builder for a call with these label values, in the order of the label names.
    #[inline]
    pub fn begin_with<S: AsRef<str>>(&self, values: impl AsRef<[S]>) -> CallBuilder {
        CallBuilder::new(self.series(values.as_ref())).expects_output(self.expects_output)
    }

    /// Resolves label values, for a caller that begins several calls with them.
    #[doc(hidden)]
    #[inline]
    pub fn label_set(&self, values: &[&str]) -> LabelSet {
        LabelSet(self.series(values))
    }

    /// Returns a builder for a call with label values that this operation resolved.
    #[doc(hidden)]
    #[inline]
    pub fn begin_with_set(&self, labels: &LabelSet) -> CallBuilder {
        CallBuilder::new(labels.0.clone()).expects_output(self.expects_output)
    }

    /// Sets the label names, in the order in which their values will be given. The same names give the same operation.
    ///
    /// # Errors
    /// When a label cannot be exposed, is one of the request metrics' own, or is given twice.
    pub fn labels<S: AsRef<str>>(self, names: impl AsRef<[S]>) -> Result<Self, Error> {
        let labels: Vec<&str> = names.as_ref().iter().map(AsRef::as_ref).collect();
        for (index, label) in labels.iter().enumerate() {
            self.calls.check_label(&self.name, label, &labels[..index])?;
        }
        Ok(Self { expects_output: self.expects_output, ..self.calls.find_or_make(&self.name, &labels) })
    }

    /// Declares that every call has output: a call that finishes without chunk and audio is `empty`.
    #[must_use]
    pub fn expects_output(mut self, expects: bool) -> Self {
        self.expects_output = expects;
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the label names, in the order in which values are given.
    pub fn label_names(&self) -> &[Box<str>] {
        &self.labels
    }

    /// Returns the series of these values. Recording does not fail: a missing value is empty, a surplus one is dropped,
    /// and both are counted.
    #[inline]
    fn series<S: AsRef<str>>(&self, values: &[S]) -> Arc<OperationSeries> {
        let same = |key: &[Box<str>]| {
            key.len() == values.len()
                && key.iter().zip(values).all(|(known, value)| **known == *label_value(value.as_ref()))
        };
        let hash = hash_values(values);
        match self.series.get(hash, |key| same(key)) {
            Some(series) => series.clone(),
            None => self.make_series(hash, values, same),
        }
    }

    #[cold]
    fn make_series<S: AsRef<str>>(
        &self,
        hash: u64,
        values: &[S],
        same: impl Fn(&[Box<str>]) -> bool,
    ) -> Arc<OperationSeries> {
        let registry = &self.calls.registry;
        if values.len() != self.labels.len() {
            let message = format!(
                "operation {:?}: {} label values given, it has the labels {:?}",
                self.name,
                values.len(),
                self.labels
            );
            registry.diagnostics().warn_once("labels", &message);
            let mut values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
            values.resize(self.labels.len(), "");
            return self.series(&values);
        }
        if self.series.len() >= registry.options().series_limit {
            registry.count_overflow();
            let rest = vec![OVERFLOW; values.len()];
            let hash = hash_values(&rest);
            let known = self.series.get(hash, |key| key.iter().all(|value| **value == *OVERFLOW));
            return known.cloned().unwrap_or_else(|| self.insert_series(hash, &rest, |_| false));
        }
        self.insert_series(hash, values, same)
    }

    fn insert_series<S: AsRef<str>>(
        &self,
        hash: u64,
        values: &[S],
        same: impl Fn(&[Box<str>]) -> bool,
    ) -> Arc<OperationSeries> {
        let calls = &self.calls;
        let registry = &calls.registry;
        registry.count_cut(values.iter().map(AsRef::as_ref));
        let values: Box<[Box<str>]> = values.iter().map(|value| label_value(value.as_ref()).into()).collect();
        let pairs = self.labels.iter().zip(&values);
        let mut labels: Vec<(Box<str>, Box<str>)> =
            pairs.map(|(name, value)| (name.clone(), registry.redacted_label(name, value).into())).collect();
        labels.sort();
        let has_begun = calls.has_begun(&self.name);
        // Made before the lock is taken, because it may call the global recorder. A second one is dropped.
        let series = OperationSeries::new(
            registry,
            &calls.metrics,
            &calls.fields,
            &self.name,
            labels.into(),
            &has_begun,
        );
        let slow = slow_path();
        if let Some(series) = self.series.get(hash, |key| same(key)) {
            return series.clone();
        }
        let series = Arc::new(series);
        calls.by_position.insert(&slow, hash_of(series.at), series.at, series.clone());
        self.series.insert(&slow, hash, values, series).clone()
    }
}

#[inline]
fn hash_values<S: AsRef<str>>(values: &[S]) -> u64 {
    struct Values<'a, S>(&'a [S]);
    impl<S: AsRef<str>> std::hash::Hash for Values<'_, S> {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            for value in self.0 {
                label_value(value.as_ref()).hash(state);
            }
        }
    }
    hash_of(Values(values))
}
