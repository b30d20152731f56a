//! Severity of log events.

/// Severity of a log event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Details for debugging.
    Debug,
    /// Normal operation.
    #[default]
    Info,
    /// Unexpected, but the service continues.
    Warning,
    /// An operation failed.
    Error,
    /// The service cannot continue.
    Critical,
}

/// Name, name in log lines, and severity of syslog, in the order of the levels.
const FORMS: [(&str, &str, u8); 5] = [
    ("debug", "DEBUG", 7),
    ("info", "INFO", 6),
    ("warning", "WARNING", 4),
    ("error", "ERROR", 3),
    ("critical", "CRITICAL", 2),
];

impl Level {
    /// All levels, in the order of their declaration.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// Returns the name, as a label value.
    pub fn name(self) -> &'static str {
        FORMS[self as usize].0
    }

    /// Returns the level of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Returns the name in upper case, as log lines begin with it.
    pub fn upper(self) -> &'static str {
        FORMS[self as usize].1
    }

    /// Returns the severity of syslog (RFC 5424): 7 debug, 6 informational, 4 warning, 3 error, 2 critical.
    pub fn syslog(self) -> u8 {
        FORMS[self as usize].2
    }
}
