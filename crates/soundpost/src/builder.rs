//! Configuration of a service's telemetry.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use soundpost_core::{Calls, Error, Options, ProcessRole, Registry, ServiceDir, ServiceIdentity};
use soundpost_report::{Appendix, Auth, Config, Reporter, ServerConfig, TlsFiles};
use soundpost_sinks::Sink;
use soundpost_store::Limits;
use soundpost_vitals::{GpuSelection, Interval};

use crate::commit;
use crate::start::{self, Run};
use crate::telemetry::Telemetry;

/// Calls without progress for so long are `abandoned`, where nothing else is asked for.
const IDLE_LIMIT: Duration = Duration::from_secs(600);
/// Segment of an agent, bytes: it records vitals and no calls.
const AGENT_SEGMENT: usize = 1024 * 1024;
/// Between two samples of host, processes and GPUs, where nothing else is asked for.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Between two glances at GPU memory while calls run, where nothing else is asked for.
const GPU_MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// Configuration of a service's telemetry; everything has a default but the name.
///
/// What is not set is taken from the environment: `SOUNDPOST_LISTEN` (`host:port`, or `none`),
/// `SOUNDPOST_DIRECTORY`, `SOUNDPOST_NAMESPACE`, `SOUNDPOST_VERSION`, `SOUNDPOST_COMMIT`, `SOUNDPOST_INSTANCE`, `SOUNDPOST_SINKS`.
#[must_use = "nothing is recorded before start()"]
pub struct Builder {
    service: String,
    namespace: Option<String>,
    version: Option<String>,
    commit: Option<String>,
    start_event: bool,
    labels: Vec<(String, String)>,
    listen: Option<Option<SocketAddr>>,
    directory: Option<PathBuf>,
    auth: Option<Auth>,
    tls: Option<TlsFiles>,
    idle_limit: Duration,
    sample_interval: Option<Duration>,
    gpu_memory_interval: Option<Duration>,
    gpus: Option<GpuSelection>,
    store: Option<Limits>,
    sinks: Option<Vec<Sink>>,
    instance: Option<String>,
    pub(crate) options: Options,
    pub(crate) facade: bool,
    pub(crate) appendix: Option<Appendix>,
}

