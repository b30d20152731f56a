//! Kinds of settings: how a value is parsed and checked, and how its form is described.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use soundpost_core::{Error, ServiceIdentity};

use super::sinks::SinkList;
use super::text::{parse_duration, parse_size, parse_switch};
use super::value::SettingValue;

/// Longest duration of a setting, about 32 years.
const MAX_SECONDS: f64 = 1e9;
const SECONDS_PER_DAY: f64 = 86_400.0;
/// Levels of `logging` by name.
const LEVELS: [(&str, i64); 7] = [
    ("DEBUG", 10),
    ("INFO", 20),
    ("WARNING", 30),
    ("WARN", 30),
    ("ERROR", 40),
    ("CRITICAL", 50),
    ("FATAL", 50),
];

/// Form of a setting's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Namespace,
    Address,
    Switch,
    /// A switch with a third state; the switch's own states also have words: `on` and `none`.
    Choice {
        on: &'static str,
        word: &'static str,
    },
    Time {
        least: Duration,
        most: Duration,
    },
    Days,
    Size {
        least: u64,
        most: u64,
    },
    Labels,
    Path,
    Secret,
    Login,
    Patterns,
    Hosts,
    Sinks,
    Level,
}

impl Kind {
    /// Parses and checks a value. The message of an error contains no secret.
    pub(super) fn check(self, value: SettingValue) -> Result<SettingValue, String> {
        use SettingValue as V;
        match (self, value) {
            (Self::Text, V::Text(text)) if !text.is_empty() => Ok(V::Text(text)),
            (Self::Text, value) => Err(format!("{value} is not a text; give one that is not empty")),
            (Self::Namespace, V::Text(text)) => match ServiceIdentity::new("").namespace(&text) {
                Ok(_) => Ok(V::Text(text)),
                Err(error) => Err(without_name("namespace", &error)),
            },
            (Self::Address, V::Address(address)) => Ok(V::Address(address)),
            (Self::Address, V::Text(text)) => parse_address(&text).map(V::Address),
            (Self::Switch, value) => switch(&value)
                .map(V::Bool)
                .ok_or_else(|| format!("{value} is neither true nor false; use true, false, 1 or 0")),
            (Self::Choice { on, word }, value) => {
                let text =
                    if let V::Text(text) = &value { text.trim().to_ascii_lowercase() } else { String::new() };
                match switch(&value) {
                    Some(switch) => Ok(V::Bool(switch)),
                    None if text == word => Ok(V::Text(text)),
                    None if text == on => Ok(V::Bool(true)),
                    None if text == "none" => Ok(V::Bool(false)),
                    None => Err(format!("{value} is none of {on}, {word}, none, true and false")),
                }
            }
            (Self::Time { least, most }, value) => {
                let time = duration(&value, 1.0);
                let time = time.filter(|time| (least..=most).contains(time) && !time.is_zero());
                time.map(V::Duration).ok_or_else(|| format!("{value} is not a {}", self.describe()))
            }
            (Self::Days, value) => {
                let time = duration(&value, SECONDS_PER_DAY).filter(|time| !time.is_zero());
                time.map(V::Duration).ok_or_else(|| format!("{value} is not a {}", self.describe()))
            }
            (Self::Size { least, most }, value) => {
                let bytes = match &value {
                    V::Int(bytes) => u64::try_from(*bytes).ok(),
                    V::Text(text) => parse_size(text),
                    _ => None,
                };
                let bytes = bytes.filter(|bytes| (least..=most).contains(bytes));
                let bytes = bytes.and_then(|bytes| i64::try_from(bytes).ok());
                bytes.map(V::Int).ok_or_else(|| format!("{value} is not a {}", self.describe()))
            }
            (Self::Labels, value) => labels(value).map(V::Pairs),
            (Self::Path, V::Text(path)) if !path.is_empty() => absolute(path.as_ref()),
            (Self::Path, V::Path(path)) if !path.as_os_str().is_empty() => absolute(&path),
            (Self::Path, value) => Err(format!("{value} is not a path")),
            (Self::Secret, V::Text(text)) if !text.trim().is_empty() => Ok(V::Text(text.trim().to_owned())),
            (Self::Secret, _) => Err("give a text that is not empty".to_owned()),
            (Self::Login, value) => login(value),
            (Self::Patterns, V::Text(text)) => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Ok(V::List(lines.map(str::to_owned).collect()))
            }
            (Self::Patterns, V::List(patterns)) => Ok(V::List(patterns)),
            (Self::Patterns, value) => {
                Err(format!("{value} is not a list; give regular expressions as texts"))
            }
            (Self::Hosts, value) => hosts(value).map(V::List),
            (Self::Sinks, V::Sinks(sinks)) => Ok(V::Sinks(sinks)),
            (Self::Sinks, V::Text(urls)) => sinks(&urls),
            (Self::Sinks, V::List(urls)) => sinks(&urls.join(" ")),
            (Self::Sinks, value) => Err(format!("{value} is not a list of sinks")),
            (Self::Level, value) => level(value),
            (Self::Namespace | Self::Address, value) => Err(format!("{value} is not a {}", self.describe())),
        }
    }

    /// Describes the values that are accepted, for the guide and for errors.
    pub(super) fn describe(self) -> String {
        let seconds = |time: Duration| match time.as_secs() {
            0 => format!("{} ms", time.as_millis()),
            seconds => format!("{seconds} s"),
        };
        let size = |bytes: u64| match bytes >> 20 {
            0 => format!("{} KiB", bytes >> 10),
            mib => format!("{mib} MiB"),
        };
        match self {
            Self::Text => "text".to_owned(),
            Self::Namespace => "name of letters, digits and `_`".to_owned(),
            Self::Address => "`host:port` or port".to_owned(),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Choice { on, word } => format!("`{on}`, `{word}` or `none`"),
            Self::Time { most, .. } if most.as_secs_f64() >= MAX_SECONDS => {
                "duration above 0, in seconds or such as 10m".to_owned()
            }
            Self::Time { least, most } => {
                format!("duration from {} to {}, in seconds or such as 500ms", seconds(least), seconds(most))
            }
            Self::Days => "duration above 0, in days or such as 12h".to_owned(),
            Self::Size { least, most: u64::MAX } => {
                format!("size of at least {}, in bytes or such as 512MiB", size(least))
            }
            Self::Size { least, most } => {
                format!("size from {} to {}, in bytes or such as 8MiB", size(least), size(most))
            }
            Self::Labels => "`name=value,name=value`".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Secret => "text".to_owned(),
            Self::Login => "`user:password`".to_owned(),
            Self::Patterns => "one regular expression a line".to_owned(),
            Self::Hosts => "names with commas between them".to_owned(),
            Self::Sinks => "URLs with commas between them".to_owned(),
            Self::Level => "`true`, `false` or a level such as `INFO`".to_owned(),
        }
    }
}

