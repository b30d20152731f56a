//! Kinds of sinks: the trait that each implements, its description for URLs and bindings, and a sink of any kind.

use std::fmt;
use std::path::Path;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::options::address::{Address, Parts, encoded};
use crate::options::common::{Common, SECRETS};
use crate::options::declare::{OptionRow, OptionSpec};
use crate::transport::Transport;

/// One kind of sink: the options of a sink, and the transport they ask for.
pub trait SinkKind: Clone + fmt::Debug + Send + Sync + 'static {
    /// Name in URLs, and default name in metrics and messages.
    const NAME: &'static str;
    /// Name of the class in Python.
    const CLASS: &'static str;
    /// Description, one sentence.
    const ABOUT: &'static str;
    /// Form of the place that records are shipped to.
    const TARGET: TargetForm;
    /// Records of the store that are shipped.
    const RECORDS: RecordKinds;
    /// Options by group, for URLs and bindings.
    const OPTIONS: &'static [&'static [OptionSpec<Self>]];

    /// Returns a sink for a URL or path, with the options in the URL's query.
    ///
    /// # Errors
    /// When the place cannot be understood, or its query has an unknown option or a secret.
    fn at(place: &str) -> Result<Self, Error>;

    /// Returns the options that every sink has.
    fn common(&self) -> &Common;

    /// Returns the address or path that messages show, without secrets.
    fn target(&self) -> String;

    /// Returns the file that records are appended to.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Returns the place as [`SinkKind::at`] reads it; `None` for a sink that exists in this process alone.
    fn place(&self) -> Option<String> {
        Some(self.target())
    }

    /// Checks the options, and reads files and variables that must be there at the start.
    ///
    /// # Errors
    /// When an option does not fit, or a file or variable is missing. The text names the option.
    fn prepare(&mut self) -> Result<(), String>;

    /// Opens the transport, on the thread that will use it. No connection is made yet.
    ///
    /// # Errors
    /// When the options cannot be used. The text names the option.
    fn open(&self) -> Result<Box<dyn Transport>, String>;
}

/// Form of the place that a kind of sink ships to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// A URL with one of these schemes, each with its default port.
    Url(&'static [(&'static str, u16)]),
    /// Path of a file.
    Path,
}

/// Description of a kind of sink.
#[derive(Clone, Copy, Debug)]
pub struct RegisteredKind {
    /// Name in URLs, such as `loki`.
    pub name: &'static str,
    /// Name of the class in Python, such as `Loki`.
    pub class: &'static str,
    /// Description, one sentence.
    pub about: &'static str,
    /// Form of the place that records are shipped to.
    pub target: TargetForm,
    /// Returns a sink at a URL or path.
    pub(crate) at: fn(&str) -> Result<Sink, Error>,
    options: fn() -> Vec<OptionRow>,
}

impl RegisteredKind {
    pub(crate) const fn of<K: SinkKind>() -> Self {
        Self {
            name: K::NAME,
            class: K::CLASS,
            about: K::ABOUT,
            target: K::TARGET,
            at: |place| K::at(place).map(Sink::from),
            options: || K::OPTIONS.iter().copied().flatten().map(|option| option.row).collect(),
        }
    }

    /// Returns the options of this kind.
    pub fn options(&self) -> Vec<OptionRow> {
        (self.options)()
    }
}

/// Options of a sink of any kind.
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Sink {
    kind: Box<dyn Configured>,
    /// Why the transport cannot be opened: the sink is another process's, and this part of it was not written.
    obstacle: Option<String>,
    /// Whether the options are checked when the transport is opened, again and again, and not at the start.
    is_shared: bool,
}

impl Sink {
    /// Returns the sink's name in metrics and messages.
    pub fn name(&self) -> &str {
        &self.kind.common().name
    }

    /// Returns which records of the store are shipped.
    pub fn kinds(&self) -> RecordKinds {
        self.kind.records()
    }

    /// Opens the transport, on the thread that will use it. No connection is made yet.
    ///
    /// # Errors
    /// When the options cannot be used. The text names the option.
    pub fn open(&self) -> Result<Box<dyn Transport>, String> {
        match &self.obstacle {
            Some(obstacle) => Err(obstacle.clone()),
            None if self.is_shared => {
                let mut kind = self.kind.boxed();
                kind.prepare()?;
                kind.open()
            }
            None => self.kind.open(),
        }
    }

    pub(crate) fn common(&self) -> &Common {
        self.kind.common()
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.kind.file()
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        self.kind.prepare().map_err(|error| wrong(self.name(), &error))
    }

    /// Sets options by name and text; a query of a URL may hold no secret.
    pub(crate) fn set(&mut self, options: &[(String, String)], is_query: bool) -> Result<(), Error> {
        self.kind.set(options, is_query)
    }

    /// Returns the URL that makes the same sink, without its secrets; `None` if no URL does.
    pub(crate) fn url(&self) -> Option<String> {
        self.kind.url()
    }

