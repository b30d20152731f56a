//! The source: NVML started, its devices found, and started again when they are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::card::{Card, Processes};
use super::fault::{Fault, no_device, problem};
use super::memory::Lists;
use super::namespace::Namespace;
use super::quantity;
use super::raw::Library;
use super::retry::Retry;
use super::visible::{Identity, Visible, Which, choose};
use crate::reading::Readings;
use crate::source::{Glance, Problem, Source};

/// Where the driver's library is, in the order of trying: as the loader finds it, then the places of
/// Debian, Red Hat, containers on Google's cloud, NixOS, and WSL.
const LIBRARIES: [&str; 7] = [
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
];

/// How long what does not change is believed: names, limits, MIG devices, what a device cannot say.
const REFRESH: Duration = Duration::from_secs(30);
/// XID errors taken at one sample; the others stay for the next.
const MOST_XIDS: usize = 64;

/// GPUs through NVML.
///
/// Belongs to the process that made it: a forked child makes its own.
#[derive(Debug)]
pub struct Gpus {
    libraries: Vec<OsString>,
    which: Which,
    pids: Vec<u32>,
    proc_root: PathBuf,
    namespace: Namespace,
    lists: Lists,
    retry: Retry,
    refresh: Duration,
    started: Option<Started>,
    /// Why it is not started.
    problem: Option<Problem>,
    /// What processes see, where they differ from one another or from what is sampled.
    visible: Vec<(u32, Visible)>,
    /// The same as labels of devices: gpu, mig, pid.
    seen: Vec<[String; 3]>,
    /// XID errors by UUID, kept when NVML starts anew.
    xids: BTreeMap<String, Xids>,
}

/// XID errors of a device.
#[derive(Debug)]
struct Xids {
    gpu: String,
    name: String,
    /// Of the device's handle.
    address: usize,
    count: u64,
}

/// NVML as it is started.
struct Started {
    library: Library,
    cards: Vec<Card>,
    /// Devices by NVML's count, also those that could not be found.
    count: u32,
    /// NVML's indices of the devices that CUDA counts: all but those that this container may not use.
    order: Vec<u32>,
    /// Devices by the kernel driver's list, where it can be read.
    driver_count: Option<usize>,
    /// An error of a device that could not be found.
    missing: Option<NvmlError>,
    looked: Instant,
    note: Option<&'static str>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("cards", &self.cards).finish_non_exhaustive()
    }
}

impl Gpus {
    /// GPUs through the library that `AUSCULT_NVML_PATH` names, or else the driver's. Nothing is loaded
    /// before the first sample.
    pub fn new(which: Which) -> Self {
        match std::env::var_os("AUSCULT_NVML_PATH").filter(|path| !path.is_empty()) {
            Some(path) => Self::with_library(path, which),
            None => Self::with_libraries(LIBRARIES.iter().map(OsString::from).collect(), which),
        }
    }

    /// GPUs through this library.
    pub fn with_library(path: impl Into<OsString>, which: Which) -> Self {
        Self::with_libraries(vec![path.into()], which)
    }

    fn with_libraries(libraries: Vec<OsString>, which: Which) -> Self {
        let proc_root = PathBuf::from("/proc");
        Self {
            libraries,
            which,
            pids: Vec::new(),
            namespace: Namespace::at(&proc_root),
            proc_root,
            lists: Lists::new(),
            retry: Retry::default(),
            refresh: REFRESH,
            started: None,
            problem: None,
            visible: Vec::new(),
            seen: Vec::new(),
            xids: BTreeMap::new(),
        }
    }

