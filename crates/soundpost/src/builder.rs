//! The builder of a service's telemetry: a typed face of [`Settings`].

#[cfg(feature = "server")]
mod server;
#[cfg(feature = "sinks")]
mod sinks;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "vitals")]
mod vitals;

#[cfg(feature = "server")]
pub use server::Endpoint;
#[cfg(feature = "gpu")]
pub use vitals::GpuScope;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use soundpost_core::{Calls, Error, Options, ProcessRole, Registry, ServiceDir, ServiceIdentity};
use soundpost_report::{Appendix, Config, Reporter, Supervised};

use crate::commit;
use crate::settings::{SettingValue, Settings, SinkList};
use crate::start::{self, Run};
use crate::telemetry::Telemetry;

/// Size of an agent's segment, bytes: it records vitals and no calls.
const AGENT_SEGMENT_BYTES: u64 = 1024 * 1024;

/// Configuration of a service's telemetry.
///
/// Everything but the name has a default. An option that is not set is read from its `SOUNDPOST_*` variable; see the
/// guide's page on settings.
#[must_use = "nothing is recorded before start()"]
pub struct Builder {
    settings: Settings,
    records_start: bool,
    labels: Vec<(String, String)>,
    sinks: Option<SinkList>,
    patterns: Vec<String>,
    pub(crate) options: Options,
    pub(crate) facade: bool,
    global: bool,
    pub(crate) appendix: Option<Appendix>,
    supervised: Option<Supervised>,
}

impl Telemetry {
    /// Returns a builder for the service of this name.
    pub fn builder(service: impl Into<String>) -> Builder {
        let mut settings = Settings::default();
        settings.set("service", service.into());
        Builder::from(settings)
    }
}

impl From<Settings> for Builder {
    fn from(settings: Settings) -> Self {
        Self {
            settings,
            records_start: true,
            labels: Vec::new(),
            sinks: None,
            patterns: Vec::new(),
            options: Options::default(),
            facade: true,
            global: true,
            appendix: None,
            supervised: None,
        }
    }
}

impl Builder {
    fn set(mut self, name: &'static str, value: impl Into<SettingValue>) -> Self {
        self.settings.set(name, value);
        self
    }

