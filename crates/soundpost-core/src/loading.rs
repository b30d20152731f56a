//! Phases in which a process loads what it needs to serve.

use std::sync::{Arc, Mutex};

use crate::clock::{monotonic_nanos, seconds};
use crate::per_process::PerProcess;
use crate::registry::{Merge, Registry, Spec, Unit};
use crate::thread::lock;

/// Number of phases of this process that run and keep it from being ready.
static RUNNING: PerProcess<Mutex<usize>> = PerProcess::new();

/// A phase of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadPhase {
    /// Fetching of files.
    Download,
    /// Loading of models.
    Load,
    /// First calls, which compile and fill caches.
    Warmup,
}

impl LoadPhase {
    const ALL: [Self; 3] = [Self::Download, Self::Load, Self::Warmup];

    /// Returns the value of the label `phase`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Load => "load",
            Self::Warmup => "warmup",
        }
    }

    /// Returns the phase of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

/// A phase of loading that runs until this is dropped. Its process is not ready meanwhile.
#[must_use = "the phase ends when this is dropped"]
pub struct Loading {
    registry: Arc<Registry>,
    phase: LoadPhase,
    started: u64,
    keeps_unready: bool,
}

impl Loading {
    /// Begins a phase. One inside a call leaves its process ready, because that serves already.
    pub fn begin(registry: &Arc<Registry>, phase: LoadPhase, in_call: bool) -> Self {
        if !in_call {
            let mut running = lock(RUNNING.get_or_make(Mutex::default));
            *running += 1;
            registry.set_loading(true);
        }
        Self { registry: registry.clone(), phase, started: monotonic_nanos(), keeps_unready: !in_call }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let name = format!("{}_load_seconds", self.registry.identity().prefix());
        let spec = Spec::gauge(&name)
            .unit(Unit::Seconds)
            .help("Time of the last phase of loading: download, load or warmup.")
            .merge(Merge::Max)
            .labels(&["phase"]);
        // A metric of the service may have the name.
        if let Ok(gauge) = self.registry.family(spec).and_then(|family| family.gauge(&[self.phase.name()])) {
            gauge.set(seconds(monotonic_nanos().saturating_sub(self.started)));
        }
        if self.keeps_unready {
            let mut running = lock(RUNNING.get_or_make(Mutex::default));
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.registry.set_loading(false);
            }
        }
    }
}