impl Builder {
    pub(crate) fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            namespace: None,
            version: None,
            commit: None,
            start_event: true,
            labels: Vec::new(),
            listen: None,
            directory: None,
            auth: None,
            tls: None,
            idle_limit: IDLE_LIMIT,
            sample_interval: Some(SAMPLE_INTERVAL),
            gpu_memory_interval: Some(GPU_MEMORY_INTERVAL),
            gpus: Some(GpuSelection::from_environment()),
            store: Some(Limits::default()),
            sinks: None,
            instance: None,
            options: Options::default(),
            facade: true,
            appendix: None,
        }
    }

    /// Prefix of the request metrics; default: the service's name made a metric name.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Version of the service, shown in `build_info`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Commit the service was built from, shown in `build_info`. Where neither this nor `SOUNDPOST_COMMIT` says it, it
    /// is read from the files of git in the working directory or above it.
    pub fn commit(mut self, commit: impl Into<String>) -> Self {
        self.commit = Some(commit.into());
        self
    }

    /// Leaves out the log event that says that the service starts, which the first process of a run records.
    pub fn without_start_event(mut self) -> Self {
        self.start_event = false;
        self
    }

    /// Where to serve `/metrics`; port 0 takes a free one. Without this and without `SOUNDPOST_LISTEN`
    /// nothing is served.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen = Some(Some(address.into()));
        self
    }

    /// Serves nothing, whatever `SOUNDPOST_LISTEN` says.
    pub fn no_listen(mut self) -> Self {
        self.listen = Some(None);
        self
    }

    /// A label on every metric, call and log event.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Where services keep their files, one folder each; default: `$XDG_STATE_HOME/soundpost`, else
    /// `~/.local/state/soundpost`, else `soundpost-<uid>` among the temporary files.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Calls without progress for so long are `abandoned`; default: ten minutes.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = limit;
        self
    }

    /// How often host, processes and GPUs are sampled, 0.1 s to 60 s; default: every second.
    pub fn sample_interval(mut self, interval: Duration) -> Self {
        self.sample_interval = Some(interval);
        self
    }

    /// How often a glance is taken at GPU memory and utilization while calls run, 0.05 s to 1 s, for what each
    /// call did to them; default: every 0.1 s. None: never, and calls are told by the samples alone.
    pub fn gpu_memory_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.gpu_memory_interval = interval.into();
        self
    }

    /// Samples all GPUs of the machine; by default those that `CUDA_VISIBLE_DEVICES` leaves to the service.
    pub fn all_gpus(mut self) -> Self {
        self.gpus = Some(GpuSelection::All);
        self
    }

    /// Samples no GPU, and does not load NVML.
    pub fn without_gpus(mut self) -> Self {
        self.gpus = None;
        self
    }

    /// Samples nothing.
    pub fn without_vitals(mut self) -> Self {
        self.sample_interval = None;
        self
    }

    /// How long the store keeps calls and vitals; default: 30 days.
    pub fn store_age(mut self, age: Duration) -> Self {
        if let Some(limits) = &mut self.store {
            limits.age = age;
        }
        self
    }

    /// Most bytes the store takes on disk, at least 16 MiB; default: 512 MiB.
    pub fn store_bytes(mut self, bytes: u64) -> Self {
        if let Some(limits) = &mut self.store {
            limits.bytes = bytes;
        }
        self
    }

    /// Stores nothing: finished calls are counted, and let go.
    pub fn without_store(mut self) -> Self {
        self.store = None;
        self
    }

    /// A pattern, in the syntax of the crate `regex`, of what must not be recorded, beside what is known to be a
    /// secret or a person's. It is taken out of messages, fields, errors and labels before they are recorded.
    pub fn redact(mut self, pattern: impl Into<String>) -> Self {
        self.options.redact.push(pattern.into());
        self
    }

    /// Records text to synthesise as it is; by default fields such as `text` and `prompt` become their length.
    pub fn record_text(mut self) -> Self {
        self.options.record_text = true;
        self
    }

    /// Ships what is stored to a [sink](crate::sink), also to several of them. With this, `SOUNDPOST_SINKS` is not looked at.
    pub fn sink(mut self, sink: impl Into<Sink>) -> Self {
        self.sinks.get_or_insert_default().push(sink.into());
        self
    }

    /// Ships nothing, whatever `SOUNDPOST_SINKS` says.
    pub fn without_sinks(mut self) -> Self {
        self.sinks = Some(Vec::new());
        self
    }

    /// What this instance of the service is called in what is shipped; default: as its host.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// Scrapers must send `Authorization: Bearer <token>`.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.auth = Some(Auth::Bearer { token: token.into() });
        self
    }

    /// Scrapers must send this user and password.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.auth = Some(Auth::Basic { user: user.into(), password: password.into() });
        self
    }

    /// Serves over TLS, with a certificate chain and its key from PEM files.
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some(TlsFiles { certificate: certificate.into(), key: key.into() });
        self
    }

    /// Size of this process's segment, bytes; default: 8 MiB.
    pub fn segment_bytes(mut self, bytes: usize) -> Self {
        self.options.segment_bytes = bytes;
        self
    }

    /// Series a family may have; default: 2000. What is beyond goes to one series, see the guide.
    pub fn series_limit(mut self, limit: usize) -> Self {
        self.options.series_limit = limit;
        self
    }

    /// Bucket bounds of a histogram that is recorded through the facade by this name.
    pub fn buckets(mut self, name: impl Into<String>, bounds: &[f64]) -> Self {
        self.options.buckets.push((name.into(), bounds.to_vec()));
        self
    }

    /// Leaves the `metrics` facade alone: by default what its macros record goes to Soundpost, unless another
    /// recorder is installed already.
    pub fn without_facade(mut self) -> Self {
        self.facade = false;
        self
    }

    /// Reports for the service without being one of its processes: as long as this runs, its processes leave
    /// sampling and serving to it. What keeps a service's last state when it crashes; the program `soundpost` does it.
    /// It leaves the `metrics` facade alone.
    pub fn agent(mut self) -> Self {
        self.options.role = ProcessRole::Agent;
        self.options.segment_bytes = AGENT_SEGMENT;
        self.facade = false;
        self
    }

    /// Makes the segment, stands for election, listens if elected.
    ///
    /// # Errors
    /// When an argument or `SOUNDPOST_*` variable cannot be used; the message names it. An agent where there is one
    /// already. A port that is taken
    /// is no error: it is logged, shown in `unhealthy{reason="port_taken"}`, and tried again.
    pub fn start(self) -> Result<Telemetry, Error> {
        let given = |argument: Option<String>, variable: &str| argument.or_else(|| environment(variable));
        let listen = match self.listen {
            Some(listen) => listen,
            None => environment("SOUNDPOST_LISTEN").map(|text| parse_listen(&text)).transpose()?.flatten(),
        };
        let sinks = match self.sinks {
            Some(sinks) => sinks,
            None if self.store.is_none() => Vec::new(),
            None => environment("SOUNDPOST_SINKS").map_or(Ok(Vec::new()), |list| listed(&list))?,
        };
        let version = given(self.version, "SOUNDPOST_VERSION").unwrap_or_default();
        let commit = given(self.commit, "SOUNDPOST_COMMIT");
        let commit =
            commit.or_else(|| commit::of_directory(&std::env::current_dir().ok()?)).unwrap_or_default();
        let mut identity = ServiceIdentity::new(self.service.clone()).version(&version).commit(&commit);
        if let Some(namespace) = given(self.namespace, "SOUNDPOST_NAMESPACE") {
            identity = identity.namespace(&namespace)?;
        }
        for (name, value) in &self.labels {
            identity = identity.label(name, value)?;
        }
        for (name, bounds) in &self.options.buckets {
            soundpost_core::Spec::histogram(&soundpost_core::sanitized(name, true), bounds).check()?;
        }
        let root = self.directory.unwrap_or_else(default_directory);
        let place = ServiceDir::open(&root, &self.service)?;
        let agent = self.options.role == ProcessRole::Agent;
        let starts = self.start_event && self.store.is_some();
        let registry = Registry::open(&place, identity, self.options)?;
        let calls = Calls::new(&registry)?;
        let server =
            listen.map(|listen| ServerConfig { auth: self.auth, tls: self.tls, ..ServerConfig::new(listen) });
        let sample_interval =
            self.sample_interval.map(|interval| Interval::new("sample_interval", interval)).transpose()?;
        let gpu_memory_interval = self
            .gpu_memory_interval
            .map(|interval| Interval::of_glances("gpu_memory_interval", interval))
            .transpose()?;
        let config = Config {
            server,
            idle_limit: self.idle_limit,
            appendix: self.appendix,
            sample_interval,
            gpu_memory_interval,
            gpus: self.gpus,
            store: self.store,
            sinks,
            instance: given(self.instance, "SOUNDPOST_INSTANCE"),
            agent,
        };
        let reporter = Reporter::start(place.clone(), registry.clone(), calls.clone(), config)?;
        if self.facade {
            // Somebody else's recorder stays: what is recorded through it is theirs.
            let _ = metrics::set_global_recorder(registry.metrics_recorder());
        }
        let run = Run::join(&place).filter(|_| !agent);
        if starts && !agent && run.as_ref().is_none_or(|run| run.first) {
            start::record(&registry, &self.service, &version, &commit);
        }
        Ok(Telemetry::new(place, calls, reporter, run))
    }
}

fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn listed(list: &str) -> Result<Vec<Sink>, Error> {
    Sink::list(list).map_err(|error| Error::config(format!("SOUNDPOST_SINKS: {error}")))
}

fn parse_listen(text: &str) -> Result<Option<SocketAddr>, Error> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Error::config(format!(
            "SOUNDPOST_LISTEN: {text:?} is no address; use host:port such as 127.0.0.1:9464, or none"
        ))
    })
}

/// Where services keep their files if nothing else is asked for: `SOUNDPOST_DIRECTORY`, else
/// `$XDG_STATE_HOME/soundpost`, else `~/.local/state/soundpost`, else `soundpost-<uid>` among the temporary files.
pub fn default_directory() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = || variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    let temporary = || std::env::temp_dir().join(format!("soundpost-{}", soundpost_core::user_id()));
    let directory = variable("SOUNDPOST_DIRECTORY").or_else(|| Some(state()?.join("soundpost")));
    directory.unwrap_or_else(temporary)
}
