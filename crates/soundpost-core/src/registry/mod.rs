//! The registry of families and series, and the handles that write to them.
//!
//! Its key is the exposed name and labels, so two series cannot collide in the exposition. Lookups take no
//! lock. A new entry is made under the slow path's lock and appended to the segment's directory; this and
//! every other process index it from there.

mod append_map;
mod core;
mod diagnostics;
mod event;
mod family;
mod forward;
mod handle;
mod identity;
mod index;
mod kind;
mod name;
mod options;
mod packed;
mod record;
mod recorder;
mod redaction;
mod reserve;
mod spec;
#[cfg(test)]
mod tests;
mod unit;

pub(crate) use self::core::{FamilyCore, SeriesCore};
pub(crate) use append_map::{AppendMap, hash_of};
use diagnostics::MessageLog;
pub use diagnostics::{Diagnostics, Notice};
use event::DropReason;
pub(crate) use event::Truncation;
pub use family::Family;
pub(crate) use handle::gauge_cell;
pub use handle::{Counter, Gauge, Histogram};
pub use identity::{RecordOrigin, ServiceIdentity, host_name};
pub(crate) use kind::Repr;
pub use kind::{Merge, MetricKind};
pub use name::sanitized;
pub(crate) use name::{check_label, exposed, label_value};
pub use options::{DEFAULT_SERIES_LIMIT, Options};
pub(crate) use record::{FamilyRecord, LabelPairs, Meta, OperationRecord, SeriesRecord};
pub use recorder::MetricsRecorder;
use redaction::Redactions;
use reserve::{Reserve, Room};
pub use spec::{BYTES_BUCKETS, LATENCY_BUCKETS, PACE_BUCKETS, RATIO_BUCKETS, SHARE_BUCKETS, Spec};
pub use unit::Unit;

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use soundpost_redact::Redactor;

use crate::address_space;
use crate::error::Error;
use crate::segment::{Payload, ProcessRole, RecordKind, Segment, SegmentState, ServiceDir, slow_path};
use crate::shortage::{Shortage, Shortages};

/// Label value of the series that takes updates beyond the series limit.
pub const OVERFLOW: &str = "overflow";
/// Names after the service's prefix that only a snapshot has, see `snapshot/live.rs`.
const READ_FAMILIES: [&str; 6] = [
    "requests_in_flight",
    "request_stalled_seconds",
    "request_suspended_seconds",
    "up",
    "build",
    "build_info",
];
/// Such a name without the prefix.
const READ_SERIES: &str = "soundpost_series";

/// Families and series of one process of a service.
pub struct Registry {
    segment: Arc<Segment>,
    dir: Option<ServiceDir>,
    identity: ServiceIdentity,
    options: Options,
    redactor: Redactor,
    /// Position up to which the directory is indexed.
    seen: AtomicU32,
    families: AppendMap<Box<str>, Arc<FamilyCore>>,
    by_position: AppendMap<u32, Arc<FamilyCore>>,
    /// Exposed names and their families.
    exposed: AppendMap<Box<str>, Box<str>>,
    reserve: Reserve,
    /// Position of the operation of calls without room for their own.
    overflow_operation: std::sync::OnceLock<u32>,
    own: std::sync::OnceLock<OwnMetrics>,
    messages: Mutex<MessageLog>,
    shortages: Shortages,
    fallback: Option<String>,
}

struct Found {
    series: Option<Arc<SeriesCore>>,
    /// Whether the series belongs to these labels alone, and is not the overflow series.
    own: bool,
}

struct OwnMetrics {
    /// The family, because a handle would keep the registry alive.
    errors: Arc<FamilyCore>,
    overflow: Counter,
    events: Counter,
    dropped: [Counter; DropReason::ALL.len()],
    truncated: [Counter; Truncation::REASONS.len()],
    redactions: Redactions,
}

impl Registry {
    /// Opens a registry with a new segment. Without a file the segment is anonymous memory, see [`Registry::fallback`].
    ///
    /// # Errors
    /// When the options are invalid, or memory is exhausted.
    pub fn open(dir: &ServiceDir, identity: ServiceIdentity, options: Options) -> Result<Arc<Self>, Error> {
        let sizes = crate::MIN_SEGMENT_BYTES..=crate::MAX_SEGMENT_BYTES;
        if !sizes.contains(&options.segment_bytes) {
            return Err(Error::config(format!(
                "segment_bytes: {} is not between {} and {}",
                options.segment_bytes,
                sizes.start(),
                sizes.end()
            )));
        }
        let no_room = |error| Error::io("cannot allocate the segment in", dir.directory(), error);
        address_space::check_start().map_err(no_room)?;
        let (segment, fallback) =
            Segment::create(dir, options.segment_bytes, options.role).map_err(no_room)?;
        Self::over(segment, Some(dir.clone()), identity, options, fallback)
    }

