//! State that a process shares with its forked children.

use std::sync::Arc;

use soundpost_core::{Calls, Histogram, Registry, ServiceDir};

use crate::config::Config;

/// State that a process shares with its forked children: each of them has a reporter of its own.
pub(crate) struct ReporterContext {
    pub(crate) place: ServiceDir,
    pub(crate) registry: Arc<Registry>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) config: Config,
    pub(crate) scrape_seconds: Histogram,
}

impl ReporterContext {
    /// Logs a problem of a part of the reporter once, and counts it.
    pub(crate) fn warn(&self, part: &'static str, message: &str) {
        self.registry.diagnostics().warn_once(part, message);
    }
}