    /// Returns whether both sinks ship the same to the same place, as far as URLs show it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.name(), self.url(), &self.obstacle) == (other.name(), other.url(), &other.obstacle)
    }

    /// Returns why an agent cannot open the sink by the text that a service writes of it; `None` if it can.
    pub fn agents_obstacle(&self) -> Option<String> {
        let gone = || "the sink exists in its process alone".to_owned();
        let secret = self.obstacle.clone().or_else(|| self.common().literal_secret().map(obstacle));
        secret.or_else(|| self.url().is_none().then(gone))
    }

    /// Returns whether secrets, files and variables are there that opening the transport needs.
    pub fn can_open(&self) -> bool {
        !self.is_shared || self.obstacle.is_none() && self.kind.boxed().prepare().is_ok()
    }

    /// Marks the sink as that of another process, whose code has the secret of this option.
    pub(crate) fn shared(self, secret: Option<&str>) -> Self {
        Self { obstacle: secret.map(obstacle), is_shared: true, ..self }
    }
}

/// Describes a secret that an agent does not have, and the remedy.
fn obstacle(secret: &str) -> String {
    format!(
        "{secret}: the service has it in its code, and no secret is written for the agent; give it as {secret}_file or \
         {secret}_env, or name the sink in SOUNDPOST_SINKS in the agent's environment"
    )
}

impl<K: SinkKind> From<K> for Sink {
    fn from(sink: K) -> Self {
        Self { kind: Box::new(sink), obstacle: None, is_shared: false }
    }
}

impl Clone for Sink {
    fn clone(&self) -> Self {
        Self { kind: self.kind.boxed(), obstacle: self.obstacle.clone(), is_shared: self.is_shared }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.kind.target())
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// The part of [`SinkKind`] that works without its type.
trait Configured: fmt::Debug + Send + Sync {
    fn records(&self) -> RecordKinds;
    fn common(&self) -> &Common;
    fn target(&self) -> String;
    fn file(&self) -> Option<&Path>;
    fn url(&self) -> Option<String>;
    fn prepare(&mut self) -> Result<(), String>;
    fn open(&self) -> Result<Box<dyn Transport>, String>;
    fn boxed(&self) -> Box<dyn Configured>;
    fn set(&mut self, options: &[(String, String)], is_query: bool) -> Result<(), Error>;
}

impl<K: SinkKind> Configured for K {
    fn records(&self) -> RecordKinds {
        K::RECORDS
    }

    fn common(&self) -> &Common {
        SinkKind::common(self)
    }

    fn target(&self) -> String {
        SinkKind::target(self)
    }

    fn file(&self) -> Option<&Path> {
        SinkKind::file(self)
    }

    fn url(&self) -> Option<String> {
        let place = match K::TARGET {
            TargetForm::Url(_) => format!("+{}/", self.place()?.replace(',', "%2C").replace('@', "%40")),
            TargetForm::Path => format!(":{}", encoded(&self.place()?)),
        };
        let declared = SinkKind::common(self).declared.0.iter().filter(|(name, _)| !SECRETS.contains(name));
        let query: Vec<String> = declared.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Some(format!("{}{place}?{}", K::NAME, query.join("&")))
    }

    fn prepare(&mut self) -> Result<(), String> {
        SinkKind::prepare(self)
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        SinkKind::open(self)
    }

    fn boxed(&self) -> Box<dyn Configured> {
        Box::new(self.clone())
    }

    fn set(&mut self, options: &[(String, String)], is_query: bool) -> Result<(), Error> {
        let known = || K::OPTIONS.iter().copied().flatten();
        for (name, value) in options {
            if is_query && SECRETS.contains(&name.as_str()) {
                let instead = "use token_file, token_env, password_file or password_env";
                return Err(wrong(
                    K::NAME,
                    &format!("the URL has a secret in its query ({name}); {instead}"),
                ));
            }
            let Some(option) = known().find(|option| option.row.name == name) else {
                let names: Vec<_> = known().map(|option| option.row.name).collect();
                // The rest of a password that has a question mark is not shown.
                let unknown = if is_query { "an option in the query" } else { &format!("{name:?}") };
                return Err(wrong(K::NAME, &format!("{unknown} is none of {}", names.join(", "))));
            };
            (option.set)(self, value).map_err(|error| wrong(K::NAME, &format!("{name}: {error}")))?;
        }
        Ok(())
    }
}

/// Reads the URL of a sink of kind `K`.
pub(crate) fn url_parts<K: SinkKind>(url: &str) -> Result<Parts, Error> {
    let TargetForm::Url(schemes) = K::TARGET else { return Err(wrong(K::NAME, "its place is a path")) };
    Address::parse(url, K::NAME, schemes).map_err(|error| wrong(K::NAME, &error))
}

/// Sets the options of a URL's query.
pub(crate) fn set_query<K: SinkKind>(mut sink: K, query: &[(String, String)]) -> Result<K, Error> {
    sink.set(query, true)?;
    Ok(sink)
}

pub(crate) fn wrong(sink: &str, error: &str) -> Error {
    Error::config(format!("sink {sink}: {error}"))
}