    /// How long to wait at first before NVML is started again after it failed or lost a device; 4 s by default,
    /// and longer after some tries, up to a minute.
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Retry::first(retry);
        self
    }

    /// How long what does not change is believed; 30 s by default.
    #[must_use]
    pub fn refresh(mut self, refresh: Duration) -> Self {
        self.refresh = refresh;
        self
    }

    /// Where the `proc` file system is; for tests.
    #[must_use]
    pub fn proc_root(mut self, root: &Path) -> Self {
        self.proc_root = root.to_owned();
        self.namespace = Namespace::at(root);
        self
    }

    /// Which devices to sample, from the next sample on.
    pub fn set_which(&mut self, which: Which) {
        if which != self.which {
            self.which = which;
            self.problem = None;
            self.choose();
        }
    }

    /// Chooses among the devices, and notes who sees which.
    fn choose(&mut self) {
        self.seen.clear();
        if let Some(started) = &mut self.started {
            started.choose(&self.which);
            self.seen = started.seen(&self.visible);
        }
    }

    /// Asks all devices that are sampled.
    fn ask(
        &mut self,
        readings: &mut Readings,
        card: impl Fn(&mut Card, &Nvml, &mut Processes<'_>, &mut Readings),
    ) {
        let Some(started) = &mut self.started else { return };
        let mut processes =
            Processes { own: &self.pids, namespace: &mut self.namespace, lists: &mut self.lists };
        for chosen in started.cards.iter_mut().filter(|card| card.is_chosen()) {
            card(chosen, started.library.nvml(), &mut processes, readings);
        }
        for labels in &self.seen {
            readings.push_aside(&quantity::VISIBLE, &labels.each_ref().map(String::as_str), 1.0);
        }
    }

    /// All is well: after the next failure the first try comes soon again.
    fn settle(&mut self) {
        if self.started.as_ref().is_some_and(|started| !started.has_lost()) {
            self.retry.settle();
        }
    }

    fn check(&self) -> Result<(), Problem> {
        self.started.as_ref().map_or(Ok(()), Started::check)
    }

    /// Starts NVML if it is not or must be again, and looks at the devices again if it is time.
    fn start(&mut self) -> Result<(), Problem> {
        let now = Instant::now();
        if let Some(problem) = self.problem.as_ref().filter(|_| !self.retry.is_due(now)) {
            return Err(problem.clone());
        }
        self.problem = None;
        let mut looked = false;
        if let Some(started) = &mut self.started {
            if started.has_lost() {
                if self.retry.is_due(now) {
                    self.retry.tried(now);
                    self.shut_down();
                }
            } else if now >= started.looked + self.refresh {
                self.namespace.forget();
                if driver_count(&self.proc_root) != started.driver_count {
                    // NVML counts the devices that were there when it started.
                    self.shut_down();
                } else {
                    started.look();
                    looked = true;
                }
            } else if started.library.nvml().device_count().is_ok_and(|count| count != started.count) {
                started.look();
                looked = true;
            }
        }
        if self.started.is_none() {
            self.started = Some(self.open().map_err(|problem| self.off(problem))?);
            looked = true;
        }
        if looked {
            self.choose();
        }
        let chosen = self.started.as_ref().and_then(|started| started.none_chosen(&self.which));
        match chosen {
            Some(problem) => Err(self.off(problem)),
            None => Ok(()),
        }
    }

    /// Shuts NVML down until it is time to try again.
    fn off(&mut self, problem: Problem) -> Problem {
        self.shut_down();
        self.retry.tried(Instant::now());
        self.problem = Some(problem.clone());
        problem
    }

    /// Shuts NVML down; what it has to say of XID errors is heard before.
    fn shut_down(&mut self) {
        self.hear_xids();
        self.started = None;
    }

    fn open(&self) -> Result<Started, Problem> {
        if self.which.is_none() {
            return Err(no_device("CUDA_VISIBLE_DEVICES shows this service no GPU"));
        }
        let mut first = None;
        for path in &self.libraries {
            match Library::open(path) {
                Ok(library) => return Ok(Started::new(library, &self.proc_root)),
                // Another place may have it.
                Err(error @ NvmlError::LibloadingError(_)) => drop(first.get_or_insert(error)),
                Err(error) => return Err(problem(&error)),
            }
        }
        Err(problem(&first.unwrap_or(NvmlError::LibraryNotFound)))
    }

    /// Counts the XID errors since the last time; also of a device that was lost, whose loss is one of them
    /// (XID 79).
    fn hear_xids(&mut self) {
        let Some(started) = &self.started else { return };
        for card in started.cards.iter().filter(|card| card.watched) {
            let count = self.xids.get(&card.uuid).map_or(0, |known| known.count);
            let known =
                Xids { gpu: card.label.clone(), name: card.name.clone(), address: card.address, count };
            self.xids.insert(card.uuid.clone(), known);
        }
        // Without a device that is watched there is nothing to wait for.
        let most = if self.xids.is_empty() { 0 } else { MOST_XIDS };
        for address in (0..most).map_while(|_| started.library.next_xid()) {
            let of = self.xids.values_mut().find(|known| known.address == address);
            of.into_iter().for_each(|known| known.count += 1);
        }
    }

    /// Adds the counts of XID errors of all devices but those that are there and not sampled.
    fn push_xids(&self, readings: &mut Readings) {
        for (uuid, known) in &self.xids {
            let card = self.started.as_ref().and_then(|started| started.card(uuid));
            if card.is_none_or(Card::is_chosen) {
                readings.push(&quantity::XID_ERRORS, &[&known.gpu, uuid, &known.name], known.count as f64);
            }
        }
    }
}

