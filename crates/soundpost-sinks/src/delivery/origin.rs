//! Who writes.

use crate::format::record::Origin;

/// An [`Origin`] that owns its names.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    host: String,
    instance: String,
    service: String,
    version: String,
    labels: Vec<(String, String)>,
}

impl Names {
    /// Of a service on this host; its instance is called as the host where it has no name of its own.
    pub fn new(service: &str, version: &str, instance: Option<&str>) -> Self {
        let host = nix::unistd::gethostname().ok();
        let host = host.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let instance = instance.unwrap_or(&host).to_owned();
        let (service, version) = (service.to_owned(), version.to_owned());
        Self { host, instance, service, version, labels: Vec::new() }
    }

    /// The same of another version.
    pub fn of_version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    /// The same with labels on everything.
    pub fn with_labels(self, labels: Vec<(String, String)>) -> Self {
        Self { labels, ..self }
    }

    pub(crate) fn origin(&self) -> Origin<'_> {
        let Self { host, instance, service, version, labels } = self;
        Origin { host, labels, instance, service, version }
    }
}