    /// Makes a private registry for a process that only reads what a service recorded.
    ///
    /// # Errors
    /// When memory is exhausted.
    pub fn detached(identity: ServiceIdentity) -> Result<Arc<Self>, Error> {
        let options = Options {
            segment_bytes: crate::MIN_SEGMENT_BYTES,
            role: ProcessRole::Agent,
            ..Options::default()
        };
        let segment = Segment::anonymous(options.segment_bytes, options.role)
            .map_err(|error| Error::config(format!("no memory for a segment: {error}")))?;
        Self::over(segment, None, identity, options, None)
    }

    /// Makes a registry with a given segment.
    pub(crate) fn over(
        segment: Arc<Segment>,
        dir: Option<ServiceDir>,
        identity: ServiceIdentity,
        options: Options,
        fallback: Option<io::Error>,
    ) -> Result<Arc<Self>, Error> {
        let redactor = Redactor::new(&options.redact, options.record_text)
            .map_err(|error| Error::config(format!("redact: {error}")))?;
        let registry = Arc::new(Self {
            segment,
            dir,
            identity,
            options,
            redactor,
            seen: AtomicU32::new(0),
            families: AppendMap::new(),
            by_position: AppendMap::new(),
            exposed: AppendMap::new(),
            reserve: Reserve::default(),
            overflow_operation: std::sync::OnceLock::new(),
            own: std::sync::OnceLock::new(),
            messages: Mutex::default(),
            shortages: Shortages::default(),
            fallback: fallback.map(|error| error.to_string()),
        });
        for meta in registry.identity.metas() {
            registry.append(RecordKind::Meta, &meta.encode());
        }
        registry.reserve_names();
        let errors = Spec::whole_counter("soundpost_errors")
            .help("Faults of Soundpost and of its use, by part.")
            .labels(&["part"]);
        let overflow = Spec::whole_counter("soundpost_series_overflow")
            .help("Label sets beyond a family's limit, counted in the series with the value overflow.");
        let rejected = Spec::whole_counter("soundpost_observations_rejected")
            .help("Values rejected, by reason.")
            .labels(&["reason"]);
        let reason = registry.family(rejected)?;
        let rejected = reason.series_cell(&["non_finite"]);
        let rejected = rejected.ok_or_else(|| Error::config("segment_bytes: too small for one series"))?;
        registry.segment.set_rejected(rejected);
        let errors = registry.family_core(&errors.checked()?)?;
        // These counters must exist before the segment is full.
        for part in ["facade", "label", "segment", OVERFLOW] {
            registry.series(&errors, [("part".into(), part.into())].into());
        }
        let events = Spec::whole_counter("soundpost_events")
            .help("Finished calls and log events recorded for the store and the sinks.");
        let [full, large] = DropReason::ALL.map(|reason| registry.dropped_events(reason.name()));
        let [fields, shortened] = Truncation::REASONS.map(|reason| registry.truncated_events(reason));
        let own = OwnMetrics {
            errors,
            overflow: registry.family(overflow)?.counter(&[])?,
            events: registry.family(events)?.counter(&[])?,
            dropped: [full?, large?],
            truncated: [fields?, shortened?],
            redactions: Redactions::new(&registry)?,
        };
        let _ = registry.own.set(own);
        Ok(registry)
    }

    /// Reserves the names of the families that are made at reading time.
    fn reserve_names(&self) {
        let prefix = self.identity.prefix();
        let slow = slow_path();
        for name in
            READ_FAMILIES.map(|name| format!("{prefix}_{name}")).into_iter().chain([READ_SERIES.into()])
        {
            self.exposed.insert(&slow, hash_of(&*name), name.as_str().into(), name.as_str().into());
        }
    }

