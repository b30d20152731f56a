//! Access to a service from another process, such as the program `soundpost`.

use std::io;
use std::path::{Path, PathBuf};

use soundpost_core::snapshot::{Collector, Snapshot};
use soundpost_core::{Error, InFlightCall, Registry, ServiceDir, ServiceIdentity, regular_file};
#[cfg(feature = "sinks")]
use soundpost_sinks::{SharedSinks, Sink};
#[cfg(feature = "store")]
use {
    crate::settings::Settings,
    soundpost_core::Notice,
    soundpost_store::{Limits, Reader},
};

/// A service with files on this host, running or not. Only [`Service::recover`] changes them.
pub struct Service {
    name: String,
    place: ServiceDir,
    collector: Collector,
}

impl Service {
    /// Returns the sorted names of the services with files below `directory`.
    pub fn all(directory: &Path) -> Vec<String> {
        ServiceDir::services(directory)
    }

    /// Checks that only this user and root can change what is in the root of the services' directories.
    ///
    /// # Errors
    /// When another user can, or it cannot be read; the message has the reason.
    pub fn check_root(directory: &Path) -> io::Result<()> {
        ServiceDir::check_root(directory)
    }

    /// Checks that the file system of the services' directories has record locks.
    ///
    /// # Errors
    /// When it has none; the message has the reason.
    pub fn check_locks(directory: &Path) -> io::Result<()> {
        ServiceDir::check_locks(directory)
    }

    /// Removes the shared memory of this user's services whose directory is gone and that no process uses. Returns the
    /// number of services and the freed bytes.
    pub fn reclaim() -> (usize, u64) {
        ServiceDir::reclaim_all()
    }

    /// Returns the user whose files the service's are; `None` if it has no files that this user may see.
    pub fn owner(directory: &Path, name: &str) -> Option<u32> {
        ServiceDir::owner(directory, name)
    }

    /// Returns the directory and the name of each service that has files of this user in `/dev/shm`.
    pub fn in_shared_memory() -> Vec<(PathBuf, String)> {
        ServiceDir::in_shared_memory()
    }

    /// Returns the other users with files of services in `/dev/shm`.
    pub fn other_users() -> Vec<u32> {
        ServiceDir::other_users()
    }

    /// Returns the folders below `directory` that another user closed to this one, with their owners.
    pub fn closed(directory: &Path) -> Vec<(String, u32)> {
        ServiceDir::closed(directory)
    }

    /// Returns this user's service of this name below `directory`; `None` if it has no files.
    ///
    /// # Errors
    /// When memory cannot be allocated.
    pub fn find(directory: &Path, name: &str) -> Result<Option<Self>, Error> {
        let Some(place) = ServiceDir::find(directory, name) else { return Ok(None) };
        let registry = Registry::detached(ServiceIdentity::new(name))?;
        let collector = Collector::new(place.clone(), registry);
        Ok(Some(Self { name: name.to_owned(), place, collector }))
    }

    /// Returns the service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the service's directory.
    pub fn directory(&self) -> &Path {
        self.place.directory()
    }

    /// Returns the possible directories of its segments, the preferred one first.
    pub fn segment_directories(&self) -> &[PathBuf] {
        self.place.segment_directories()
    }

    /// Returns the prefix of its metrics, without the underscore; known after the first [`Service::snapshot`].
    pub fn prefix(&self) -> &str {
        self.collector.prefix()
    }

    /// Returns all metrics in its segments; those appended by another exporter are missing.
    pub fn snapshot(&mut self) -> Snapshot {
        self.collector.snapshot()
    }

    /// Returns its calls in flight, the oldest first.
    pub fn in_flight(&mut self) -> Vec<InFlightCall> {
        self.collector.in_flight()
    }

    /// Returns the process ids of its running processes in their own PID namespace, without the agent.
    pub fn pids(&mut self) -> Vec<u32> {
        self.collector.pids()
    }

    /// Returns the address of its endpoint (`host:port`); `None` without a reporter.
    pub fn address(&self) -> Option<String> {
        self.reporter()?;
        regular_file::read_text(
            &self.place.directory().join(soundpost_report::ADDRESS),
            regular_file::SECRET_BYTES,
        )
        .ok()
    }

    /// Returns the process id of its reporter or agent; 0 in another PID namespace.
    pub fn reporter(&self) -> Option<u32> {
        soundpost_report::reporter(&self.place)
    }

    /// Returns the process id of its agent, if one runs; 0 in another PID namespace.
    pub fn agent(&self) -> Option<u32> {
        soundpost_report::agent(&self.place)
    }

    /// Returns the sinks of its last start that its running agent does not ship to, each with the reason.
    #[cfg(feature = "sinks")]
    pub fn unshipped_sinks(&self) -> Vec<(String, String)> {
        let Some(shipped) = soundpost_report::agents_sinks(&self.place) else { return Vec::new() };
        let (sinks, _) = SharedSinks::read(&self.place).sinks();
        let unshipped = sinks.into_iter().filter(|sink| shipped.iter().all(|name| name != sink.name()));
        let why = |sink: &Sink| sink.agents_obstacle().unwrap_or_else(|| "see the agent's log".to_owned());
        unshipped.map(|sink| (sink.to_string(), why(&sink))).collect()
    }

    /// Returns the limits of its store, as of its last start; `None` without a store.
    #[cfg(feature = "store")]
    pub fn store_limits(&self) -> Option<Limits> {
        Settings::shared(&self.place).store_limits()
    }

    /// Stores the calls and log events that dead processes left, if no process reports. Returns notices of records that
    /// cannot be stored. A service without a store, one of another user, and a store that cannot be read, are left as they
    /// are.
    ///
    /// # Errors
    /// When memory cannot be allocated.
    #[cfg(feature = "store")]
    pub fn recover(&self) -> Result<Vec<Notice>, Error> {
        let is_own = self.place.problem().is_none();
        match self.store_limits().filter(|_| is_own && Reader::open(self.directory()).is_ok()) {
            Some(limits) => soundpost_report::recover(&self.place, limits),
            None => Ok(Vec::new()),
        }
    }
}
