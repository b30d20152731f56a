//! The collector: finds the segments of a service, merges them, and retires dead ones.

mod run;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::attached::Attached;
use super::live::{self, LiveCalls};
use super::merge::{Living, Merged};
use super::model::{Labels, Snapshot};
use super::names::Names;
use super::retire;
use crate::call::InFlightCall;
use crate::clock;
use crate::registry::{Meta, RecordOrigin, Registry};
use crate::segment::{ProcessRole, SegmentState, ServiceDir, Source};
use crate::shortage::Shortage;
use crate::step;

/// Reads all segments of a service, including this process's own.
pub struct Collector {
    dir: ServiceDir,
    registry: Arc<Registry>,
    /// The own segment first, the retired totals last.
    sources: Vec<Attached>,
    /// Segments contained in the retired totals; their files may still exist.
    counted: Vec<u64>,
    merged: Merged,
    /// Prefix of the service's metrics.
    prefix: String,
    /// Whether the last retired processes had exited cleanly.
    last_exit_clean: bool,
    /// For an agent: whether no process of the service existed at the last refresh.
    gone: bool,
    /// Segments whose event rings are drained; `None` if draining is not required.
    drained: Option<HashSet<u64>>,
    /// Segments of a run that is over: not read, and removed once they are drained.
    over: HashSet<u64>,
}

/// Activity of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Whether a call is in flight.
    pub running: bool,
    /// Number that changes when a call begins, or a process starts or ends.
    pub begun: u64,
}

/// Maximum number of attempts to list files that change meanwhile.
const LOOKS: usize = 8;

impl Collector {
    /// Makes a collector for the service of `registry`.
    pub fn new(dir: ServiceDir, registry: Arc<Registry>) -> Self {
        let own = Attached::new(Source::own(registry.segment().clone()));
        let prefix = registry.identity().prefix().to_owned();
        Self {
            dir,
            registry,
            sources: vec![own],
            counted: Vec::new(),
            merged: Merged::default(),
            prefix,
            last_exit_clean: true,
            gone: false,
            drained: None,
            over: HashSet::new(),
        }
    }

    /// Keeps every segment until [`Collector::mark_drained`] names it.
    #[must_use]
    pub fn keep_undrained(mut self) -> Self {
        self.drained = Some(HashSet::new());
        self
    }

    /// Marks a segment whose events are stored and whose calls in flight are recorded, so that it may be retired.
    pub fn mark_drained(&mut self, segment: u64) {
        if let Some(drained) = &mut self.drained {
            drained.insert(segment);
        }
    }

    fn may_go(&self, segment: u64) -> bool {
        self.drained.as_ref().is_none_or(|drained| drained.contains(&segment))
    }

