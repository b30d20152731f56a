//! Beside metrics-exporter-prometheus: a service that runs it already keeps it.

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
}
