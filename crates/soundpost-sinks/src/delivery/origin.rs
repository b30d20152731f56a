//! The origin of a service's records.

use crate::format::record::Origin;

/// An [`Origin`] that owns its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedOrigin {
    host: String,
    instance: String,
    service: String,
    version: String,
    labels: Vec<(String, String)>,
}

impl OwnedOrigin {
    /// Returns the origin of a service on this host. The instance defaults to the host's name.
    pub fn new(service: &str, version: &str, instance: Option<&str>) -> Self {
        let host = nix::unistd::gethostname().ok();
        let host = host.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let instance = instance.unwrap_or(&host).to_owned();
        let (service, version) = (service.to_owned(), version.to_owned());
        Self { host, instance, service, version, labels: Vec::new() }
    }

    /// Sets the version.
    pub fn with_version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    /// Sets the labels of all records.
    pub fn with_labels(self, labels: Vec<(String, String)>) -> Self {
        Self { labels, ..self }
    }

    pub(crate) fn origin(&self) -> Origin<'_> {
        let Self { host, instance, service, version, labels } = self;
        Origin { host, labels, instance, service, version }
    }
}
