//! Recovery without a reporter: a reader stores the records that dead processes of a service left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use soundpost_core::history::HistoryReader;
use soundpost_core::{Calls, Error, Notice, Registry, ServiceDir, ServiceIdentity};
use soundpost_store::Limits;

use super::deps::Deps;
use super::ingest::Ingest;
use super::storage;
use super::store_thread::poll_until;
use crate::config::Config;
use crate::context::ReporterContext;
use crate::election;

/// Maximum wait for another reader that recovers the same records.
const READER_TIMEOUT: Duration = Duration::from_secs(2);

/// Stores the calls and log events that dead processes left in their segments, if no process reports. Returns notices
/// of records that cannot be stored. The totals stay in the segments for the next reporter.
///
/// # Errors
/// When memory cannot be allocated.
pub fn recover(place: &ServiceDir, limits: Limits) -> Result<Vec<Notice>, Error> {
    storage::prepare_for_forks();
    let mut lease = None;
    poll_until(Instant::now() + READER_TIMEOUT, || {
        let has_reader = election::has_reader(place);
        lease = election::try_acquire_as_reader(place);
        lease.is_some() || !has_reader
    });
    if lease.is_none() || !place.has_dead_segment() {
        return Ok(Vec::new());
    }
    let registry = Registry::detached(ServiceIdentity::new(""))?;
    let calls = Calls::new(&registry)?;
    let config = Config { store: Some(limits), ..Config::default() };
    let context = Arc::new(ReporterContext::new(place.clone(), registry.clone(), calls, config)?);
    let deps = Arc::new(Deps::new(context));
    if let Ok(history) = HistoryReader::open(place) {
        deps.attribution.set_reader(history);
    }
    let mut ingest = Ingest::new(deps)?;
    // Another program that tests a dead segment at this moment makes it look alive.
    (0..2).for_each(|_| ingest.round(true, || false));
    ingest.storage.close();
    Ok(registry.diagnostics().notices(0))
}
