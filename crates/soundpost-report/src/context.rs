//! State that a process shares with its forked children.

use std::sync::Arc;

use soundpost_core::{Calls, Error, Histogram, LOCKS_UNUSABLE, Registry, ServiceDir, Spec, Unit};

use crate::config::Config;

const SCRAPE_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// State that a process shares with its forked children: each of them has a reporter of its own.
pub(crate) struct ReporterContext {
    pub(crate) place: ServiceDir,
    pub(crate) registry: Arc<Registry>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) config: Config,
    pub(crate) scrape_seconds: Histogram,
}

impl ReporterContext {
    pub(crate) fn new(
        place: ServiceDir,
        registry: Arc<Registry>,
        calls: Arc<Calls>,
        config: Config,
    ) -> Result<Self, Error> {
        let spec = Spec::histogram("soundpost_scrape_duration_seconds", &SCRAPE_BUCKETS)
            .unit(Unit::Seconds)
            .help("Time to read all segments, render and compress one scrape.");
        let scrape_seconds = registry.family(spec)?.histogram(&[])?;
        Ok(Self { place, registry, calls, config, scrape_seconds })
    }

    /// Reports whether another directory replaces that of the service for want of record locks.
    pub(crate) fn lacks_locks(&self) -> bool {
        self.place.problem().is_some_and(|(reason, _)| reason == LOCKS_UNUSABLE)
    }

    /// Sets and clears the flags of shortages that failures were attributed to.
    pub(crate) fn update_shortages(&self) {
        for (shortage, lasts) in self.registry.update_shortages() {
            self.calls.set_unhealthy(shortage.reason(), lasts);
        }
    }

    /// Logs a failure of a part of the reporter once, and counts it.
    pub(crate) fn warn(&self, part: &'static str, message: &str) {
        self.registry.failures().warn_once(part, message);
    }
}
