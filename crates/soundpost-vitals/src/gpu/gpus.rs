//! The GPU source: starts NVML, finds its devices, and starts again when they are lost.

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
use crate::gpu_selection::{GpuSelection, Visible};
use crate::reading::Readings;
use crate::source::{FastSource, Problem, Source};

/// Paths of the driver's library, in order: the loader's search, then those of Debian, Red Hat, containers on
/// Google Cloud, NixOS, and WSL.
const LIBRARIES: [&str; 7] = [
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
];

/// Maximum age of constant properties: names, limits, MIG devices, unsupported calls.
const REFRESH: Duration = Duration::from_secs(30);
/// Maximum number of XID errors read per sample; others stay for the next.
const MOST_XIDS: usize = 64;

/// GPUs through NVML.
///
/// It belongs to the process that made it: a forked child makes its own.
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
    /// Reason why NVML is not started.
    problem: Option<Problem>,
    /// Selections of processes, where they differ from one another or from the sampled devices.
    visible: Vec<(u32, Visible)>,
    /// These selections as labels of devices: gpu, mig, pid.
    seen: Vec<[String; 3]>,
    /// XID errors by UUID, kept when NVML starts again.
    xids: BTreeMap<String, Xids>,
}

#[derive(Debug)]
struct Xids {
    gpu: String,
    name: String,
    /// Address of the device's handle.
    address: usize,
    count: u64,
    /// Number of the last one.
    last: Option<u64>,
}

impl Gpus {
    /// Uses the library of `SOUNDPOST_NVML_PATH`, or else the driver's. Nothing is loaded before the first sample.
    pub fn new(which: GpuSelection) -> Self {
        match std::env::var_os("SOUNDPOST_NVML_PATH").filter(|path| !path.is_empty()) {
            Some(path) => Self::with_library(path, which),
            None => Self::with_libraries(LIBRARIES.iter().map(OsString::from).collect(), which),
        }
    }

    /// Uses this library.
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

    /// Sets the initial delay before NVML is started again after a failure; default: 4 s, with backoff up to a minute.
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Retry::first(retry);
        self
    }

    /// Sets the maximum age of constant properties; default: 30 s.
    #[must_use]
    pub fn refresh(mut self, refresh: Duration) -> Self {
        self.refresh = refresh;
        self
    }

    /// Sets the path of the `proc` file system, for tests.
    #[must_use]
    pub fn proc_root(mut self, root: &Path) -> Self {
        self.proc_root = root.to_owned();
        self.namespace = Namespace::at(root);
        self
    }

    /// Sets the devices to sample, from the next sample on.
    pub fn set_which(&mut self, which: GpuSelection) {
        if which != self.which {
            self.which = which;
            self.problem = None;
            self.select_devices();
        }
    }

    /// Selects among the devices, and records which process sees which.
    fn select_devices(&mut self) {
        self.seen.clear();
        if let Some(started) = &mut self.started {
            started.select_devices(&self.which);
            self.seen = started.seen(&self.visible);
        }
    }

    fn read_cards(
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

    fn settle(&mut self) {
        if self.started.as_ref().is_some_and(|started| !started.has_lost()) {
            self.retry.settle();
        }
    }

    fn check(&self) -> Result<(), Problem> {
        self.started.as_ref().map_or(Ok(()), Started::check)
    }

    /// Starts NVML if necessary, and reads the constant properties again if they are due.
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
                    // NVML only counts the devices that existed when it was started.
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

    /// Shuts NVML down until the next attempt is due.
    fn off(&mut self, problem: Problem) -> Problem {
        self.shut_down();
        self.retry.tried(Instant::now());
        self.problem = Some(problem.clone());
        problem
    }

    /// Shuts NVML down after reading its XID errors.
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
                // A device of this address may have another index later.
                Err(error @ NvmlError::LibloadingError(_)) => drop(first.get_or_insert(error)),
                Err(error) => return Err(problem(&error)),
            }
        }
        Err(problem(&first.unwrap_or(NvmlError::LibraryNotFound)))
    }

    /// Counts the XID errors since the last time, including those of a lost device, whose loss is one of them (XID 79).
    fn hear_xids(&mut self) {
        let Some(started) = &self.started else { return };
        for card in started.cards.iter().filter(|card| card.watched) {
            let (count, last) =
                self.xids.get(&card.uuid).map_or((0, None), |known| (known.count, known.last));
            let (gpu, name) = (card.label.clone(), card.name.clone());
            let known = Xids { gpu, name, address: card.address, count, last };
            self.xids.insert(card.uuid.clone(), known);
        }
        // Without a watched device there are no events.
        let most = if self.xids.is_empty() { 0 } else { MOST_XIDS };
        for (address, xid) in (0..most).map_while(|_| started.library.next_xid()) {
            if let Some(known) = self.xids.values_mut().find(|known| known.address == address) {
                (known.count, known.last) = (known.count + 1, Some(xid));
            }
        }
    }

    /// Adds the counts of XID errors of all devices except existing ones that are not sampled.
    fn push_xids(&self, readings: &mut Readings) {
        for (uuid, known) in &self.xids {
            let card = self.started.as_ref().and_then(|started| started.card(uuid));
            if card.is_none_or(Card::is_chosen) {
                let labels = [known.gpu.as_str(), uuid, &known.name];
                readings.push(&quantity::XID_ERRORS, &labels, known.count as f64);
                let last = known.last.map(|last| last as f64);
                readings.push_within(&quantity::LAST_XID, &labels, last, &(0.0..=f64::from(u32::MAX)));
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

    /// Returns a warning about the selection of devices.
    fn warning(&self) -> Option<&'static str> {
        self.started.as_ref().and_then(|started| started.warning)
    }

    fn fast_source(&mut self) -> Option<&mut dyn FastSource> {
        Some(self)
    }

    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        let started = self.start();
        if started.is_ok() {
            self.read_cards(&mut Readings::default(), |card, nvml, _, _| card.measure_pcie(nvml));
            self.read_cards(readings, Card::sample);
        }
        self.hear_xids();
        self.push_xids(readings);
        started.and_then(|()| self.check()).inspect(|()| self.settle())
    }
}

impl FastSource for Gpus {
    /// Makes five calls of NVML per device. Starts nothing.
    fn fast_sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        self.read_cards(readings, Card::fast_sample);
        self.check()
    }
}