impl Source for Gpus {
    fn name(&self) -> &'static str {
        "gpu"
    }

    /// The pids are of this process's pid namespace.
    fn set_pids(&mut self, pids: &[u32]) {
        self.pids.clear();
        self.pids.extend_from_slice(pids);
    }

    fn set_visible(&mut self, visible: &[(u32, Visible)]) {
        if visible == self.visible {
            return;
        }
        self.visible = visible.to_vec();
        if matches!(self.which, Which::Visible(_)) && !visible.is_empty() {
            let mut all: Vec<Visible> = visible.iter().map(|(_, visible)| visible.clone()).collect();
            all.sort_unstable();
            all.dedup();
            self.set_which(Which::Visible(all));
        }
        self.choose();
    }

    /// What a person should know about the choice of devices, if anything.
    fn note(&self) -> Option<&'static str> {
        self.started.as_ref().and_then(|started| started.note)
    }

    fn glance(&mut self) -> Option<&mut dyn Glance> {
        Some(self)
    }

    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        let started = self.start();
        if started.is_ok() {
            self.ask(&mut Readings::default(), |card, nvml, _, _| card.measure_pcie(nvml));
            self.ask(readings, Card::sample);
        }
        self.hear_xids();
        self.push_xids(readings);
        started.and_then(|()| self.check()).inspect(|()| self.settle())
    }
}

impl Glance for Gpus {
    /// Five calls of NVML a device. Starts nothing.
    fn glance(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        self.ask(readings, Card::glance);
        self.check()
    }
}

impl Started {
    fn new(library: Library, proc_root: &Path) -> Self {
        let mut started = Self {
            library,
            cards: Vec::new(),
            count: 0,
            order: Vec::new(),
            driver_count: driver_count(proc_root),
            missing: None,
            looked: Instant::now(),
            note: None,
        };
        started.look();
        started
    }

    /// Finds the devices and all that does not change about them.
    fn look(&mut self) {
        self.looked = Instant::now();
        self.missing = None;
        self.order.clear();
        let mut earlier = std::mem::take(&mut self.cards);
        match self.library.nvml().device_count() {
            Ok(count) => self.count = count,
            Err(error) => self.missing = Some(error),
        }
        for index in 0..self.count {
            self.order.push(index);
            match Card::discover(self.library.nvml(), index) {
                Ok(mut card) => {
                    if let Some(place) = earlier.iter().position(|other| other.uuid == card.uuid) {
                        card.inherit(earlier.swap_remove(place));
                    }
                    self.cards.push(card);
                }
                Err(NvmlError::NoPermission) => drop(self.order.pop()),
                Err(error) => self.missing = Some(error),
            }
        }
    }

