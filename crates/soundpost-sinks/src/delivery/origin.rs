//! The origin of a service's records.

use soundpost_core::{RecordOrigin, host_name};

use crate::format::record::Origin;

/// An [`Origin`] that owns its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedOrigin {
    host: String,
    service: String,
    /// Version and instance of records that have none.
    pub default: RecordOrigin,
    /// Labels of vitals; calls and log events have them already.
    pub labels: Vec<(String, String)>,
}

impl OwnedOrigin {
    /// Returns the origin of a service on this host.
    pub fn new(service: &str, default: RecordOrigin, labels: Vec<(String, String)>) -> Self {
        Self { host: host_name(), service: service.to_owned(), default, labels }
    }

    pub(crate) fn origin(&self) -> Origin<'_> {
        let Self { host, service, default: RecordOrigin { version, instance }, labels } = self;
        Origin { host, labels, instance, service, version }
    }
}
