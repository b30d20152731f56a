//! A service with its own directory.

use std::path::PathBuf;
use std::sync::Arc;

use soundpost_core::snapshot::{Collector, RingReader};
use soundpost_core::{Calls, Error, Options, Registry, ServiceDir, ServiceIdentity};
use tempfile::TempDir;

use crate::BOUNDS;

/// Service whose files are removed at the end.
pub struct Service {
    /// Registry of the service.
    pub registry: Arc<Registry>,
    /// Calls of the service.
    pub calls: Arc<Calls>,
    place: ServiceDir,
    root: TempDir,
}

impl Service {
    /// Creates a service with room for `series` series per family.
    ///
    /// # Errors
    /// If its directory or segment cannot be created.
    pub fn new(series: usize) -> Result<Self, Error> {
        let root = tempfile::tempdir()
            .map_err(|error| Error::io("cannot create", &PathBuf::from("a directory"), error))?;
        let place = ServiceDir::open(root.path(), "bench")?;
        let names = |kind: &str| (0..10).map(|family| format!("{kind}_{family}")).collect::<Vec<_>>();
        let buckets = names("latency").into_iter().map(|name| (name, BOUNDS.to_vec())).collect();
        let options = Options { series_limit: series, buckets, ..Options::default() };
        let registry = Registry::open(&place, ServiceIdentity::new("bench").version("1"), options)?;
        let calls = Calls::new(&registry)?;
        Ok(Self { registry, calls, place, root })
    }

    /// Returns a reader of the service.
    pub fn collector(&self) -> Collector {
        Collector::new(self.place.clone(), self.registry.clone())
    }

    /// Drains finished calls from its event ring.
    pub fn drain(&self) -> RingReader {
        RingReader::new(self.place.clone(), self.registry.clone())
    }

    /// Returns the directory of its files.
    pub fn root(&self) -> &TempDir {
        &self.root
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.collector().end_run();
    }
}
