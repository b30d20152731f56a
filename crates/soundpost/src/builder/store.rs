//! Options of the store.

use soundpost_report::Config;

use super::Builder;
use crate::settings::{SettingValue, Settings};

impl Builder {
    /// Sets whether finished calls, log events and vitals are stored on disk; default: true. Without a store, calls
    /// are only counted.
    pub fn store(self, is_kept: bool) -> Self {
        self.set("store", is_kept)
    }

    /// Sets the retention of the store, days; default: 30.
    pub fn store_days(self, days: f64) -> Self {
        self.set("store_days", SettingValue::Float(days))
    }

    /// Sets the maximum size of the store, at least 16 MiB; default: 512 MiB.
    pub fn store_bytes(self, bytes: u64) -> Self {
        self.set("store_bytes", bytes)
    }
}

/// Configures the store.
pub(super) fn configure(settings: &Settings, config: &mut Config) {
    config.store = settings.store_limits();
}
