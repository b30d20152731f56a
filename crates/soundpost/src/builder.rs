//! The builder of a service's telemetry: a typed face of [`Settings`].

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use soundpost_core::{Calls, Error, Options, ProcessRole, Registry, ServiceDir, ServiceIdentity};
use soundpost_report::{Appendix, Auth, Config, Reporter, ServerConfig, TlsFiles};
use soundpost_sinks::Sink;
use soundpost_store::Limits;
use soundpost_vitals::{GpuSelection, Interval};

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
    pub(crate) appendix: Option<Appendix>,
}

/// Address of the endpoint, or no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// No endpoint.
    Off,
    /// A socket address.
    Address(SocketAddr),
    /// `host:port`, or a port, as in `SOUNDPOST_LISTEN`.
    Text(String),
}

/// GPUs that are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuScope {
    /// None; NVML is not loaded.
    None,
    /// The GPUs in `CUDA_VISIBLE_DEVICES`.
    Visible,
    /// All GPUs of the machine.
    All,
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
            appendix: None,
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

    /// Sets the address that serves `/metrics`; port 0 selects a free port. `None`, the default, serves nothing.
    pub fn listen(self, address: impl Into<Endpoint>) -> Self {
        self.set(
            "listen",
            match address.into() {
                Endpoint::Off => SettingValue::Off,
                Endpoint::Address(address) => SettingValue::Address(address),
                Endpoint::Text(text) => SettingValue::Text(text),
            },
        )
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

    /// Sets the interval between samples of host, processes and GPUs, 0.1 s to 60 s; default: 1 s. `None` samples
    /// nothing.
    pub fn sample_interval(self, interval: impl Into<Option<Duration>>) -> Self {
        self.set("sample_interval", interval.into())
    }

    /// Sets the GPU sampling interval while calls are in flight, 0.05 s to 1 s; default: 0.1 s. It attributes GPU
    /// memory to calls. `None` uses only the regular samples.
    pub fn gpu_memory_interval(self, interval: impl Into<Option<Duration>>) -> Self {
        self.set("gpu_memory_interval", interval.into())
    }

    /// Sets which GPUs are sampled; default: [`GpuScope::Visible`].
    pub fn gpu(self, scope: GpuScope) -> Self {
        self.set(
            "gpu",
            match scope {
                GpuScope::None => "none",
                GpuScope::Visible => "visible",
                GpuScope::All => "all",
            },
        )
    }

    /// Sets whether finished calls, log events and vitals are stored on disk; default: true. Without a store, calls
    /// are only counted.
    pub fn store(self, is_kept: bool) -> Self {
        self.set("store", is_kept)
    }

    /// Sets the retention of the store, days; default: 30.
    pub fn store_days(self, days: f64) -> Self {
        self.set("store_days", SettingValue::Float(days))
    }

    /// Sets the maximum size of the store, at least 16 MiB; default: 512 MiB.
    pub fn store_bytes(self, bytes: u64) -> Self {
        self.set("store_bytes", bytes)
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

    /// Adds a [sink](crate::sink) that stored records are shipped to. `SOUNDPOST_SINKS` is ignored then.
    pub fn sink(mut self, sink: impl Into<Sink>) -> Self {
        self.sinks.get_or_insert_with(|| Vec::new().into()).push(sink.into());
        self
    }

    /// Replaces the [sinks](crate::sink); an empty list ships nothing. `SOUNDPOST_SINKS` is ignored then.
    pub fn sinks(mut self, sinks: impl IntoIterator<Item = Sink>) -> Self {
        self.sinks = Some(sinks.into_iter().collect::<Vec<_>>().into());
        self
    }

    /// Sets the name of this instance of the service in shipped records; default: the host's name.
    pub fn instance(self, instance: impl Into<String>) -> Self {
        self.set("instance", instance.into())
    }

    /// Requires `Authorization: Bearer <token>` of a scrape.
    pub fn bearer_token(self, token: impl Into<String>) -> Self {
        self.set("bearer_token", token.into())
    }

    /// Requires this user and password of a scrape.
    pub fn basic_auth(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.set("basic_auth", SettingValue::List(vec![user.into(), password.into()]))
    }

    /// Serves over TLS, with a certificate chain and its private key from PEM files.
    pub fn tls(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.set("tls_cert", certificate.into()).set("tls_key", key.into())
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

    /// Makes this an agent, which samples and serves in place of the service's processes. The program `soundpost` uses
    /// it to keep a service's last state after a crash. The `metrics` facade is not installed.
    pub fn agent(mut self) -> Self {
        self.options.role = ProcessRole::Agent;
        self.facade = false;
        self
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
            return Telemetry::disabled(settings.directory());
        }
        let service = settings.service()?;
        let version = settings.text("version").unwrap_or_default();
        let commit = settings.text("commit").or_else(|| commit::of_directory(&std::env::current_dir().ok()?));
        let commit = commit.unwrap_or_default();
        let mut identity = ServiceIdentity::new(service.clone()).version(&version).commit(&commit);
        if let Some(namespace) = settings.text("namespace") {
            identity = identity.namespace(&namespace)?;
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
        let config = Config { appendix: self.appendix, ..config(&settings, agent)? };
        let records_start = self.records_start && config.store.is_some() && !agent;
        let place = ServiceDir::open(&settings.directory(), &service)?;
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
        Ok(Telemetry::new(&place, calls, reporter, run))
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

/// The reporter's configuration.
fn config(settings: &Settings, agent: bool) -> Result<Config, Error> {
    let address =
        if let SettingValue::Address(address) = settings.value("listen") { Some(address) } else { None };
    let basic = <[String; 2]>::try_from(settings.list("basic_auth")).ok();
    let auth = settings.text("bearer_token").map(|token| Auth::Bearer { token });
    let auth = auth.or_else(|| basic.map(|[user, password]| Auth::Basic { user, password }));
    let tls = settings.path("tls_cert").zip(settings.path("tls_key"));
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    let interval = settings.duration("sample_interval");
    let during_calls = settings.duration("gpu_memory_interval");
    let limits = Limits::default();
    let limits = Limits {
        age: settings.duration("store_days").unwrap_or(limits.age),
        bytes: settings.bytes("store_bytes").unwrap_or(limits.bytes),
        ..limits
    };
    Ok(Config {
        server: address.map(|listen| ServerConfig { auth, tls, ..ServerConfig::new(listen) }),
        idle_limit: settings.duration("idle_limit").unwrap_or(Duration::MAX),
        appendix: None,
        sample_interval: interval.map(|interval| Interval::new("sample_interval", interval)).transpose()?,
        gpu_memory_interval: during_calls
            .map(|interval| Interval::fast("gpu_memory_interval", interval))
            .transpose()?,
        gpus: match settings.value("gpu") {
            SettingValue::Bool(true) => Some(GpuSelection::from_environment()),
            SettingValue::Text(_) => Some(GpuSelection::All),
            _ => None,
        },
        store: settings.switch("store").then_some(limits),
        sinks: if let SettingValue::Sinks(list) = settings.value("sinks") { list.sinks } else { Vec::new() },
        instance: settings.text("instance"),
        agent,
    })
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<([u8; 4], u16)> for Endpoint {
    fn from((host, port): ([u8; 4], u16)) -> Self {
        Self::Address((Ipv4Addr::from(host), port).into())
    }
}

impl From<(Ipv4Addr, u16)> for Endpoint {
    fn from(address: (Ipv4Addr, u16)) -> Self {
        Self::Address(address.into())
    }
}

impl From<Option<SocketAddr>> for Endpoint {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Off, Self::Address)
    }
}

impl From<&str> for Endpoint {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