/// Longest duration that [`Kind::Time`] can accept.
pub(super) const ANY_TIME: Duration = Duration::from_secs(MAX_SECONDS as u64);

fn switch(value: &SettingValue) -> Option<bool> {
    match value {
        SettingValue::Bool(switch) => Some(*switch),
        SettingValue::Text(text) => parse_switch(text),
        _ => None,
    }
}

/// Reads a duration; a bare number counts `unit` seconds.
fn duration(value: &SettingValue, unit: f64) -> Option<Duration> {
    let number = match value {
        SettingValue::Duration(duration) => return Some(*duration),
        SettingValue::Int(number) => *number as f64,
        SettingValue::Float(number) => *number,
        SettingValue::Text(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return parse_duration(text).ok(),
        },
        _ => return None,
    };
    let seconds = Some(number * unit).filter(|seconds| *seconds < MAX_SECONDS)?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Reads `host:port`; a port alone is one of this machine.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let numeric = text.replacen("localhost", "127.0.0.1", 1);
    if let Ok(address) = numeric.parse() {
        return Ok(address);
    }
    let advice = "use host:port such as 127.0.0.1:9464, a port, or off";
    match text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
        None => Err(format!("{text:?} is not an address; {advice}")),
        Some(_) => match text.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(format!("{text:?} has no address; {advice}")),
            Err(error) => Err(format!("{text:?} cannot be resolved ({error}); {advice}")),
        },
    }
}

