//! Values of settings: as a caller, a variable or an option gives them, and checked.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::sinks::SinkList;

/// A value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// `None`, or one of the words `none` and `off` where a setting accepts them.
    Off,
    /// A switch.
    Bool(bool),
    /// A whole number, in the unit of its setting.
    Int(i64),
    /// A number, in the unit of its setting.
    Float(f64),
    /// A text. The parser of the setting turns it into another value.
    Text(String),
    /// A path.
    Path(PathBuf),
    /// A socket address.
    Address(SocketAddr),
    /// A duration.
    Duration(Duration),
    /// Several texts.
    List(Vec<String>),
    /// Names and values.
    Pairs(Vec<(String, String)>),
    /// Sinks.
    Sinks(SinkList),
    /// A value that no setting accepts, as it is shown in the error.
    Unsupported(String),
}

impl SettingValue {
    /// Makes a value of a variable or an option: a text, or a path where it is not UTF-8.
    pub(super) fn from_os(value: OsString) -> Self {
        value.into_string().map_or_else(|value| Self::Path(value.into()), Self::Text)
    }
}

/// Shows a value in an error, as it would be written.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("None"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Path(value) => write!(f, "{value:?}"),
            Self::Address(value) => write!(f, "{value}"),
            Self::Duration(value) => write!(f, "{} s", value.as_secs_f64()),
            Self::List(values) => write!(f, "{values:?}"),
            Self::Pairs(values) => write!(f, "{values:?}"),
            Self::Sinks(_) => f.write_str("a list of sinks"),
            Self::Unsupported(value) => f.write_str(value),
        }
    }
}

impl From<bool> for SettingValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<String> for SettingValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for SettingValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<PathBuf> for SettingValue {
    fn from(value: PathBuf) -> Self {
        Self::Path(value)
    }
}

impl From<Option<Duration>> for SettingValue {
    fn from(value: Option<Duration>) -> Self {
        value.map_or(Self::Off, Self::Duration)
    }
}

impl From<u64> for SettingValue {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
