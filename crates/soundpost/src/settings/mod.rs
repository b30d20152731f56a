//! Settings: arguments, environment variables and options of the program, checked by one set of declarations.
//!
//! The [`Builder`](crate::Builder), the program `soundpost` and the Python binding each collect what their caller
//! gave in [`Settings`] and complete it from the environment.

mod declaration;
mod kind;
#[cfg(feature = "store")]
mod shared;
#[cfg_attr(not(feature = "sinks"), path = "absent/sinks.rs")]
mod sinks;
mod text;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use soundpost_core::Error;
use soundpost_core::regular_file::{self, SECRET_BYTES};

pub use declaration::Setting;
pub use sinks::{SinkList, SinkParts};
pub use text::parse_duration;
pub use value::SettingValue;

/// Settings of which only one can be in effect.
const CREDENTIALS: [&str; 3] = ["bearer_token", "bearer_token_file", "basic_auth"];

/// Returns the value of an environment variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Settings of a service's telemetry: what was given, checked when they are completed.
#[derive(Clone, Default)]
pub struct Settings {
    given: BTreeMap<&'static str, Given>,
    is_complete: bool,
    has_default_endpoint: bool,
}

/// A value and where it comes from.
#[derive(Clone)]
struct Given {
    value: SettingValue,
    /// Name of the argument, option or variable, for errors.
    source: String,
    is_variable: bool,
}

impl Settings {
    /// Returns the settings of the environment's `SOUNDPOST_*` variables.
    ///
    /// # Errors
    /// When a variable has a value that cannot be used; the message names it.
    pub fn from_environment() -> Result<Self, Error> {
        Self::default().complete()
    }

    /// Returns the settings of the environment, and a warning for each variable that is ignored because its value
    /// cannot be used. For services that are instrumented without a change of their code.
    pub fn from_environment_lenient() -> (Self, Vec<String>) {
        let (settings, errors) = Self::default().resolve(&|name| std::env::var_os(name));
        (settings, errors.iter().map(|error| format!("{error}; it is ignored")).collect())
    }

    /// Sets an argument. It takes precedence over the variable, and is checked by [`Settings::complete`].
    pub fn set(&mut self, name: &'static str, value: impl Into<SettingValue>) {
        self.set_from(name, name, value);
    }

    /// Sets an argument that errors name `source`, such as an option of a program.
    pub fn set_from(&mut self, name: &'static str, source: &str, value: impl Into<SettingValue>) {
        let given = Given { value: value.into(), source: source.to_owned(), is_variable: false };
        self.given.insert(name, given);
    }

    /// Checks the arguments, and takes what was not given from the environment.
    ///
    /// # Errors
    /// When a value cannot be used; the message names the argument, option or variable.
    pub fn complete(self) -> Result<Self, Error> {
        if self.is_complete {
            return Ok(self);
        }
        let (settings, errors) = self.resolve(&|name| std::env::var_os(name));
        errors.into_iter().next().map_or(Ok(settings), Err)
    }

    /// Whether `SOUNDPOST_DISABLED` switches everything off.
    pub fn is_disabled(&self) -> bool {
        self.switch("disabled")
    }