    /// Returns everything the service exposes now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.refresh();
        let (now, mut living) = (clock::monotonic_nanos(), Living::default());
        let running = LiveCalls::read(&self.sources, &mut living, now);
        let prefix = self.prefix.as_str();
        let mut families = Vec::with_capacity(self.merged.families.len() + 5);
        for merged in self.merged.families.values() {
            let mut family = merged.read(&self.sources, &mut living);
            if !self.registry.options().exemplars {
                family.clear_exemplars();
            }
            if family.name.strip_prefix(prefix) == Some("_request") {
                running.add_died(&mut family);
            } else if family.name.strip_prefix(prefix) == Some("_unhealthy") {
                live::add_full_segments(&self.sources, &mut family);
            }
            families.push(family);
        }
        let made = running.families(prefix).into_iter().chain(live::service(&self.sources, prefix));
        families.extend(made.filter(|made| !self.merged.families.contains_key(&made.name)));
        let count = 1 + families.iter().map(|family| family.series.len()).sum::<usize>();
        families.push(live::series_count(count, live::constant_labels(&self.sources)));
        families.sort_by(|a, b| a.name.cmp(&b.name));
        Snapshot { families }
    }

    /// Returns the calls in flight in all living processes, the oldest first.
    pub fn in_flight(&mut self) -> Vec<InFlightCall> {
        self.refresh();
        let (now, mut living) = (clock::monotonic_nanos(), Living::default());
        let mut calls = Vec::new();
        for (index, attached) in self.sources.iter().enumerate().filter(|(_, a)| !a.source.is_dead()) {
            let mut names = Names::default();
            for call in attached.source.in_flight().read() {
                if living.is_alive(&self.sources, index, call.owner()) {
                    calls.push(names.in_flight(&attached.source, &call, now));
                }
            }
        }
        calls.sort_by_key(|call| call.started);
        calls
    }

    /// Reports whether a dead segment is not merged yet.
    pub fn has_unmerged(&mut self) -> bool {
        self.refresh();
        self.others().any(Source::is_dead)
    }

    /// Reports whether a process of the service is up and ready, as of the last refresh: it has recorded its identity,
    /// and does not end.
    pub fn is_ready(&self) -> bool {
        live::of_service(&self.sources).any(|process| process.identity.is_some() && process.source.is_ready())
    }

    /// Reports whether the processes of the service that are up are in their first phase of loading, as of the last refresh.
    pub fn is_loading(&self) -> bool {
        let mut alive =
            live::of_service(&self.sources).filter(|process| !process.source.is_dead()).peekable();
        alive.peek().is_some() && alive.all(|process| process.source.is_loading())
    }

    /// Returns the prefix of the service's metrics without the underscore, as of the last refresh.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Replaces version and instance by those of the service's processes, as of the last refresh. Those that no process
    /// has stay.
    pub fn update_origin(&self, origin: &mut RecordOrigin) {
        live::update_origin(&self.sources, origin);
    }

    /// Returns the labels of every metric of the service, as of the last refresh.
    pub fn constant_labels(&self) -> Labels {
        live::constant_labels(&self.sources)
    }

    /// Returns the process ids of the service's living processes, as they see themselves, sorted and without an agent.
    pub fn pids(&mut self) -> Vec<u32> {
        self.refresh();
        let own = live::of_service(&self.sources);
        let mut pids: Vec<u32> = own.flat_map(|attached| attached.source.pids()).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Returns the facts that processes of the service recorded, as of the last refresh: pid, name, value. A
    /// later value replaces an earlier one of the same name.
    pub fn process_facts(&self) -> impl Iterator<Item = (u32, &str, &str)> {
        let facts = live::of_service(&self.sources).flat_map(|attached| &attached.facts);
        facts
            .filter_map(|(pid, name, value)| Some((u32::try_from(*pid).ok()?, name.as_str(), value.as_str())))
    }

    /// Returns the activity of all calls; cheap enough for ten calls a second.
    pub fn activity(&self) -> Activity {
        let mut activity = Activity::default();
        for attached in &self.sources {
            let (running, begun) =
                attached.source.in_flight().activity(|owner| attached.source.is_alive(owner));
            activity.running |= running;
            activity.begun = activity.begun.wrapping_add(begun);
        }
        activity
    }

    /// Merges dead segments into the retired totals and removes them. Returns their number.
    ///
    /// Only the reporter calls it. Killed at any step it loses nothing and counts nothing twice: the new
    /// totals list their segments, and replace the old ones atomically.
    pub fn merge_dead(&mut self) -> usize {
        let retired = self.dir.retired_file();
        let totals = match Source::open_copy(&retired) {
            // New ones would replace those of this file.
            Err(error) if Shortage::of(&error).is_some() => return 0,
            totals => totals.ok(),
        };
        let before: Vec<u64> = totals.as_ref().map(folded_ids).unwrap_or_default();
        let (mut dead, mut done) = (Vec::new(), Vec::new());
        for path in self.dir.segment_files() {
            // Segments that stay are not opened.
            if self.source_at(&path).is_some_and(|known| !known.is_dead() || !self.may_go(known.id())) {
                continue;
            }
            match Source::open(&path) {
                Ok(source) if !source.is_dead() => {}
                Ok(source) if !self.may_go(source.id()) => {}
                Ok(source) if before.contains(&source.id()) || self.is_over(&source) => {
                    done.push((path, source.id()));
                }
                Ok(source) => dead.push((path, source)),
                Err(error) => self.set_aside(&path, &error),
            }
        }
        if !dead.is_empty() {
            let ids =
                dead.iter().map(|(_, source)| source.id()).chain(done.iter().map(|(_, id)| *id)).collect();
            let (paths, sources): (Vec<PathBuf>, Vec<Source>) = dead.into_iter().unzip();
            done.extend(paths.into_iter().map(|path| (path, 0)));
            let well = sources.iter().all(|source| source.state() != SegmentState::Open);
            if !well || sources.iter().any(|source| source.role() == ProcessRole::Service) {
                self.last_exit_clean = well;
            }
            let prefix = self.prefix.as_str();
            let sources = sources.into_iter().chain(totals).map(Attached::new).collect();
            match retire::write(&self.dir, prefix, sources, ids) {
                Ok(conflicts) => conflicts.iter().for_each(|conflict| self.warn("merge", conflict)),
                Err(error) => {
                    // The segments remain and are read as before; the next call tries again.
                    self.warn("retire", &format!("cannot write the totals of ended processes: {error}"));
                    return 0;
                }
            }
        }
        for (path, _) in &done {
            step::reach("unlink");
            let _ = std::fs::remove_file(path);
            step::reach("unlink");
        }
        if !done.is_empty() {
            self.restart();
        }
        done.len()
    }

    fn warn(&self, part: &'static str, message: &str) {
        self.registry.diagnostics().warn_once(part, message);
    }

    /// Renames a damaged file without a writer.
    fn set_aside(&self, path: &Path, error: &std::io::Error) {
        let damaged = error.kind() == std::io::ErrorKind::InvalidData;
        if damaged && Source::is_unused(path) && std::fs::rename(path, path.with_extension("damaged")).is_ok()
        {
            self.warn("segment_damaged", &format!("{}: set aside: {error}", path.display()));
        }
    }

    fn restart(&mut self) {
        self.forget();
        self.refresh();
    }

    /// Attaches new segments, detaches removed ones, and reads new records.
    fn refresh(&mut self) {
        // A file that vanished meanwhile may have been merged, so list again.
        (0..LOOKS).any(|_| self.attach());
        for (index, attached) in self.sources.iter_mut().enumerate() {
            let damaged = attached.damaged;
            self.merged.absorb(index, attached);
            if attached.damaged > damaged {
                let path = attached.source.path().map(PathBuf::from).unwrap_or_default();
                let message =
                    format!("{}: {} damaged records were left out", path.display(), attached.damaged);
                self.registry.diagnostics().warn_once("segment_damaged", &message);
            }
        }
        if let Some(prefix) = live::namespace(&self.sources) {
            self.prefix = prefix;
        }
        for conflict in self.merged.conflicts.drain(..) {
            self.registry.diagnostics().warn_once("merge", &conflict);
        }
    }

    /// Lists the files once. Returns false if one of them vanished meanwhile.
    fn attach(&mut self) -> bool {
        let files = self.dir.segment_files();
        let retired = self.dir.retired_file();
        // The own segment remains, even without its file.
        let stale = self.sources.iter().skip(1).any(|attached| {
            let path = attached.source.path();
            path.is_some_and(|path| match path == retired {
                true => attached.source.is_replaced(),
                false => !files.iter().any(|file| file == path),
            })
        });
        if stale {
            self.forget();
        }
        // Read the totals first: they list the segments that they contain.
        let mut totals = None;
        if !self.knows(&retired) {
            totals = Source::open_copy(&retired).inspect_err(|error| self.unreadable(&retired, error)).ok();
            if let Some(totals) = &totals {
                self.forget();
                self.counted = folded_ids(totals);
            }
        }
        let mut complete = true;
        for file in files {
            if self.knows(&file) {
                continue;
            }
            match Source::open(&file) {
                Ok(source) if self.counted.contains(&source.id()) || self.is_over(&source) => {}
                Ok(source) => self.sources.push(Attached::new(source)),
                Err(error) => {
                    complete &= error.kind() != std::io::ErrorKind::NotFound;
                    self.unreadable(&file, &error);
                }
            }
        }
        self.sources.extend(totals.map(Attached::new));
        complete
    }

    /// Returns the segments of other processes, without the retired totals.
    fn others(&self) -> impl Iterator<Item = &Source> {
        let retired = self.dir.retired_file();
        let others = self.sources.iter().skip(1).map(|attached| &attached.source);
        others.filter(move |other| other.path() != Some(&retired))
    }

    fn knows(&self, path: &Path) -> bool {
        self.source_at(path).is_some()
    }

    fn source_at(&self, path: &Path) -> Option<&Source> {
        let mut sources = self.sources.iter().map(|attached| &attached.source);
        sources.find(|source| source.path() == Some(path))
    }

    /// Detaches all segments but the own one.
    fn forget(&mut self) {
        self.sources = vec![Attached::new(Source::own(self.registry.segment().clone()))];
        self.merged = Merged::default();
        self.counted.clear();
    }

    fn unreadable(&self, path: &Path, error: &std::io::Error) {
        if error.kind() != std::io::ErrorKind::NotFound {
            let failures = self.registry.failures();
            failures.warn_once("segment_damaged", &format!("{}: {error}", path.display()));
        }
    }
}

/// Returns the segments contained in retired totals.
fn folded_ids(totals: &Source) -> Vec<u64> {
    let metas = totals.directory().read(0).filter_map(|record| Meta::decode(&record));
    metas.filter_map(|meta| if let Meta::Folded { id } = meta { Some(id) } else { None }).collect()
}