    /// Registers a family, or returns the existing one.
    ///
    /// # Errors
    /// When a name cannot be exposed, a label is reserved, or an earlier registration contradicts.
    pub fn family(self: &Arc<Self>, spec: Spec) -> Result<Family, Error> {
        let spec = spec.checked()?;
        if let Some(label) = spec.labels.iter().find(|label| self.identity.has_label(label)) {
            return Err(Error::conflict(format!(
                "metric {:?}: label {label:?} is already on every metric of the service; rename it",
                spec.record.given
            )));
        }
        let core = self.family_core(&spec)?;
        core.check_labels(&spec.record.given, &spec.labels)?;
        Ok(Family::new(self.clone(), core, &spec))
    }

    /// Returns a recorder for the `metrics` facade.
    pub fn metrics_recorder(self: &Arc<Self>) -> MetricsRecorder {
        MetricsRecorder::new(self.clone())
    }

    /// Returns the reason why the segment is in anonymous memory, invisible to other processes.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Returns the service's directories; `None` for a private registry.
    pub(crate) fn dir(&self) -> Option<&ServiceDir> {
        self.dir.as_ref()
    }

    /// Returns the identity of the service.
    pub fn identity(&self) -> &ServiceIdentity {
        &self.identity
    }

    /// Returns the options of the registry.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Sets a callback for the first recording in a forked child.
    pub fn on_fork_child(&self, action: impl Fn() + Send + Sync + 'static) {
        self.segment.after_fork(action);
    }

    /// Attaches this process to the segment, as its first recording does. In a forked child this runs the
    /// callback of [`Registry::on_fork_child`], so the caller must not hold locks of its own.
    pub fn join(&self) {
        self.segment.owner();
    }

    /// Records a fact about this process for the reporter, see [`crate::snapshot::Collector::process_facts`].
    pub fn set_process_fact(&self, name: &str, value: &str) {
        let pid = u64::from(std::process::id());
        let fact = Meta::Process { pid, name: name.to_owned(), value: value.to_owned() };
        self.append(RecordKind::Meta, &fact.encode());
    }

    /// Returns the shortages that failures were attributed to, with whether each lasts.
    pub fn update_shortages(&self) -> impl Iterator<Item = (Shortage, bool)> {
        self.shortages.update()
    }

    /// Updates the heartbeat of the segment.
    pub fn beat(&self) {
        self.segment.beat();
    }

    /// Sets whether this process is ready to serve; it is until this is called.
    pub fn set_ready(&self, is_ready: bool) {
        self.segment.set_ready(is_ready);
    }

    /// Marks this process as loading, or as loaded.
    pub(crate) fn set_loading(&self, is_loading: bool) {
        self.segment.set_loading(is_loading);
    }

    /// Marks this process as ended in good order, if it has recorded. Recording still works.
    pub fn end_process(&self) {
        self.segment.end_process();
    }

    /// Marks the process, and the segment of its creator, as closed in good order. Recording still works.
    pub fn close(&self) {
        self.end_process();
        if self.segment.is_creator() {
            self.segment.set_state(SegmentState::Closed);
        }
    }

    /// Returns the bytes of the segment in use: records, cells in all lanes, exemplars.
    pub fn used_bytes(&self) -> usize {
        self.segment.used_bytes(self.seen.load(Ordering::Relaxed))
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(crate) fn reject(&self) {
        self.segment.reject(1);
    }

    /// Counts a label set that went to an overflow series.
    pub(crate) fn count_overflow(&self) {
        if let Some(own) = self.own.get() {
            own.overflow.add(1);
        }
    }

    /// Appends a record to the directory; the next lookup indexes it.
    pub(crate) fn append(&self, kind: RecordKind, payload: &Payload) -> Option<u32> {
        self.append_before(kind, payload, self.reserve.room())
    }

    fn append_before(&self, kind: RecordKind, payload: &Payload, reserved: Room) -> Option<u32> {
        let seen = self.seen.load(Ordering::Relaxed);
        self.segment.directory().append_before(seen, kind, payload, reserved.words)
    }

    /// Appends the record of an operation. Without room all further ones share the record of [`OVERFLOW`].
    pub(crate) fn append_operation(&self, record: &OperationRecord) -> u32 {
        if let Some(at) = self.append(RecordKind::Operation, &record.encode()) {
            return at;
        }
        self.report_full();
        *self.overflow_operation.get_or_init(|| {
            let record = OperationRecord { operation: OVERFLOW.to_owned(), labels: LabelPairs::default() };
            let reserved = self.reserve.for_operation();
            self.append_before(RecordKind::Operation, &record.encode(), reserved).unwrap_or(u32::MAX)
        })
    }

    /// Counts a family or series without room, and marks the segment as full.
    fn report_full(&self) {
        self.segment.set_full();
        let message = "the segment is full: new series are counted in the overflow series of their family, and new \
                       metrics are not recorded; raise segment_bytes";
        self.diagnostics().warn_once("segment", message);
    }

    /// Counts the label values of a new series that are cut.
    pub(crate) fn count_cut<'a>(&self, values: impl IntoIterator<Item = &'a str>) {
        if values.into_iter().any(|value| label_value(value).len() < value.len()) {
            let message =
                "a label value is longer than 256 bytes and was cut; give labels few and short values";
            self.diagnostics().warn_once("label", message);
        }
    }

