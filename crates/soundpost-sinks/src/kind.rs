//! Kinds of sinks: the trait that each implements, its description for URLs and bindings, and a sink of any kind.

use std::fmt;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::options::address::{Address, Parts, decoded, pairs};
use crate::options::common::Common;
use crate::options::declare::{OptionRow, OptionSpec};
use crate::transport::Transport;

/// Options in a URL's query that would put a secret there, by the names that servers use for them.
const SECRETS: [&str; 6] = ["password", "token", "p", "u", "apikey", "api_key"];

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

/// Makes a sink for a target, with options by name and text.
type WithOptions = fn(&str, &[(String, String)]) -> Result<Sink, Error>;

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
    at: fn(&str) -> Result<Sink, Error>,
    parse: fn(&str) -> Result<Sink, Error>,
    with_options: WithOptions,
    options: fn() -> Vec<OptionRow>,
}

impl RegisteredKind {
    /// Describes the kind `K`.
    pub(crate) const fn of<K: SinkKind>() -> Self {
        Self {
            name: K::NAME,
            class: K::CLASS,
            about: K::ABOUT,
            target: K::TARGET,
            at: |place| K::at(place).map(Sink::from),
            parse: |url| parse_url::<K>(url).map(Sink::from),
            with_options: |place, options| with_options::<K>(place, options).map(Sink::from),
            options: || K::OPTIONS.iter().flat_map(|group| group.iter().map(OptionSpec::row)).collect(),
        }
    }

    /// Returns a sink of this kind at a URL or path.
    ///
    /// # Errors
    /// When the place cannot be understood.
    pub fn at(&self, place: &str) -> Result<Sink, Error> {
        (self.at)(place)
    }

    /// Returns a sink of this kind from a URL of a list; `url` begins with the kind's name.
    ///
    /// # Errors
    /// When the URL cannot be understood, or holds a secret.
    pub(crate) fn parse(&self, url: &str) -> Result<Sink, Error> {
        (self.parse)(url)
    }

    /// Returns a sink of this kind with options by name and text.
    ///
    /// # Errors
    /// When the place or an option cannot be understood.
    pub fn with_options(&self, place: &str, options: &[(String, String)]) -> Result<Sink, Error> {
        (self.with_options)(place, options)
    }

    /// Returns the options of this kind.
    pub fn options(&self) -> Vec<OptionRow> {
        (self.options)()
    }
}

/// Options of a sink of any kind.
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Sink(Box<dyn Configured>);

impl Sink {
    /// Returns the sink's name in metrics and messages.
    pub fn name(&self) -> &str {
        &self.0.common().name
    }

    /// Returns which records of the store are shipped.
    pub fn kinds(&self) -> RecordKinds {
        self.0.records()
    }

    /// Opens the transport, on the thread that will use it. No connection is made yet.
    ///
    /// # Errors
    /// When the options cannot be used. The text names the option.
    pub fn open(&self) -> Result<Box<dyn Transport>, String> {
        self.0.open()
    }

    pub(crate) fn common(&self) -> &Common {
        self.0.common()
    }

    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        self.0.prepare().map_err(|error| wrong(self.name(), &error))
    }
}

impl<K: SinkKind> From<K> for Sink {
    fn from(sink: K) -> Self {
        Self(Box::new(sink))
    }
}

impl Clone for Sink {
    fn clone(&self) -> Self {
        Self(self.0.boxed())
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0.target())
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of [`SinkKind`] that works without its type.
trait Configured: fmt::Debug + Send + Sync {
    fn records(&self) -> RecordKinds;
    fn common(&self) -> &Common;
    fn target(&self) -> String;
    fn prepare(&mut self) -> Result<(), String>;
    fn open(&self) -> Result<Box<dyn Transport>, String>;
    fn boxed(&self) -> Box<dyn Configured>;
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

    fn prepare(&mut self) -> Result<(), String> {
        SinkKind::prepare(self)
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        SinkKind::open(self)
    }

    fn boxed(&self) -> Box<dyn Configured> {
        Box::new(self.clone())
    }
}

/// Reads the URL of a sink of kind `K`.
pub(crate) fn url_parts<K: SinkKind>(url: &str) -> Result<Parts, Error> {
    let TargetForm::Url(schemes) = K::TARGET else { return Err(wrong(K::NAME, "its place is a path")) };
    Address::parse(url, K::NAME, schemes).map_err(|error| wrong(K::NAME, &error))
}

/// Sets the options of a URL's query, where no secret may stand.
pub(crate) fn set_query<K: SinkKind>(mut sink: K, query: &[(String, String)]) -> Result<K, Error> {
    for (name, value) in query {
        if SECRETS.contains(&name.as_str()) {
            let instead = "use token_file, token_env, password_file or password_env";
            return Err(wrong(K::NAME, &format!("the URL has a secret in its query ({name}); {instead}")));
        }
        set(&mut sink, name, value)?;
    }
    Ok(sink)
}

fn set<K: SinkKind>(sink: &mut K, name: &str, value: &str) -> Result<(), Error> {
    let spec = K::OPTIONS.iter().flat_map(|group| group.iter()).find(|spec| spec.name == name);
    let Some(spec) = spec else { return Err(wrong(K::NAME, &format!("{name:?} is no option of it"))) };
    (spec.set)(sink, value).map_err(|error| wrong(K::NAME, &format!("{name}: {error}")))
}

fn with_options<K: SinkKind>(place: &str, options: &[(String, String)]) -> Result<K, Error> {
    let mut sink = K::at(place)?;
    for (name, value) in options {
        set(&mut sink, name, value)?;
    }
    Ok(sink)
}

fn parse_url<K: SinkKind>(url: &str) -> Result<K, Error> {
    let (_, rest) = url.split_once(':').unwrap_or(("", url));
    if K::TARGET == TargetForm::Path {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let read = |error: String| wrong(K::NAME, &error);
        return set_query(K::at(&decoded(path).map_err(read)?)?, &pairs(query).map_err(read)?);
    }
    let sink = K::at(url)?;
    // Checked here and not in the types: in code a password may come from wherever the service has it.
    if rest.split(['/', '?']).nth(2).is_some_and(|authority| authority.contains('@')) {
        let instead = "use user=, and password_file= or password_env=";
        return Err(wrong(K::NAME, &format!("the URL has a user or password; {instead}")));
    }
    Ok(sink)
}

/// Returns the error of a sink.
pub(crate) fn wrong(sink: &str, error: &str) -> Error {
    Error::config(format!("sink {sink}: {error}"))
}
