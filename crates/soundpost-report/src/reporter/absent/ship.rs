//! Sinks in a build without them.

use std::sync::Arc;
use std::time::Instant;

use soundpost_core::Error;
use soundpost_core::snapshot::{Labels, Snapshot};

use super::deps::Deps;
use super::store_thread::StoreThread;
use crate::config::Config;
use crate::context::ReporterContext;

pub(super) fn prepare(_: &mut Config) -> Result<(), Error> {
    Ok(())
}

pub(super) fn names(_: &Config) -> Vec<String> {
    Vec::new()
}

pub(super) fn add_families(_: &Deps, _: &mut Snapshot, _: &Labels, _: bool) {}

#[derive(Clone, Default)]
pub(super) struct SinkThreads;

impl SinkThreads {
    pub(super) fn keep_running(&mut self, _: &Deps, _: &Arc<StoreThread>) {}

    pub(super) fn flush(&self, _: Instant) {}

    pub(super) fn stop(&self, _: Instant) {}
}

#[derive(Default)]
pub(super) struct UnshippedSinks;

impl UnshippedSinks {
    pub(super) fn check(&self, _: &ReporterContext) {}

    pub(super) fn clear(&self, _: &ReporterContext) {}
}
