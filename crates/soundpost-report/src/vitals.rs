//! Sampling while this process is elected: one does for all processes of the service.

use std::sync::Arc;
use std::time::Instant;

use soundpost_core::history::{HistoryWriter, history_bytes};
use soundpost_core::snapshot::{Activity, Collector};
use soundpost_core::{Calls, Error, ServiceDir};
use soundpost_vitals::{
    Glances, GpuSelection, Gpus, Host, Interval, Listener, Processes, Sampler, Sampling, Source, Visible,
};

/// What a process says of itself for the choice of GPUs: the variables that CUDA goes by.
const FACTS: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"];

/// How to sample.
pub(crate) struct Wanted {
    pub(crate) interval: Interval,
    /// Between two glances at the GPUs while calls run; none: no glances.
    pub(crate) glances: Option<Interval>,
    /// None: GPUs are not sampled.
    pub(crate) gpus: Option<GpuSelection>,
    /// Told of each sample.
    pub(crate) listener: Listener,
}

/// The sampler at work, and the history it writes.
pub(crate) struct Vitals {
    sampler: Sampler,
    history: Arc<HistoryWriter>,
}

/// Processes of the service, and what their environments show them of GPUs.
pub(crate) struct Known {
    pids: Vec<u32>,
    visible: Vec<(u32, Visible)>,
}

impl Vitals {
    /// Starts to sample. `activity` says whether calls run.
    ///
    /// # Errors
    /// When a name of the sampler's own metrics is taken, or no thread can be started.
    pub(crate) fn start(
        place: &ServiceDir,
        calls: &Calls,
        wanted: &Wanted,
        known: &Known,
        activity: impl Fn() -> Activity + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let bytes = history_bytes(wanted.interval.get(), wanted.glances.map(Interval::get));
        let history = Arc::new(HistoryWriter::open(place, bytes));
        if let Some(reason) = history.fallback() {
            let message =
                format!("no file for the history of vitals, it is lost with this process: {reason}");
            calls.registry().diagnostics().warn_once("history", &message);
        }
        calls.set_unhealthy("history_not_shared", history.fallback().is_some());
        let mut sources: Vec<Box<dyn Source>> = vec![Box::new(Host::new()), Box::new(Processes::new())];
        if let Some(which) = &wanted.gpus {
            let mut gpus = Gpus::new(which.clone());
            gpus.set_visible(&known.visible);
            sources.push(Box::new(gpus));
        }
        let activity = Arc::new(activity);
        let sampling = Sampling {
            interval: wanted.interval,
            glances: wanted.glances.map(|interval| Glances { interval, activity }),
            history: Some(history.clone()),
            listener: Some(wanted.listener.clone()),
        };
        let vitals = Self { sampler: Sampler::start(calls.registry(), &sampling, sources)?, history };
        vitals.set_known(known);
        Ok(vitals)
    }

    /// The processes of the service from now on.
    pub(crate) fn set_known(&self, known: &Known) {
        self.sampler.set_pids(&known.pids);
        self.sampler.set_visible(&known.visible);
    }

    /// Flags sources that hang; to be called about once a second.
    pub(crate) fn check(&self) {
        self.sampler.check();
    }

    pub(crate) fn history(&self) -> &Arc<HistoryWriter> {
        &self.history
    }

    /// Ends sampling, at the latest at `deadline`.
    pub(crate) fn stop(self, deadline: Instant) {
        self.sampler.stop(deadline);
    }
}

impl Known {
    /// As the collector finds them.
    pub(crate) fn of(collector: &mut Collector) -> Self {
        let pids = collector.pids();
        let mut visible: Vec<_> = pids.iter().map(|pid| (*pid, Visible::default())).collect();
        for (pid, name, value) in collector.process_facts() {
            let Ok(place) = pids.binary_search(&pid) else { continue };
            let of = &mut visible[place].1;
            match FACTS.iter().position(|fact| *fact == name) {
                Some(0) => of.devices = Some(value.to_owned()),
                Some(1) => of.by_bus = value == "PCI_BUS_ID",
                _ => {}
            }
        }
        Self { pids, visible }
    }
}

/// Says of this process what its environment shows it of GPUs; as it is now, for as long as it runs.
pub(crate) fn say_facts(calls: &Calls) {
    for name in FACTS {
        if let Some(value) = std::env::var_os(name) {
            calls.registry().set_process_fact(name, &value.to_string_lossy());
        }
    }
}
