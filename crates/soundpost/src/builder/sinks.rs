//! Options of sinks.

use soundpost_report::Config;
use soundpost_sinks::Sink;

use super::Builder;
use crate::settings::{SettingValue, Settings};

impl Builder {
    /// Adds a [sink](crate::sink) that stored records are shipped to. `SOUNDPOST_SINKS` is ignored then.
    pub fn sink(mut self, sink: impl Into<Sink>) -> Self {
        self.sinks.get_or_insert_with(|| Vec::new().into()).push(sink.into());
        self
    }

    /// Replaces the [sinks](crate::sink); an empty list ships nothing. `SOUNDPOST_SINKS` is ignored then.
    pub fn sinks(mut self, sinks: impl IntoIterator<Item = Sink>) -> Self {
        self.sinks = Some(sinks.into_iter().collect::<Vec<_>>().into());
        self
    }

    /// Sets the name of this instance of the service in shipped records; default: the host's name.
    pub fn instance(self, instance: impl Into<String>) -> Self {
        self.set("instance", instance.into())
    }
}

/// Configures the sinks.
pub(super) fn configure(settings: &Settings, config: &mut Config) {
    if let SettingValue::Sinks(list) = settings.value("sinks") {
        config.sinks = list.sinks;
    }
}
