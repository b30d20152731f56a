//! The source: NVML started, its devices found, and started again when they are lost.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::card::{Card, Processes};
use super::fault::{no_device, problem};
use super::memory::Lists;
use super::namespace::Namespace;
use super::quantity;
use super::raw::Library;
use super::retry::Retry;
use super::started::{Started, driver_count};
use super::visible::{GpuSelection, Visible};
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
    which: GpuSelection,
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

impl Gpus {
    /// GPUs through the library that `SOUNDPOST_NVML_PATH` names, or else the driver's. Nothing is loaded
    /// before the first sample.
    pub fn new(which: GpuSelection) -> Self {
        match std::env::var_os("SOUNDPOST_NVML_PATH").filter(|path| !path.is_empty()) {
            Some(path) => Self::with_library(path, which),
            None => Self::with_libraries(LIBRARIES.iter().map(OsString::from).collect(), which),
        }
    }

    /// GPUs through this library.
    pub fn with_library(path: impl Into<OsString>, which: GpuSelection) -> Self {
        Self::with_libraries(vec![path.into()], which)
    }

    fn with_libraries(libraries: Vec<OsString>, which: GpuSelection) -> Self {
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

    /// GpuSelection devices to sample, from the next sample on.
    pub fn set_which(&mut self, which: GpuSelection) {
        if which != self.which {
            self.which = which;
            self.problem = None;
            self.select_devices();
        }
    }

    /// Chooses among the devices, and notes who sees which.
    fn select_devices(&mut self) {
        self.seen.clear();
        if let Some(started) = &mut self.started {
            started.select_devices(&self.which);
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
            self.select_devices();
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
        if matches!(self.which, GpuSelection::Visible(_)) && !visible.is_empty() {
            let mut all: Vec<Visible> = visible.iter().map(|(_, visible)| visible.clone()).collect();
            all.sort_unstable();
            all.dedup();
            self.set_which(GpuSelection::Visible(all));
        }
        self.select_devices();
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
