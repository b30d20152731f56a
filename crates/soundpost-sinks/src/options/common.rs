//! Options that every sink has, and those of sinks that ship to a server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Address, Parts};
use super::certificates::certificates;
use super::secret::{Source, make_absolute};

/// Options that hold a secret, also by the names that servers use for them. In the query of a URL they are errors.
pub(crate) const SECRETS: [&str; 6] = ["password", "token", "p", "u", "apikey", "api_key"];
/// Default timeout of a server.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Default maximum wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Maximum number of records at once: they are all in memory.
pub(crate) const MAX_RECORDS: usize = 100_000;
/// Maximum length of a name, which is part of a thread's name and a label, bytes.
const MAX_NAME_BYTES: usize = 32;

/// Options that every sink has.
#[derive(Clone, Debug)]
pub struct Common {
    pub(crate) name: String,
    pub(crate) timeout: Duration,
    pub(crate) longest_wait: Duration,
    /// Maximum number of records at once; `None` for the protocol's own.
    pub(crate) batch: Option<usize>,
    pub(crate) declared: Declared,
}

/// Options that were set, as text. The text of a secret is left out.
#[derive(Clone, Default)]
pub(crate) struct Declared(pub(crate) Vec<(&'static str, String)>);

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} options", self.0.len())
    }
}

impl Common {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            timeout: TIMEOUT,
            longest_wait: LONGEST_WAIT,
            batch: None,
            declared: Declared::default(),
        }
    }

    /// Makes the options of a sink at a URL, which may have a user and a password.
    pub(crate) fn of_server(name: &str, parts: &Parts) -> Self {
        let mut common = Self::new(name);
        parts.user.iter().for_each(|user| common.declare("user", user.clone()));
        parts.password.iter().for_each(|_| common.declare("password", String::new()));
        common
    }

    /// Notes the value of an option. It replaces values of the same name, from whichever source (`_file`, `_env`).
    pub(crate) fn declare(&mut self, name: &'static str, text: String) {
        let stem = |name: &'static str| name.trim_end_matches("_file").trim_end_matches("_env");
        self.declared.0.retain(|(known, _)| stem(known) != stem(name));
        self.declared.0.push((name, if SECRETS.contains(&name) { String::new() } else { text }));
    }

    /// Returns the option that has a secret as its value, not as a reference.
    pub(crate) fn literal_secret(&self) -> Option<&'static str> {
        self.declared.0.iter().map(|(name, _)| *name).find(|name| SECRETS.contains(name))
    }

    /// Checks the values; `max_records` is the maximum of the protocol.
    pub(crate) fn check(&self, max_records: usize) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.chars().all(fits) {
            return Err(format!("name: use 1 to {MAX_NAME_BYTES} of a to z, 0 to 9, '_' and '-'"));
        }
        for (name, duration) in [("timeout", self.timeout), ("longest_wait", self.longest_wait)] {
            if duration < Duration::from_millis(1) || duration > Duration::from_secs(3600) {
                return Err(format!("{name}: use 0.001 to 3600 seconds"));
            }
        }
        if self.batch.is_some_and(|batch| !(1..=max_records).contains(&batch)) {
            return Err(format!("batch: use 1 to {max_records} records"));
        }
        Ok(())
    }
}

/// Address of a server, and how it is logged in to.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: Address,
    pub(crate) login: Login,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Server {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { address, user, password, .. } = parts;
        let login = Login { user, password: password.map(Source::Text), token: None };
        Self { address, login, ca_file: None }
    }

    /// Reads the files and variables that must be there at the start.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        if self.ca_file.is_some() && !self.address.is_encrypted() {
            return Err(format!("ca_file: {} is not encrypted", self.address));
        }
        if let Some(path) = &mut self.ca_file {
            make_absolute(path);
            certificates(path).map_err(|error| format!("ca_file: {error}"))?;
        }
        self.login.prepare()
    }
}
/// Credentials for a server.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Source>,
    pub(crate) token: Option<Source>,
}

impl Login {
    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_none() && self.password.is_none() && self.token.is_none()
    }

    fn prepare(&mut self) -> Result<(), String> {
        if self.token.is_some() && (self.user.is_some() || self.password.is_some()) {
            return Err("use a token, or a user and a password, and not both".into());
        }
        if self.password.is_some() && self.user.is_none() {
            return Err("password: a user is missing".into());
        }
        if self.user.as_ref().is_some_and(|user| user.contains(|c: char| c == ':' || c.is_control())) {
            return Err("user: it must have no ':' and no control characters".into());
        }
        for (name, source) in [("token", &mut self.token), ("password", &mut self.password)] {
            let Some(source) = source else { continue };
            source.make_absolute();
            let secret = source.read(name)?;
            if matches!(source, Source::Variable(_)) {
                *source = Source::Text(secret);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "None" } else { "***" })
    }
}
