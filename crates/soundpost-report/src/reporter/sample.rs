//! Sampling of host, processes and GPUs for all processes of the service, while this process reports.

use std::sync::Arc;
use std::time::Instant;

use soundpost_core::history::{HistoryWriter, history_bytes};
use soundpost_core::snapshot::Collector;
use soundpost_core::thread::lock;
use soundpost_core::{Calls, Error};
#[cfg(feature = "gpu")]
use soundpost_vitals::Gpus;
use soundpost_vitals::{FastSampling, Interval, Listener, Sampler, Sampling, Source, Visible};
#[cfg(feature = "host")]
use soundpost_vitals::{Host, Places, Processes};

use super::deps::Deps;

/// Environment variables that select the GPUs of a process. Each process publishes its own.
const FACTS: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"];

pub(super) struct Vitals(Sampler);

/// Processes of the service, and the GPUs that their environments select.
struct SampledProcesses {
    pids: Vec<u32>,
    visible: Vec<(u32, Visible)>,
}

impl Vitals {
    /// Starts sampling if it is configured and does not run, and updates the sampled processes.
    pub(super) fn keep_running(vitals: &mut Option<Self>, deps: &Arc<Deps>) {
        let Some(interval) = deps.context.config.sample_interval else { return };
        let processes = SampledProcesses::read(&mut lock(&deps.collector));
        if let Some(Self(sampler)) = vitals {
            return processes.set(sampler);
        }
        match start(deps, interval, &processes) {
            Ok(sampler) => *vitals = Some(Self(sampler)),
            Err(error) => deps.context.warn("vitals", &error.to_string()),
        }
    }

    pub(super) fn stop(self, deadline: Instant) {
        self.0.stop(deadline);
    }
}

fn start(deps: &Arc<Deps>, interval: Interval, processes: &SampledProcesses) -> Result<Sampler, Error> {
    let context = &deps.context;
    let fast_interval = context.config.gpu_memory_interval;
    let bytes = history_bytes(interval.get(), fast_interval.map(Interval::get));
    let history = Arc::new(HistoryWriter::open(&context.place, bytes));
    if let Some(reason) = history.fallback() {
        let message = format!("no file for the history of vitals, it is lost with this process: {reason}");
        context.warn("history", &message);
    }
    context.calls.set_unhealthy("history_not_shared", history.fallback().is_some());
    #[cfg_attr(not(any(feature = "host", feature = "gpu")), expect(unused_mut))]
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    #[cfg(feature = "host")]
    sources.extend([
        Box::new(Host::new()) as Box<dyn Source>,
        Box::new(Processes::new()),
        Box::new(Places::new(context.place.directory())),
    ]);
    #[cfg(feature = "gpu")]
    if let Some(selection) = &context.config.gpus {
        let mut gpus = Gpus::new(selection.clone());
        gpus.set_visible(&processes.visible);
        sources.push(Box::new(gpus));
    }
    let (active, listening) = (deps.clone(), deps.clone());
    let activity = Arc::new(move || lock(&active.collector).activity());
    let sampling = Sampling {
        interval,
        fast: fast_interval.map(|interval| FastSampling { interval, activity }),
        history: Some(history.clone()),
        listener: Some(Listener(Arc::new(move |readings| {
            listening.samples.add(readings, || {
                let mut collector = lock(&listening.collector);
                (collector.in_flight().len(), collector.pids())
            });
        }))),
    };
    history.set_max_age(sampling.max_age());
    let sampler = Sampler::start(&context.registry, &sampling, sources)?;
    processes.set(&sampler);
    deps.attribution.set_history(history);
    Ok(sampler)
}

impl SampledProcesses {
    fn read(collector: &mut Collector) -> Self {
        let pids = collector.pids();
        let mut visible: Vec<_> = pids.iter().map(|pid| (*pid, Visible::default())).collect();
        for (pid, name, value) in collector.process_facts() {
            let Ok(index) = pids.binary_search(&pid) else { continue };
            let selected = &mut visible[index].1;
            match FACTS.iter().position(|fact| *fact == name) {
                Some(0) => selected.devices = Some(value.to_owned()),
                Some(1) => selected.by_bus = value == "PCI_BUS_ID",
                _ => {}
            }
        }
        Self { pids, visible }
    }

    fn set(&self, sampler: &Sampler) {
        sampler.set_pids(&self.pids);
        sampler.set_visible(&self.visible);
    }
}

/// Publishes the environment variables of this process that select GPUs, as they are now.
pub(super) fn publish_facts(calls: &Calls) {
    for name in FACTS {
        if let Some(value) = std::env::var_os(name) {
            calls.registry().set_process_fact(name, &value.to_string_lossy());
        }
    }
}
