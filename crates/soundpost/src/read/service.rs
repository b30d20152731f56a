//! A service seen from outside, by a process that is none of it: what the program `soundpost` reads.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use soundpost_core::snapshot::{Collector, Snapshot};
use soundpost_core::{Error, InFlightCall, Registry, ServiceDir, ServiceIdentity, thread};
use soundpost_vitals::{GpuSelection, Gpus, Readings, Source};

/// A service that has kept files on this host, running or not. Reading it changes nothing.
pub struct Service {
    name: String,
    place: ServiceDir,
    collector: Collector,
}

impl Service {
    /// Names of the services that have kept files below `directory`, sorted.
    pub fn all(directory: &Path) -> Vec<String> {
        ServiceDir::services(directory)
    }

    /// The service of this name below `directory`; `None` where it has kept nothing.
    ///
    /// # Errors
    /// When there is no memory to read it with.
    pub fn find(directory: &Path, name: &str) -> Result<Option<Self>, Error> {
        let Some(place) = ServiceDir::find(directory, name) else { return Ok(None) };
        let registry = Registry::detached(ServiceIdentity::new(name))?;
        let collector = Collector::new(place.clone(), registry);
        Ok(Some(Self { name: name.to_owned(), place, collector }))
    }

    /// Its name, as it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        self.place.directory()
    }

    /// Where its segments may lie, the preferred directory first.
    pub fn segment_directories(&self) -> &[PathBuf] {
        self.place.segment_directories()
    }

    /// What the names of its metrics begin with, without the underscore; known after the first
    /// [`Service::snapshot`].
    pub fn prefix(&self) -> &str {
        self.collector.prefix()
    }

    /// Everything it exposes now, as far as it is in its segments: all but what another exporter appends.
    pub fn snapshot(&mut self) -> Snapshot {
        self.collector.snapshot()
    }

    /// Its calls in flight, the oldest first.
    pub fn in_flight(&mut self) -> Vec<InFlightCall> {
        self.collector.in_flight()
    }

    /// Process ids of its living processes, as they see themselves; an agent is none of them.
    pub fn pids(&mut self) -> Vec<u32> {
        self.collector.pids()
    }

    /// Where its metrics are served: `host:port`; `None` while nobody does.
    pub fn address(&self) -> Option<String> {
        self.reporter()?;
        std::fs::read_to_string(self.place.directory().join(soundpost_report::ADDRESS)).ok()
    }

    /// The process that reports for it, be it one of its own or its agent; 0 for one in another PID namespace.
    pub fn reporter(&self) -> Option<u32> {
        soundpost_report::reporter(&self.place)
    }

    /// Its agent, if one runs; 0 for one in another PID namespace.
    pub fn agent(&self) -> Option<u32> {
        soundpost_report::agent(&self.place)
    }

    /// Writes a small file of its own into its directory, at once and for this user alone.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, name: &str, contents: &str) -> io::Result<()> {
        self.place.write(name, contents)
    }
}

/// A GPU, as NVML tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// NVML's index.
    pub index: String,
    /// Name of the device.
    pub name: String,
}

/// GPUs that the service may use, asked once; waits at most `timeout` for the driver.
///
/// # Errors
/// Why there are none, for a person.
pub fn gpus(timeout: Duration) -> Result<Vec<Gpu>, String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    // A driver that hangs keeps its thread for itself.
    thread::spawn("soundpost-nvml", move || drop(sender.send(ask()))).map_err(|error| error.to_string())?;
    let hangs = || format!("the driver does not answer within {} s", timeout.as_secs());
    receiver.recv_timeout(timeout).unwrap_or_else(|_| Err(hangs()))
}

fn ask() -> Result<Vec<Gpu>, String> {
    let mut readings = Readings::default();
    Gpus::new(GpuSelection::from_environment()).sample(&mut readings).map_err(|problem| problem.message)?;
    let mut gpus: Vec<Gpu> = Vec::new();
    for reading in &readings.readings {
        let label = |wanted: &str| {
            let at = reading.quantity.labels.iter().position(|name| *name == wanted)?;
            reading.labels.get(at).cloned()
        };
        let Some((index, name)) = label("gpu").zip(label("name")) else { continue };
        if !gpus.iter().any(|gpu| gpu.index == index) {
            gpus.push(Gpu { index, name });
        }
    }
    Ok(gpus)
}