    /// The place among the cards of each device that CUDA counts, and how they can be named.
    fn identities(&self) -> (Vec<Option<usize>>, Vec<Identity>) {
        let place = |index: &u32| self.cards.iter().position(|card| card.index == *index);
        let places: Vec<Option<usize>> = self.order.iter().map(place).collect();
        let identity = |place: &Option<usize>| place.map(|place| self.cards[place].identity());
        let identities = places.iter().map(|place| identity(place).unwrap_or_default()).collect();
        (places, identities)
    }

    fn card(&self, uuid: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.uuid == uuid)
    }

    /// What processes see, as labels gpu, mig and pid; nothing if each sees just what is sampled.
    fn seen(&self, visible: &[(u32, Visible)]) -> Vec<[String; 3]> {
        let (places, identities) = self.identities();
        let sampled =
            self.cards.iter().filter(|card| card.is_chosen()).filter_map(|card| card.labels_of(None));
        let sampled: BTreeSet<[String; 2]> = sampled.collect();
        let of = |visible: &Visible| -> BTreeSet<[String; 2]> {
            let choices = choose(visible.devices.as_deref(), &identities).into_iter();
            choices.filter_map(|choice| self.cards[places[choice.device]?].labels_of(choice.mig)).collect()
        };
        let seen: Vec<_> = visible.iter().map(|(pid, visible)| (pid.to_string(), of(visible))).collect();
        if seen.iter().all(|(_, seen)| *seen == sampled) {
            return Vec::new();
        }
        let labels = seen.iter().flat_map(|(pid, seen)| seen.iter().map(move |labels| (pid, labels)));
        labels.map(|(pid, [gpu, mig])| [gpu.clone(), mig.clone(), pid.clone()]).collect()
    }

    /// Chooses among the devices, and watches the chosen ones.
    fn choose(&mut self, which: &Which) {
        let (places, identities) = self.identities();
        for card in &mut self.cards {
            card.whole = false;
            card.migs.iter_mut().for_each(|mig| mig.chosen = false);
        }
        for choice in which.choices(&identities) {
            let Some(card) = places[choice.device].map(|place| &mut self.cards[place]) else { continue };
            match choice.mig {
                None => card.whole = true,
                Some(mig) => card.migs[mig].chosen = true,
            }
        }
        let names: Vec<&str> = self.cards.iter().map(|card| card.name.as_str()).collect();
        self.note = which.note(&names);
        for card in self.cards.iter_mut().filter(|card| card.is_chosen() && !card.watched) {
            card.watched = self.library.watch(card.index).is_ok();
        }
    }

    /// Why nothing is sampled, if so.
    fn none_chosen(&self, which: &Which) -> Option<Problem> {
        if self.cards.iter().any(Card::is_chosen) {
            return None;
        }
        if let Some(error) = self.missing.as_ref() {
            return Some(problem(error));
        }
        Some(match (self.count, self.cards.is_empty(), which) {
            (0, ..) => no_device("the NVIDIA driver has no GPU"),
            (_, true, _) => problem(&NvmlError::NoPermission),
            (.., Which::Visible(_)) => no_device("CUDA_VISIBLE_DEVICES shows this service no GPU"),
            (.., Which::All) => no_device("the NVIDIA driver has no GPU"),
        })
    }

    /// Whether a device fell off the bus, or the library was shut down under us.
    fn has_lost(&self) -> bool {
        let missing = self.missing.as_ref().is_some_and(|error| Fault::of(error) == Fault::Lost);
        missing || self.cards.iter().any(Card::is_lost)
    }

    /// An error if all devices that are sampled were lost.
    fn check(&self) -> Result<(), Problem> {
        let mut chosen = self.cards.iter().filter(|card| card.is_chosen());
        if chosen.all(Card::is_lost) { Err(problem(&NvmlError::GpuLost)) } else { Ok(()) }
    }
}

/// Devices of the kernel driver, which lists also those that came after NVML was started.
fn driver_count(proc_root: &Path) -> Option<usize> {
    fs::read_dir(proc_root.join("driver/nvidia/gpus")).ok().map(Iterator::count)
}