/// Reads and checks labels; returns them sorted by name.
fn labels(value: SettingValue) -> Result<Vec<(String, String)>, String> {
    let texts: Vec<String> = match value {
        SettingValue::Pairs(mut pairs) => {
            let mut identity = ServiceIdentity::new("");
            for (name, value) in &pairs {
                identity = identity.label(name, value).map_err(|error| without_name("labels", &error))?;
            }
            pairs.sort();
            return Ok(pairs);
        }
        SettingValue::Text(text) => text.split(',').map(str::to_owned).collect(),
        SettingValue::List(texts) => texts,
        value => return Err(format!("{value} is not a mapping of names to values")),
    };
    let pair = |text: &String| {
        let pair =
            text.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        pair.ok_or_else(|| format!("{text:?} is not a label; use name=value"))
    };
    let pairs = texts.iter().filter(|text| !text.trim().is_empty()).map(pair);
    labels(SettingValue::Pairs(pairs.collect::<Result<_, _>>()?))
}

/// Reads and checks names of hosts.
fn hosts(value: SettingValue) -> Result<Vec<String>, String> {
    let texts = match value {
        SettingValue::Text(text) => text.split([',', ' ']).map(str::to_owned).collect(),
        SettingValue::List(texts) => texts,
        value => return Err(format!("{value} is not a list of names")),
    };
    let is_name = |name: &str| {
        let rest = name.strip_prefix("*.").unwrap_or(name);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        name == "*" || !rest.is_empty() && rest.chars().all(is_plain)
    };
    let names = texts.into_iter().filter(|name| !name.is_empty());
    names.map(|name| if is_name(&name) { Ok(name) } else { Err(wrong_host(&name)) }).collect()
}

fn wrong_host(name: &str) -> String {
    format!("{name:?} is not the name of a host; use names such as tts.example.org, *.example.org or *")
}

fn absolute(path: &std::path::Path) -> Result<SettingValue, String> {
    let absolute = std::path::absolute(path);
    absolute.map(SettingValue::Path).map_err(|error| format!("{path:?} cannot be resolved: {error}"))
}

/// Reads a user and a password. An error does not show them.
fn login(value: SettingValue) -> Result<SettingValue, String> {
    let parts = match value {
        SettingValue::Text(text) => {
            text.split_once(':').map(|(user, password)| [user, password].map(str::to_owned))
        }
        SettingValue::List(parts) => parts.try_into().ok(),
        _ => None,
    };
    match parts {
        Some([user, password]) if !user.is_empty() && !password.is_empty() && !user.contains(':') => {
            Ok(SettingValue::List(vec![user, password]))
        }
        Some(_) => {
            Err("neither the user nor the password may be empty, and the user has no colon".to_owned())
        }
        None => Err("give (user, password), or \"user:password\"".to_owned()),
    }
}

fn sinks(urls: &str) -> Result<SettingValue, String> {
    SinkList::from_urls(urls).map(SettingValue::Sinks).map_err(|error| without_name("sinks", &error))
}

/// Reads a switch or a level; a level of an unknown name is left to the binding.
fn level(value: SettingValue) -> Result<SettingValue, String> {
    match value {
        SettingValue::Int(level) if level > 0 => Ok(SettingValue::Int(level)),
        SettingValue::Text(text) if parse_switch(&text).is_none() && !text.trim().is_empty() => {
            let name = text.trim().to_ascii_uppercase();
            let level = LEVELS.iter().find(|(level, _)| *level == name);
            Ok(level.map_or(SettingValue::Text(name), |(_, level)| SettingValue::Int(*level)))
        }
        value => switch(&value)
            .map(SettingValue::Bool)
            .ok_or_else(|| format!("{value} is neither true nor false, and not a level such as INFO")),
    }
}

/// Text of an error without the name of the setting that it begins with: the caller names the source instead.
fn without_name(name: &str, error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{name}: ")).unwrap_or(&text).to_owned()
}
