//! The scrape server in a build without it.

use std::time::Instant;

use soundpost_core::Error;

use crate::config::Config;
use crate::context::ReporterContext;
use crate::sources::Sources;

#[derive(Default)]
pub(super) struct ServerThread;

pub(super) fn check(_: &Config) -> Result<(), Error> {
    Ok(())
}

impl ServerThread {
    pub(super) fn address(&self) -> Option<&str> {
        None
    }

    pub(super) fn keep_running(&mut self, _: &ReporterContext, _: impl FnOnce() -> Sources) {}

    pub(super) fn stop(self, _: &ReporterContext, _: Instant) {}
}
