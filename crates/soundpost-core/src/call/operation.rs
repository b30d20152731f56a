//! Operations: a kind of call with its label names, resolved once; and the calls of one process.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, CallBuilder};
use super::field::Fields;
use super::metrics::RequestMetrics;
use super::outcome::Outcome;
use super::set::{CallSet, Ended};
use super::stage::Stage;
use crate::clock;
use crate::error::Error;
use crate::registry::{AppendMap, Histogram, OVERFLOW, Registry, check_label, hash_of, label_value};
use crate::segment::{IdWords, InFlight, Ticket, slow_path, word};

/// Labels that request metrics have of their own.
const OWN_LABELS: [&str; 4] = ["operation", "status", "outcome", "stage"];
/// Operation of stages that belong to no known call.
const NO_OPERATION: &str = "unknown";

/// All calls of one process of a service.
pub struct Calls {
    registry: Arc<Registry>,
    metrics: Arc<RequestMetrics>,
    /// Call sets by the position of their record.
    sets: AppendMap<u32, Arc<CallSet>>,
    operations: AppendMap<OperationKey, Arc<Sets>>,
    fields: Arc<Fields>,
}

/// Name and label names of an operation.
type OperationKey = (Box<str>, Arc<[Box<str>]>);
/// Label values in the order of an operation's label names.
type Values = Box<[Box<str>]>;
/// Call sets of one operation by label values.
type Sets = AppendMap<Values, Arc<CallSet>>;

impl Calls {
    /// Registers the request metrics.
    ///
    /// # Errors
    /// When their names are taken, or the segment has no room for them.
    pub fn new(registry: &Arc<Registry>) -> Result<Arc<Self>, Error> {
        let metrics = Arc::new(RequestMetrics::register(registry)?);
        let registry = registry.clone();
        let fields = Arc::new(Fields::new(registry.segment().layout().call_slots));
        let (sets, operations) = (AppendMap::new(), AppendMap::new());
        Ok(Arc::new(Self { registry, metrics, sets, operations, fields }))
    }

    /// An operation without labels; see [`Operation::labels`].
    pub fn operation(self: &Arc<Self>, name: &str) -> Operation {
        self.find_or_make(name, &[])
    }

    /// An operation with its label names; the same names give the same operation.
    ///
    /// # Errors
    /// When a label cannot be exposed, is one of the request metrics' own, or is given twice.
    pub fn try_operation(self: &Arc<Self>, name: &str, labels: &[&str]) -> Result<Operation, Error> {
        for (index, label) in labels.iter().enumerate() {
            self.check_label(name, label, &labels[..index])?;
        }
        Ok(self.find_or_make(name, labels))
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
        let sets = find().unwrap_or_else(|| {
            let slow = slow_path();
            let make = || Arc::new(AppendMap::new());
            find()
                .unwrap_or_else(|| self.operations.insert(&slow, hash_of(&key), key.clone(), make()).clone())
        });
        Operation { calls: self.clone(), name: operation, labels, expects_output: false, sets }
    }

    /// A stage whose call is not known, such as one in a worker thread: recorded under the operation
    /// `unknown`.
    pub fn stage(self: &Arc<Self>, name: &str) -> Stage {
        Stage::begin(self.operation(NO_OPERATION).set::<&str>(&[]).stage(name), None)
    }

    /// Ends calls of this process in which nothing moved for `limit`, as abandoned; tells how many.
    pub fn reap_idle(&self, limit: Duration) -> usize {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let (owner, now) = (self.registry.segment().owner(), clock::monotonic_nanos());
        let in_flight = self.registry.segment().in_flight();
        let idle = |words: &[u64]| now.saturating_sub(words[word::PROGRESS]) > limit;
        let mut reaped = 0;
        for call in in_flight.read().filter(|call| call.owner() == owner && idle(&call.words)) {
            let at = call.words[word::CALL_SET] as u32;
            let Some(set) = self.sets.get(hash_of(at), |key| *key == at) else { continue };
            if let Some(call) = in_flight.end_if(call.index, |call| idle(&call.words)) {
                let id = IdWords::new(&call.request_id().unwrap_or_default());
                let words = |word: usize| call.words[word];
                let ended = Ended::new(words, Outcome::Abandoned, now, id);
                let mut buffer = self.fields.get(call.index);
                let fields = buffer.as_ref().map_or(&[][..], |fields| fields.words(call.sequence));
                let ticket = Ticket { index: call.index, sequence: call.sequence };
                set.append(Some(ticket), in_flight.at(call.index), &words, &ended, fields);
                buffer.iter_mut().for_each(|fields| fields.end(call.sequence));
                set.record_end(|word| call.words[word], || InFlight::count(in_flight.at(call.index)), &ended);
                reaped += 1;
            }
        }
        reaped
    }

