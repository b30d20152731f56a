//! Sampling, while this process reports.

use std::sync::Arc;
use std::time::Instant;

use soundpost_core::clock;
use soundpost_core::snapshot::Activity;
use soundpost_core::thread::lock;
use soundpost_store::Entity;
use soundpost_vitals::Listener;

use super::Running;
use crate::samples::samples;
use crate::vitals::{Known, Vitals, Wanted};

impl Running {
    /// Samples host, processes and GPUs if this process is elected: one does for all.
    pub(super) fn keep_sampling(self: &Arc<Self>) {
        let config = &self.seed.config;
        let Some(interval) = config.sample_interval.filter(|_| self.is_elected()) else { return };
        let known = Known::of(&mut lock(&self.collector));
        let mut vitals = lock(&self.vitals);
        if let Some(vitals) = vitals.as_ref() {
            vitals.set_known(&known);
            return vitals.check();
        }
        let keeper = Arc::downgrade(self);
        let listener = Listener(Arc::new(move |readings| {
            let Some(running) = keeper.upgrade() else { return };
            let keeper = lock(&running.keeper).clone();
            if let Some(keeper) = keeper {
                let mut samples = samples(clock::unix_nanos(), readings);
                let (in_flight, pids) = {
                    let mut collector = lock(&running.collector);
                    (collector.in_flight().len(), collector.pids())
                };
                for sample in &mut samples {
                    match (&mut sample.entity, &pids[..]) {
                        (Entity::Host, _) => sample.values.push(("requests_in_flight", in_flight as f64)),
                        (Entity::Process { pid }, [only]) if *pid == 0 => *pid = *only,
                        _ => {}
                    }
                }
                keeper.take(samples);
            }
        }));
        let (glances, gpus) = (config.gpu_memory_interval, config.gpus.clone());
        let wanted = Wanted { interval, glances, gpus, listener };
        let myself = Arc::downgrade(self);
        let activity = move || {
            let running = myself.upgrade();
            running.map_or_else(Activity::default, |running| lock(&running.collector).activity())
        };
        match Vitals::start(&self.seed.place, &self.seed.calls, &wanted, &known, activity) {
            Ok(started) => {
                self.attribution.set_history(started.history().clone());
                *vitals = Some(started);
            }
            Err(error) => self.seed.registry.diagnostics().warn_once("vitals", &error.to_string()),
        }
    }

    pub(super) fn stop_sampling(&self, deadline: Instant) {
        let vitals = lock(&self.vitals).take();
        if let Some(vitals) = vitals {
            vitals.stop(deadline);
        }
    }
}
