//! Integration with metrics-exporter-prometheus, for services that already use it.
//!
//! [`Builder::through_facade`] records Soundpost's metrics to it. [`Builder::append`] adds its rendering to Soundpost's
//! endpoint.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::builder::Builder;

impl Builder {
    /// Appends this exporter's rendering to every scrape. A family of both is exposed once, with Soundpost's series.
    /// Scrapes are answered in the text format.
    pub fn append(mut self, exporter: PrometheusHandle) -> Self {
        self.appendix = Some(Arc::new(move || exporter.render()));
        self
    }

    /// Keeps the service's recorder, and also records everything of Soundpost to it through the facade. The facade has
    /// no fractional counters, which become gauges there (such as `audio_seconds_total`), and no exemplars or merge
    /// rules.
    pub fn through_facade(mut self) -> Self {
        self.facade = false;
        self.options.forward = true;
        self
    }
}