    /// Observes the most GPU memory that was in use during a finished call of any process, bytes.
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
        let family = &self.metrics.gpu_memory_peak;
        let histogram = Histogram::new(&self.registry, family, self.registry.series(family, labels.into()));
        histogram.observe_with_exemplar(bytes as f64, request_id);
    }

    /// The registry the calls record to.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Shows in `unhealthy{reason}` that something is wrong, or is right again.
    pub fn set_unhealthy(&self, reason: &str, unhealthy: bool) {
        self.metrics.set_unhealthy(&self.registry, reason, unhealthy);
    }
}

/// A kind of call: name and label names. Cheap to clone, made once, used for every request.
#[derive(Clone)]
pub struct Operation {
    calls: Arc<Calls>,
    name: Arc<str>,
    labels: Arc<[Box<str>]>,
    expects_output: bool,
    /// Call sets by label values in the order of `labels`.
    sets: Arc<Sets>,
}

impl Operation {
    /// Starts a call with these label values, in the order of the label names.
    #[inline]
    pub fn start<S: AsRef<str>>(&self, values: impl AsRef<[S]>) -> Call {
        self.begin(values).start()
    }

    /// A call about to start, with a request id, queue time and the like.
    #[inline]
    pub fn begin<S: AsRef<str>>(&self, values: impl AsRef<[S]>) -> CallBuilder {
        CallBuilder::new(self.set(values.as_ref())).expects_output(self.expects_output)
    }

    /// The same operation with these label names, in the order their values will be given. If one
    /// cannot be a label the operation stays without any, and the fault is logged: see
    /// [`Calls::try_operation`] for an error instead.
    #[must_use]
    pub fn labels<'a>(self, names: impl AsRef<[&'a str]>) -> Self {
        let expects_output = self.expects_output;
        match self.calls.try_operation(&self.name, names.as_ref()) {
            Ok(operation) => Self { expects_output, ..operation },
            Err(error) => {
                self.calls.registry.fault("labels", &error.to_string());
                self
            }
        }
    }

    /// Says that every call has output: one that finishes without a chunk and without audio is `empty`.
    #[must_use]
    pub fn expects_output(mut self, expects: bool) -> Self {
        self.expects_output = expects;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Label names, in the order values are given.
    pub fn label_names(&self) -> &[Box<str>] {
        &self.labels
    }

    /// The call set of these values. Missing values are empty, surplus ones are left out, and counted:
    /// recording does not fail.
    #[inline]
    fn set<S: AsRef<str>>(&self, values: &[S]) -> Arc<CallSet> {
        let same = |key: &[Box<str>]| {
            key.len() == values.len()
                && key.iter().zip(values).all(|(known, value)| **known == *label_value(value.as_ref()))
        };
        let hash = hash_values(values);
        match self.sets.get(hash, |key| same(key)) {
            Some(set) => set.clone(),
            None => self.make_set(hash, values, same),
        }
    }

    #[cold]
    fn make_set<S: AsRef<str>>(
        &self,
        hash: u64,
        values: &[S],
        same: impl Fn(&[Box<str>]) -> bool,
    ) -> Arc<CallSet> {
        let registry = &self.calls.registry;
        if values.len() != self.labels.len() {
            let message = format!(
                "operation {:?}: {} label values given, it has the labels {:?}",
                self.name,
                values.len(),
                self.labels
            );
            registry.fault("labels", &message);
            let mut values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
            values.resize(self.labels.len(), "");
            return self.set(&values);
        }
        if self.sets.len() >= registry.options().series_limit {
            registry.overflowed();
            let rest = vec![OVERFLOW; values.len()];
            let hash = hash_values(&rest);
            let known = self.sets.get(hash, |key| key.iter().all(|value| **value == *OVERFLOW));
            return known.cloned().unwrap_or_else(|| self.insert_set(hash, &rest, |_| false));
        }
        self.insert_set(hash, values, same)
    }

    fn insert_set<S: AsRef<str>>(
        &self,
        hash: u64,
        values: &[S],
        same: impl Fn(&[Box<str>]) -> bool,
    ) -> Arc<CallSet> {
        let values: Values = values.iter().map(|value| label_value(value.as_ref()).into()).collect();
        let registry = &self.calls.registry;
        let pairs = self.labels.iter().zip(&values);
        let mut labels: Vec<(Box<str>, Box<str>)> =
            pairs.map(|(name, value)| (name.clone(), registry.redacted_label(name, value).into())).collect();
        labels.sort();
        let calls = &self.calls;
        // Made before the lock is taken: a mirror asks a recorder that is not ours. One made twice is left.
        let set =
            Arc::new(CallSet::new(&calls.registry, &calls.metrics, &calls.fields, &self.name, labels.into()));
        let slow = slow_path();
        if let Some(set) = self.sets.get(hash, |key| same(key)) {
            return set.clone();
        }
        calls.sets.insert(&slow, hash_of(set.at), set.at, set.clone());
        self.sets.insert(&slow, hash, values, set).clone()
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