    /// Sets the prefix of the request metrics; default: the service's name made a metric name.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.set("namespace", namespace.into())
    }

    /// Sets the version of the service, shown in `build_info`.
    pub fn version(self, version: impl Into<String>) -> Self {
        self.set("version", version.into())
    }

    /// Sets the commit the service was built from, shown in `build_info`; default: that of the git working tree
    /// around the working directory.
    pub fn commit(self, commit: impl Into<String>) -> Self {
        self.set("commit", commit.into())
    }

    /// Sets whether the first process of a run records a log event at its start; default: true.
    pub fn start_event(mut self, is_recorded: bool) -> Self {
        self.records_start = is_recorded;
        self
    }

    /// Adds a label to every metric, call and log event.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Sets the directory of the services' files, with a folder for each service; default: see
    /// [`default_directory`](crate::default_directory).
    pub fn directory(self, directory: impl Into<PathBuf>) -> Self {
        self.set("directory", directory.into())
    }

    /// Sets the idle timeout after which a call without progress ends as `abandoned`; default: ten minutes.
    pub fn idle_limit(self, limit: Duration) -> Self {
        self.set("idle_limit", Some(limit))
    }

    /// Adds a pattern, in the syntax of the crate `regex`, of text that must not be recorded, in addition to the
    /// built-in rules. It is removed from messages, fields, errors and labels before they are recorded.
    pub fn redact(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Sets whether text to synthesise is recorded; default: false, and fields such as `text` and `prompt` become
    /// their length.
    pub fn record_text(self, is_recorded: bool) -> Self {
        self.set("record_text", is_recorded)
    }

    /// Sets whether histograms keep the id of the last call in each bucket, which an OpenMetrics scrape exposes;
    /// default: true.
    pub fn exemplars(self, are_kept: bool) -> Self {
        self.set("exemplars", are_kept)
    }

    /// Sets the size of this process's segment, bytes; default: 8 MiB.
    pub fn segment_bytes(self, bytes: usize) -> Self {
        self.set("segment_bytes", bytes as u64)
    }

    /// Sets the maximum number of series of a family; default: 2000. The series `overflow` takes the rest.
    pub fn series_limit(mut self, limit: usize) -> Self {
        self.options.series_limit = limit;
        self
    }

    /// Sets the bucket bounds of a histogram that is recorded through the `metrics` facade by this name.
    pub fn buckets(mut self, name: impl Into<String>, bounds: &[f64]) -> Self {
        self.options.buckets.push((name.into(), bounds.to_vec()));
        self
    }

    /// Sets whether the macros of the `metrics` facade record to Soundpost; default: true, unless another recorder
    /// is installed.
    pub fn facade(mut self, is_installed: bool) -> Self {
        self.facade = is_installed;
        self
    }

    /// Sets whether `#[instrument]` may record to this telemetry; default: true, and it records to the first one of the
    /// process. A [`Telemetry::scope`] overrules that.
    pub fn global(mut self, is_global: bool) -> Self {
        self.global = is_global;
        self
    }

    /// Makes this an agent, which samples and serves in place of the service's processes. The program `soundpost` uses
    /// it to keep a service's last state after a crash. The `metrics` facade is not installed.
    pub fn agent(mut self) -> Self {
        self.options.role = ProcessRole::Agent;
        self.facade = false;
        self
    }

    /// Makes this an [agent](Self::agent) that supervises the service's command. While `lives` returns true, a process of the
    /// service that dies is reported also where no other one is up.
    pub fn supervisor(mut self, lives: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.supervised = Some(Arc::new(lives));
        self.agent()
    }

    /// Creates the segment, tries to acquire the reporter lock, and listens if it is acquired.
    ///
    /// With `SOUNDPOST_DISABLED`, the telemetry records nothing and creates no file, segment or thread.
    ///
    /// # Errors
    /// When an argument or `SOUNDPOST_*` variable is invalid (the message names it), or a second agent is started. A
    /// port in use is not an error: it is logged, exposed as `unhealthy{reason="port_taken"}`, and retried.
    pub fn start(mut self) -> Result<Telemetry, Error> {
        let settings = self.complete()?;
        if settings.is_disabled() {
            return Telemetry::disabled_in(settings.directory());
        }
        let service = settings.service()?;
        let version = settings.text("version").unwrap_or_default();
        let commit = settings.text("commit").or_else(|| commit::of_directory(&std::env::current_dir().ok()?));
        let commit = commit.unwrap_or_default();
        let mut identity = ServiceIdentity::new(service.clone()).version(&version).commit(&commit);
        if let Some(namespace) = settings.text("namespace") {
            identity = identity.namespace(&namespace)?;
        }
        if let Some(instance) = settings.text("instance") {
            identity = identity.instance(instance);
        }
        for (name, value) in settings.pairs("labels") {
            identity = identity.label(&name, &value)?;
        }
        for (name, bounds) in &self.options.buckets {
            soundpost_core::Spec::histogram(&soundpost_core::sanitized(name, true), bounds).check()?;
        }
        let agent = self.options.role == ProcessRole::Agent;
        if let Some(bytes) = settings.bytes("segment_bytes") {
            self.options.segment_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        self.options.redact = settings.list("redact");
        self.options.record_text = settings.switch("record_text");
        self.options.exemplars = settings.switch("exemplars");
        let config =
            Config { appendix: self.appendix, agent, supervised: self.supervised, ..config(&settings)? };
        let records_start = self.records_start && config.store.is_some() && !agent;
        let place = ServiceDir::open(&settings.directory(), &service)?;
        #[cfg(feature = "store")]
        if !agent {
            // Without the file, readers assume the defaults.
            let _ = settings.share(&place);
        }
        let registry = Registry::open(&place, identity, self.options)?;
        let calls = Calls::new(&registry)?;
        let reporter = Reporter::start(place.clone(), registry.clone(), calls.clone(), config)?;
        if self.facade {
            // A recorder that another crate installed stays.
            let _ = metrics::set_global_recorder(registry.metrics_recorder());
        }
        let run = Run::join(&place).filter(|_| !agent);
        if records_start && run.as_ref().is_none_or(|run| run.first) {
            start::record(&registry, &service, &version, &commit);
        }
        Ok(Telemetry::new(&place, calls, reporter, run, self.global))
    }

    /// Adds the collected items, and completes the settings from the environment.
    fn complete(&mut self) -> Result<Settings, Error> {
        let mut settings = std::mem::take(&mut self.settings);
        if !self.labels.is_empty() {
            settings.set("labels", SettingValue::Pairs(std::mem::take(&mut self.labels)));
        }
        if !self.patterns.is_empty() {
            settings.set("redact", SettingValue::List(std::mem::take(&mut self.patterns)));
        }
        if let Some(sinks) = self.sinks.take() {
            settings.set("sinks", SettingValue::Sinks(sinks));
        }
        if self.options.role == ProcessRole::Agent && !settings.is_given("segment_bytes") {
            settings.set("segment_bytes", AGENT_SEGMENT_BYTES);
        }
        settings.complete()
    }
}

/// Returns the reporter's configuration, with the parts that this build has.
#[cfg_attr(not(any(feature = "server", feature = "vitals", feature = "store")), expect(unused_mut))]
fn config(settings: &Settings) -> Result<Config, Error> {
    let idle_limit = settings.duration("idle_limit").unwrap_or(Duration::MAX);
    let mut config = Config { idle_limit, ..Config::default() };
    #[cfg(feature = "server")]
    server::configure(settings, &mut config);
    #[cfg(feature = "vitals")]
    vitals::configure(settings, &mut config)?;
    #[cfg(feature = "store")]
    store::configure(settings, &mut config);
    #[cfg(feature = "sinks")]
    sinks::configure(settings, &mut config);
    Ok(config)
}