    /// Returns the names of the settings that differ from those of `other`; none where both are disabled.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        if self.is_disabled() && other.is_disabled() {
            return Vec::new();
        }
        let names = Setting::ALL.iter().map(|setting| setting.name);
        names.filter(|name| self.value(name) != other.value(name)).collect()
    }

    /// Returns where the value of a setting comes from: an argument, an option or a variable.
    pub fn source(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|given| &*given.source)
    }

    /// Returns the value in effect: the given one, or the default.
    pub fn value(&self, name: &str) -> SettingValue {
        let given = self.given.get(name).map(|given| &given.value);
        if name == "listen" && given.is_none() && !self.has_default_endpoint {
            return SettingValue::Off;
        }
        Setting::find(name).map_or(SettingValue::Off, |setting| setting.effective(given))
    }

    /// Returns the service's name.
    ///
    /// # Errors
    /// When there is none.
    pub fn service(&self) -> Result<String, Error> {
        let missing = || {
            Error::config("service: the service has no name; give it as an argument or as SOUNDPOST_SERVICE")
        };
        self.text("service").ok_or_else(missing)
    }

    /// Returns the directory of the services' files.
    pub fn directory(&self) -> PathBuf {
        self.path("directory").unwrap_or_else(default_directory)
    }

    /// Serves the default address where none was given; otherwise there is no endpoint then.
    #[must_use]
    pub fn with_default_endpoint(mut self) -> Self {
        self.has_default_endpoint = true;
        self
    }

    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Option<String> {
        if let SettingValue::Text(text) = self.value(name) { Some(text) } else { None }
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        if let SettingValue::Path(path) = self.value(name) { Some(path) } else { None }
    }

    pub(crate) fn switch(&self, name: &str) -> bool {
        self.value(name) == SettingValue::Bool(true)
    }

    /// Returns a duration; `None` where it is off.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        if let SettingValue::Duration(duration) = self.value(name) { Some(duration) } else { None }
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<u64> {
        if let SettingValue::Int(bytes) = self.value(name) { u64::try_from(bytes).ok() } else { None }
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        if let SettingValue::List(list) = self.value(name) { list } else { Vec::new() }
    }

    pub(crate) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        if let SettingValue::Pairs(pairs) = self.value(name) { pairs } else { Vec::new() }
    }

    /// Checks what was given, adds what `environment` has, and returns the errors. A setting with an error is as if
    /// it had not been given.
    fn resolve(mut self, environment: Environment<'_>) -> (Self, Vec<Error>) {
        let mut errors = Vec::new();
        self.is_complete = true;
        if let Some(disabled) = Setting::find("disabled") {
            // An error in it is returned with those of the other variables.
            self.add_variable(disabled, environment);
        }
        if self.is_disabled() {
            return (self, errors);
        }
        for setting in Setting::ALL {
            if let Some(given) = self.given.remove(setting.name).filter(|given| !given.is_variable) {
                errors.extend(self.add(setting, given));
            }
        }
        for setting in Setting::ALL {
            if !self.given.contains_key(setting.name) && !self.is_overruled(setting) {
                errors.extend(self.add_variable(setting, environment));
            }
        }
        errors.extend(self.resolve_credentials());
        errors.extend(self.resolve_tls());
        (self, errors)
    }

    fn add(&mut self, setting: &'static Setting, given: Given) -> Option<Error> {
        match setting.check(given.value) {
            Ok(value) => {
                self.given.insert(setting.name, Given { value, ..given });
                None
            }
            Err(message) => Some(error(&given.source, &message)),
        }
    }

    fn add_variable(&mut self, setting: &'static Setting, environment: Environment<'_>) -> Option<Error> {
        let variable = setting.variable();
        let value = environment(&variable)?;
        if value.is_empty() && !setting.accepts_empty_variable() {
            return None;
        }
        self.add(setting, Given { value: SettingValue::from_os(value), source: variable, is_variable: true })
    }

    /// Whether an argument rules the variable of another setting out.
    fn is_overruled(&self, setting: &Setting) -> bool {
        let is_argument = |name: &str| {
            self.given.get(name).is_some_and(|given| !given.is_variable && given.value != SettingValue::Off)
        };
        match setting.name {
            "sinks" => is_argument("store") && !self.switch("store"),
            name => CREDENTIALS.contains(&name) && CREDENTIALS.iter().any(|name| is_argument(name)),
        }
    }

    /// Reads the token's file, and checks that there is one kind of credentials.
    fn resolve_credentials(&mut self) -> Option<Error> {
        let given = |name: &str| self.given.get(name).filter(|given| given.value != SettingValue::Off);
        let mut given = CREDENTIALS.iter().filter_map(|name| Some((*name, given(name)?.source.clone())));
        let (first, _) = given.next()?;
        if let Some((second, source)) = given.next() {
            self.given.remove(second);
            return Some(error(&source, &format!("{first} is given as well; give one of them")));
        }
        let path = self.path("bearer_token_file")?;
        let file = self.given.remove("bearer_token_file")?;
        let wrong = match regular_file::read_text(&path, SECRET_BYTES) {
            Ok(text) if !text.trim().is_empty() => {
                let value = SettingValue::Text(text.trim().to_owned());
                self.given.insert("bearer_token", Given { value, ..file });
                return None;
            }
            Ok(_) => format!("{} is empty", path.display()),
            Err(error) => format!("{} cannot be read: {error}", path.display()),
        };
        Some(error(&file.source, &wrong))
    }

    fn resolve_tls(&mut self) -> Option<Error> {
        let missing = match (self.path("tls_cert"), self.path("tls_key")) {
            (Some(_), None) => "tls_key",
            (None, Some(_)) => "tls_cert",
            _ => return None,
        };
        self.given.retain(|name, _| !name.starts_with("tls_"));
        Some(error(missing, "a certificate and its key go together; give both or none"))
    }
}

/// Shows names and sources, and no value: some are secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.given.iter().map(|(name, given)| (name, &given.source))).finish()
    }
}

/// Returns the directory of the services' files where no argument sets it: `SOUNDPOST_DIRECTORY`, else
/// `$XDG_STATE_HOME/soundpost`, else `~/.local/state/soundpost`, else `soundpost-<uid>` among the temporary files.
pub fn default_directory() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = || variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    let temporary = || std::env::temp_dir().join(format!("soundpost-{}", soundpost_core::user_id()));
    let directory = variable("SOUNDPOST_DIRECTORY").or_else(|| Some(state()?.join("soundpost")));
    directory.unwrap_or_else(temporary)
}

fn error(source: &str, message: &str) -> Error {
    Error::config(format!("{source}: {message}"))
}

#[cfg(test)]
mod tests;
