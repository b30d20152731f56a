//! What all sinks have, and what those have that a server takes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Address, Parts};
use super::secret::{Source, stay};
use crate::net::tls::certificates;

/// How long a server may take for an answer, where nothing else is asked for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait between two tries, where nothing else is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Most records at once that anybody may ask for: they are all in memory.
pub(crate) const RECORDS: usize = 100_000;
/// Longest name: it is part of a thread's, and a label.
const NAME: usize = 32;

/// What all sinks have.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) name: String,
    pub(crate) timeout: Duration,
    pub(crate) longest_wait: Duration,
    /// Records at once; none: as many as the protocol makes sense of.
    pub(crate) batch: Option<usize>,
}

impl Common {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), timeout: TIMEOUT, longest_wait: LONGEST_WAIT, batch: None }
    }

    /// Takes an option in text; false if it is none of these.
    pub(crate) fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "name" => self.name = value.to_owned(),
            "timeout" => self.timeout = seconds(name, value)?,
            "longest_wait" => self.longest_wait = seconds(name, value)?,
            "batch" => self.batch = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `records` is the most at once that the protocol makes sense of.
    pub(crate) fn check(&self, records: usize) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if self.name.is_empty() || self.name.len() > NAME || !self.name.chars().all(fits) {
            return Err(format!("name: use 1 to {NAME} of a to z, 0 to 9, '_' and '-'"));
        }
        for (what, duration) in [("timeout", self.timeout), ("longest_wait", self.longest_wait)] {
            if duration < Duration::from_millis(1) || duration > Duration::from_secs(3600) {
                return Err(format!("{what}: use 0.001 to 3600 seconds"));
            }
        }
        if self.batch.is_some_and(|batch| !(1..=records).contains(&batch)) {
            return Err(format!("batch: use 1 to {records} records"));
        }
        Ok(())
    }
}

/// A server and how it knows us.
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

    /// Takes an option in text; false if it is none of these.
    pub(crate) fn option(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let login = &mut self.login;
        match name {
            "ca_file" => self.ca_file = Some(value.into()),
            "user" => login.user = Some(value.to_owned()),
            "password" => login.password = Some(Source::text(value)),
            "password_file" => login.password = Some(Source::File(value.into())),
            "password_env" => login.password = Some(Source::Variable(value.to_owned())),
            "token" => login.token = Some(Source::text(value)),
            "token_file" => login.token = Some(Source::File(value.into())),
            "token_env" => login.token = Some(Source::Variable(value.to_owned())),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads what has to be there at the start; a variable of the environment is read only now.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        if self.ca_file.is_some() && !self.address.is_encrypted() {
            return Err(format!("ca_file: {} is not encrypted", self.address));
        }
        if let Some(path) = &mut self.ca_file {
            stay(path);
            certificates(path).map_err(|error| format!("ca_file: {error}"))?;
        }
        self.login.prepare()
    }
}

/// Who we say that we are.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Source>,
    pub(crate) token: Option<Source>,
}

impl Login {
    /// Whether nothing is said.
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
        for (what, source) in [("token", &mut self.token), ("password", &mut self.password)] {
            let Some(source) = source else { continue };
            source.stay();
            let secret = source.read(what)?;
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

/// A number of an option.
pub(crate) fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, String> {
    value.trim().parse().map_err(|_| format!("{name}: {value:?} is no number that fits"))
}

/// Seconds of an option, with decimals.
pub(crate) fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    let seconds = number(name, value)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{name}: {value:?} is no number of seconds"))
}

/// A truth value of an option.
pub(crate) fn truth(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("{name}: {value:?} is neither true nor false")),
    }
}
