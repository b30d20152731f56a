//! The collector: finds the segments of a service, reads them as one, and folds those that died.

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
use crate::registry::{Meta, Registry};
use crate::segment::{ProcessRole, SegmentState, ServiceDir, Source};
use crate::step;

/// Reads all segments of a service, this process's own among them.
pub struct Collector {
    dir: ServiceDir,
    registry: Arc<Registry>,
    /// The own segment first, the retired totals last, if there are any.
    sources: Vec<Attached>,
    /// Segments that are in the retired totals; their files may still be there.
    counted: Vec<u64>,
    merged: Merged,
    /// What the names of the service's metrics begin with, as far as is known.
    prefix: String,
    /// Whether the processes that were folded last had left in good order.
    last_exit_clean: bool,
    /// For an agent: whether no process of the service was there at the last look.
    gone: bool,
    /// Segments whose event rings were taken over; `None`: nobody asks.
    drained: Option<HashSet<u64>>,
    /// Segments of a run that is over: not read, and removed once they are drained.
    over: HashSet<u64>,
}

/// Whether calls run, and how many began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Whether a call is in flight.
    pub running: bool,
    /// A number that changes when a call begins, or a process comes or goes.
    pub begun: u64,
}

/// How often files that come and go are looked at before a snapshot is made of what was found.
const LOOKS: usize = 8;

impl Collector {
    /// A collector for the service of `registry`.
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

    /// Lets no segment go before [`Collector::mark_drained`] names it.
    #[must_use]
    pub fn keep_undrained(mut self) -> Self {
        self.drained = Some(HashSet::new());
        self
    }

    /// Says that everything in the event ring of this segment is in the store, and that its calls in flight
    /// are known: it may be folded.
    pub fn mark_drained(&mut self, segment: u64) {
        if let Some(drained) = &mut self.drained {
            drained.insert(segment);
        }
    }

    fn may_go(&self, segment: u64) -> bool {
        self.drained.as_ref().is_none_or(|drained| drained.contains(&segment))
    }

    /// Everything the service exposes now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.refresh();
        let (now, mut living) = (clock::monotonic_nanos(), Living::default());
        let running = LiveCalls::read(&self.sources, &mut living, now);
        let prefix = self.prefix.as_str();
        let mut families = Vec::with_capacity(self.merged.families.len() + 5);
        for merged in self.merged.families.values() {
            let mut family = merged.read(&self.sources, &mut living);
            if family.name.strip_prefix(prefix) == Some("_request") {
                running.add_died(&mut family);
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

    /// Calls in flight in all living processes, the oldest first.
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

    /// Whether a process has left a segment that is not folded yet.
    pub fn has_unmerged(&mut self) -> bool {
        self.refresh();
        self.others().any(Source::is_dead)
    }

    /// What the names of the service's metrics begin with, without the underscore, as far as its processes have
    /// said it by the last look.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The service's version, as the last look at its segments found it; `None` where no process says one.
    pub fn version(&self) -> Option<String> {
        live::version(&self.sources)
    }

    /// Labels that are on every metric of the service, as the last look at its segments found them.
    pub fn constant_labels(&self) -> Labels {
        live::constant_labels(&self.sources)
    }

    /// Process ids of the service's living processes, as they see themselves, sorted; an agent is none of them.
    pub fn pids(&mut self) -> Vec<u32> {
        self.refresh();
        let own = live::of_service(&self.sources);
        let mut pids: Vec<u32> = own.flat_map(|attached| attached.source.pids()).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// What processes of the service said of themselves: pid, name, value; of one name the last holds. As of the
    /// last look.
    pub fn process_facts(&self) -> impl Iterator<Item = (u32, &str, &str)> {
        let facts = live::of_service(&self.sources).flat_map(|attached| &attached.facts);
        facts
            .filter_map(|(pid, name, value)| Some((u32::try_from(*pid).ok()?, name.as_str(), value.as_str())))
    }

    /// What the calls of all processes that are known do now: cheap enough to be asked ten times a second.
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

    /// Folds the segments of processes that are gone into the retired totals, and removes them; tells how
    /// many. Only the reporter calls it. Killed at any point it loses nothing and counts nothing twice: the
    /// new totals name the segments in them, and take the old ones' place at once.
    pub fn merge_dead(&mut self) -> usize {
        let retired = self.dir.retired_file();
        let totals = Source::open_copy(&retired).ok();
        let before: Vec<u64> = totals.as_ref().map(folded_ids).unwrap_or_default();
        let (mut dead, mut done) = (Vec::new(), Vec::new());
        for path in self.dir.segment_files() {
            // What stays is not opened for that.
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
                Ok(conflicts) => conflicts
                    .iter()
                    .for_each(|conflict| self.registry.diagnostics().warn_once("merge", conflict)),
                Err(error) => {
                    // They stay where they are and are read as before; the next tick tries again.
                    let message = format!("cannot write the totals of ended processes: {error}");
                    self.registry.diagnostics().warn_once("retire", &message);
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

    /// Puts a file that nobody writes and nobody can read out of the way, with a name that says so.
    fn set_aside(&self, path: &Path, error: &std::io::Error) {
        let damaged = error.kind() == std::io::ErrorKind::InvalidData;
        if damaged && Source::is_unused(path) && std::fs::rename(path, path.with_extension("damaged")).is_ok()
        {
            self.registry
                .diagnostics()
                .warn_once("segment_damaged", &format!("{}: set aside: {error}", path.display()));
        }
    }

    /// Forgets everything but the own segment; the next look finds the rest again.
    fn restart(&mut self) {
        self.forget();
        self.refresh();
    }

    /// Attaches what is new, lets go of what is gone, reads what was appended.
    fn refresh(&mut self) {
        // A file that vanished between two looks may have been folded meanwhile: look again.
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

    /// One look at the files; false when one of them vanished meanwhile.
    fn attach(&mut self) -> bool {
        let files = self.dir.segment_files();
        let retired = self.dir.retired_file();
        // The own segment is there whatever became of its file.
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
        // The totals are read first: they say which segments are already in them.
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

    /// Segments of other processes; the retired totals are none.
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

    /// Lets go of everything but the own segment.
    fn forget(&mut self) {
        self.sources = vec![Attached::new(Source::own(self.registry.segment().clone()))];
        self.merged = Merged::default();
        self.counted.clear();
    }

    fn unreadable(&self, path: &Path, error: &std::io::Error) {
        if error.kind() != std::io::ErrorKind::NotFound {
            self.registry.diagnostics().warn_once("segment_damaged", &format!("{}: {error}", path.display()));
        }
    }
}

/// Segments that are already in retired totals.
fn folded_ids(totals: &Source) -> Vec<u64> {
    let metas = totals.directory().read(0).filter_map(|record| Meta::decode(&record));
    metas.filter_map(|meta| if let Meta::Folded { id } = meta { Some(id) } else { None }).collect()
}
