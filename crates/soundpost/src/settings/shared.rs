//! Settings that a service leaves in its directory, for programs that read its records.

use std::io;

use soundpost_core::ServiceDir;
use soundpost_store::Limits;

use super::{SettingValue, Settings};

/// Name of the file, with a line for each setting in the form of its variable.
const FILE: &str = "settings";
const SHARED: [&str; 3] = ["store", "store_days", "store_bytes"];

impl Settings {
    /// Returns the limits of the store; `None` without a store.
    pub(crate) fn store_limits(&self) -> Option<Limits> {
        let limits = Limits::default();
        let limits = Limits {
            age: self.duration("store_days").unwrap_or(limits.age),
            bytes: self.bytes("store_bytes").unwrap_or(limits.bytes),
            ..limits
        };
        self.switch("store").then_some(limits)
    }

    /// Writes the settings into the service's directory, unless they are there.
    pub(crate) fn share(&self, place: &ServiceDir) -> io::Result<()> {
        let line = |name| Some(format!("{name}={}\n", text(&self.value(name))?));
        let text: String = SHARED.into_iter().filter_map(line).collect();
        if place.read(FILE).is_ok_and(|before| before == text) { Ok(()) } else { place.write(FILE, &text) }
    }

    /// Returns the settings of the service's last start; the defaults without any.
    pub(crate) fn shared(place: &ServiceDir) -> Self {
        let mut settings = Self::default();
        let lines = place.read(FILE).unwrap_or_default();
        for (name, value) in lines.lines().filter_map(|line| line.split_once('=')) {
            if let Some(shared) = SHARED.into_iter().find(|shared| *shared == name) {
                settings.set(shared, value);
            }
        }
        settings.resolve(&|_| None).0
    }
}

/// Writes a value as its parser reads it.
fn text(value: &SettingValue) -> Option<String> {
    match value {
        SettingValue::Bool(_) | SettingValue::Int(_) => Some(value.to_string()),
        SettingValue::Duration(duration) => Some(format!("{}s", duration.as_secs_f64())),
        _ => None,
    }
}
