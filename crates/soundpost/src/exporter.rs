//! Beside metrics-exporter-prometheus: a service that runs it already keeps it.
//!
//! [`Builder::through_facade`] has Soundpost's instruments write to it; [`Builder::append`] has Soundpost's
//! endpoint show what it renders.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::builder::Builder;

impl Builder {
    /// Appends what this exporter renders to every scrape of ours. Families that both have are shown once,
    /// ours. While it is set, scrapes are answered in the text format.
    pub fn append(mut self, exporter: PrometheusHandle) -> Self {
        self.appendix = Some(Arc::new(move || exporter.render()));
        self
    }

    /// Leaves the recorder that the service has installed where it is, and writes everything Soundpost records
    /// through the facade to it as well. What the facade has no kind for: counters of fractions (such as
    /// `audio_seconds_total`) are gauges over there, exemplars and merge rules are Soundpost's alone.
    pub fn through_facade(mut self) -> Self {
        self.facade = false;
        self.options.forward = true;
        self
    }
}
