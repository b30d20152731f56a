//! The identity of a service: name, version, commit and constant labels.

use super::name::{check_label, sanitized};
use super::record::Meta;
use crate::error::Error;

/// Name, version, commit and constant labels of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceIdentity {
    service: String,
    namespace: String,
    version: String,
    commit: String,
    /// Name of the instance; empty for that of the host.
    instance: String,
    labels: Vec<(String, String)>,
}

/// Version and instance of the service that made a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordOrigin {
    /// Version; empty for a service without one.
    pub version: String,
    /// Name of the instance.
    pub instance: String,
}

/// Returns the name of this host.
pub fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl ServiceIdentity {
    /// Makes the identity of a service. Its namespace is the name with `_` for characters that metric names
    /// cannot contain.
    pub fn new(service: impl Into<String>) -> Self {
        let service = service.into();
        Self { namespace: sanitized(&service, false), service, ..Self::default() }
    }

    /// Sets the prefix of the request metrics; default: the service's name.
    ///
    /// # Errors
    /// When it is not a metric name.
    pub fn namespace(mut self, namespace: &str) -> Result<Self, Error> {
        if namespace.is_empty() || sanitized(namespace, false) != namespace {
            return Err(Error::config(format!(
                "namespace: {namespace:?} is no prefix of a metric name; use letters, digits and '_', such as {:?}",
                sanitized(namespace, false)
            )));
        }
        self.namespace = namespace.to_owned();
        Ok(self)
    }

    /// Sets the version of the service.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the commit that the service was built from.
    #[must_use]
    pub fn commit(mut self, commit: impl Into<String>) -> Self {
        self.commit = commit.into();
        self
    }

    /// Sets the name of this instance of the service; default: the host's name.
    #[must_use]
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// Adds a label to every metric.
    ///
    /// # Errors
    /// When the name cannot be a label.
    pub fn label(mut self, name: &str, value: &str) -> Result<Self, Error> {
        check_label("labels", name)?;
        self.labels.retain(|(other, _)| other != name);
        self.labels.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Returns the service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the service's version; empty if not set.
    pub fn own_version(&self) -> &str {
        &self.version
    }

    /// Returns the version and the instance of records.
    pub fn origin(&self) -> RecordOrigin {
        let instance = if self.instance.is_empty() { host_name() } else { self.instance.clone() };
        RecordOrigin { version: self.version.clone(), instance }
    }

    /// Returns the prefix of the request metrics, without the underscore.
    pub fn prefix(&self) -> &str {
        &self.namespace
    }

    /// Returns the labels of all metrics.
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    pub(crate) fn has_label(&self, name: &str) -> bool {
        self.labels.iter().any(|(label, _)| label == name)
    }

    pub(crate) fn metas(&self) -> impl Iterator<Item = Meta> {
        let service = Meta::Service {
            name: self.service.clone(),
            namespace: self.namespace.clone(),
            version: self.version.clone(),
            commit: self.commit.clone(),
            instance: self.instance.clone(),
        };
        let labels =
            self.labels.iter().map(|(name, value)| Meta::Label { name: name.clone(), value: value.clone() });
        std::iter::once(service).chain(labels)
    }
}