    /// Returns the family of a checked spec, made if it is new. Without room for it, its series record nothing.
    pub(crate) fn family_core(&self, spec: &Spec) -> Result<Arc<FamilyCore>, Error> {
        let record = &spec.record;
        if let Some(core) = self.find_family(&record.name) {
            return self.registered_again(core, record);
        }
        let owner = self.segment.owner();
        let slow = slow_path();
        self.absorb(&slow, owner);
        if let Some(core) = self.find_family(&record.name) {
            drop(slow);
            return self.registered_again(core, record);
        }
        for wire in name::exposed(&record.name, record.kind) {
            if let Some(other) = self.exposed.get(hash_of(&*wire), |name| **name == *wire) {
                return Err(Error::conflict(format!(
                    "metric {:?}: its sample {wire:?} is already exposed by {other:?}; rename one of them",
                    record.given
                )));
            }
        }
        let reserved = self.reserve.room().with(Room::of_family(record.cells()));
        if self.segment.free_cells() >= reserved.cells {
            self.append_before(RecordKind::Family, &record.encode(), reserved);
            self.absorb(&slow, owner);
        }
        if let Some(core) = self.find_family(&record.name) {
            return Ok(core.clone());
        }
        let core = Arc::new(FamilyCore::without_room(record.clone()));
        self.families.insert(&slow, hash_of(&*record.name), record.name.as_str().into(), core.clone());
        drop(slow);
        self.report_full();
        Ok(core)
    }

    /// Returns a family that is registered again. The first registration counts, with one warning if they differ.
    fn registered_again(&self, core: &Arc<FamilyCore>, new: &FamilyRecord) -> Result<Arc<FamilyCore>, Error> {
        let differences = core.differences(new)?;
        if !differences.is_empty() {
            let message = format!(
                "metric {:?}: registered again with another {}; the first is used",
                new.given,
                differences.join(", ")
            );
            self.diagnostics().warn_once("metric", &message);
        }
        Ok(core.clone())
    }

    fn find_family(&self, name: &str) -> Option<&Arc<FamilyCore>> {
        self.families.get(hash_of(name), |key| **key == *name)
    }

    /// Returns the series of these labels (sorted by name), made if it is new. Beyond the limit, or in a full
    /// segment, it returns the overflow series and counts the loss.
    pub(crate) fn series(&self, family: &Arc<FamilyCore>, labels: LabelPairs) -> Option<Arc<SeriesCore>> {
        self.series_or_overflow(family, labels).series
    }

    /// Like [`Registry::series`], with the information whether the labels have their own series.
    fn series_or_overflow(&self, family: &Arc<FamilyCore>, labels: LabelPairs) -> Found {
        let owner = self.segment.owner();
        let (series, own, full) = {
            let slow = slow_path();
            self.absorb(&slow, owner);
            let room = family.has_room() || labels.is_empty();
            let known = self.find_series(family, &labels);
            let make = || self.make_series(&slow, owner, family, labels.clone(), self.reserve.room());
            match known.or_else(|| room.then(make)?) {
                Some(series) => (Some(series), true, false),
                None => {
                    let series = self.overflow_series(&slow, owner, family, &labels);
                    // A series without labels is an overflow series itself.
                    (series, labels.is_empty() && family.is_in_segment(), room)
                }
            }
        };
        if let Some(series) = &series {
            self.expose(family, series);
        }
        if !own {
            self.count_overflow();
            if full && !family.record.name.starts_with("soundpost_") {
                self.report_full();
            }
        }
        Found { series, own }
    }
}
