//! The declarations of all settings, each once: parsers, help texts and the guide's page are made from them.

use std::time::Duration;

use super::kind::{ANY_TIME, Kind};
use super::value::SettingValue;

/// Meaning of the value `None` and of the words `none` and `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoneMeans {
    /// An error.
    Refused,
    /// The default. Only an argument can be `None`; the words are values as others.
    Default,
    /// The state in which the setting's part is switched off.
    Off,
}

/// The declaration of a setting.
#[derive(Debug)]
pub struct Setting {
    /// Name: that of the argument of `init` in Python.
    pub name: &'static str,
    /// Option of the program, without `--`; `None`: it has none.
    pub option: Option<&'static str>,
    /// Placeholder of the option's value.
    pub value_name: &'static str,
    /// Methods of the Rust builder, as code; empty without one.
    pub builder: &'static str,
    /// Whether `init` in Python takes an argument of this name.
    pub is_argument: bool,
    /// Default, in the form of a variable; empty without one.
    pub default: &'static str,
    /// The default in words, where it is not a fixed value.
    pub default_note: &'static str,
    /// Help sentence, without a full stop.
    pub help: &'static str,
    /// Page of the guide with more about it, as the target of a link; empty without one.
    pub guide: &'static str,
    /// Feature of this crate that the setting needs; empty without one.
    feature: &'static str,
    kind: Kind,
    none: NoneMeans,
}

/// Defaults of a declaration.
const SETTING: Setting = Setting {
    name: "",
    option: None,
    value_name: "TEXT",
    builder: "",
    is_argument: true,
    default: "",
    default_note: "",
    help: "",
    guide: "",
    feature: "",
    kind: Kind::Text,
    none: NoneMeans::Default,
};

/// Features that settings need, and whether this build has them.
const FEATURES: [(&str, bool); 6] = [
    ("server", cfg!(feature = "server")),
    ("tls", cfg!(feature = "tls")),
    ("vitals", cfg!(feature = "vitals")),
    ("gpu", cfg!(feature = "gpu")),
    ("store", cfg!(feature = "store")),
    ("sinks", cfg!(feature = "sinks")),
];

const MIN_STORE_BYTES: u64 = 16 << 20;

impl Setting {
    /// All settings, in the order of the guide.
    pub const ALL: &'static [Setting] = &[
        Setting {
            name: "service",
            builder: "Telemetry::builder(name)",
            default_note: "required",
            help: "Name of the service",
            none: NoneMeans::Refused,
            ..SETTING
        },
        Setting {
            name: "version",
            builder: "version",
            help: "Version of the service, shown in `build_info`",
            ..SETTING
        },
        Setting {
            name: "listen",
            option: Some("listen"),
            value_name: "HOST:PORT",
            builder: "listen",
            default: "127.0.0.1:9464",
            default_note: "`127.0.0.1:9464`; in Rust `off`",
            help: "Address that serves /metrics, or `off`; port 0 selects a free port",
            guide: "endpoint.md",
            kind: Kind::Address,
            none: NoneMeans::Off,
            feature: "server",
            ..SETTING
        },
        Setting {
            name: "labels",
            option: Some("label"),
            value_name: "NAME=VALUE",
            builder: "label",
            help: "Labels of every metric, call and log event",
            guide: "sinks.md#service-instance-and-host",
            kind: Kind::Labels,
            ..SETTING
        },
        Setting {
            name: "sinks",
            option: Some("sink"),
            value_name: "URL",
            builder: "sink`, `sinks",
            help: "Servers and files that stored records are shipped to",
            guide: "sinks.md",
            kind: Kind::Sinks,
            feature: "sinks",
            ..SETTING
        },
        Setting {
            name: "directory",
            builder: "directory",
            value_name: "DIR",
            default_note: "`$XDG_STATE_HOME/soundpost`, else `~/.local/state/soundpost`, else `soundpost-<uid>` in \
                           the directory of temporary files",
            help: "Directory of the services' files, with a folder for each service",
            kind: Kind::Path,
            ..SETTING
        },
        Setting {
            name: "namespace",
            option: Some("namespace"),
            value_name: "PREFIX",
            builder: "namespace",
            default_note: "the service's name, with `_` for other characters",
            help: "Prefix of the request metrics",
            kind: Kind::Namespace,
            ..SETTING
        },
        Setting {
            name: "instance",
            option: Some("instance"),
            value_name: "NAME",
            builder: "instance",
            default_note: "the host's name",
            help: "Name of this instance in shipped records; set it in containers",
            guide: "sinks.md#service-instance-and-host",
            feature: "sinks",
            ..SETTING
        },
        Setting {
            name: "commit",
            builder: "commit",
            default_note: "that of the git working tree around the working directory",
            help: "Commit the service was built from, shown in `build_info`",
            ..SETTING
        },
        Setting {
            name: "gpu",
            option: Some("gpu"),
            value_name: "WHICH",
            builder: "gpu",
            default: "visible",
            help: "GPUs to sample: those visible to the service, all of the machine, or none",
            guide: "vitals.md",
            kind: Kind::Choice { on: "visible", word: "all" },
            none: NoneMeans::Refused,
            feature: "gpu",
            ..SETTING
        },
        Setting {
            name: "sample_interval",
            option: Some("sample-interval"),
            value_name: "TIME",
            builder: "sample_interval",
            default: "1s",
            help: "Interval between samples of host, processes and GPUs, and between polls of `Gauge.set_function`; \
                   `off` for no samples",
            guide: "vitals.md",
            kind: Kind::Time { least: Duration::from_millis(100), most: Duration::from_secs(60) },
            none: NoneMeans::Off,
            feature: "vitals",
            ..SETTING
        },
        Setting {
            name: "gpu_memory_interval",
            option: Some("gpu-memory-interval"),
            value_name: "TIME",
            builder: "gpu_memory_interval",
            default: "100ms",
            help: "Interval between GPU samples while calls are in flight, by which GPU memory is attributed to \
                   calls; `off` for none",
            guide: "vitals.md",
            kind: Kind::Time { least: Duration::from_millis(50), most: Duration::from_secs(1) },
            none: NoneMeans::Off,
            feature: "gpu",
            ..SETTING
        },
        Setting {
            name: "torch",
            default: "auto",
            help: "Whether PyTorch's allocator is read around calls: while that is cheap, always, or never; Python only",
            guide: "vitals.md#memory-of-pytorch",
            kind: Kind::Choice { on: "auto", word: "always" },
            none: NoneMeans::Refused,
            ..SETTING
        },
        Setting {
            name: "store",
            option: Some("store"),
            value_name: "BOOL",
            builder: "store",
            default: "true",
            help: "Whether finished calls, log events and vitals are stored on disk",
            guide: "store.md",
            kind: Kind::Switch,
            none: NoneMeans::Refused,
            feature: "store",
            ..SETTING
        },
        Setting {
            name: "store_days",
            option: Some("store-days"),
            value_name: "DAYS",
            builder: "store_days",
            default: "30",
            help: "Retention of the store",
            kind: Kind::Days,
            feature: "store",
            ..SETTING
        },
        Setting {
            name: "store_bytes",
            option: Some("store-bytes"),
            value_name: "SIZE",
            builder: "store_bytes",
            default: "512MiB",
            help: "Maximum size of the store; the oldest records are deleted first",
            kind: Kind::Size { least: MIN_STORE_BYTES, most: u64::MAX },
            feature: "store",
            ..SETTING
        },
        Setting {
            name: "logs",
            builder: "Telemetry::layer",
            default: "false",
            help: "Whether the events of Python loggers are recorded, or the lowest level that is; Python only",
            guide: "logs.md",
            kind: Kind::Level,
            none: NoneMeans::Default,
            ..SETTING
        },
        Setting {
            name: "redact",
            builder: "redact",
            help: "Patterns of texts that must not be recorded, in addition to the built-in rules",
            guide: "logs.md#redaction",
            kind: Kind::Patterns,
            ..SETTING
        },
        Setting {
            name: "record_text",
            builder: "record_text",
            default: "false",
            help: "Whether text to synthesise is recorded; otherwise fields such as `text` become their length",
            guide: "logs.md#text-to-synthesise",
            kind: Kind::Switch,
            none: NoneMeans::Refused,
            ..SETTING
        },
        Setting {
            name: "bearer_token",
            builder: "bearer_token",
            help: "Token that a scrape must send",
            guide: "endpoint.md",
            kind: Kind::Secret,
            feature: "server",
            ..SETTING
        },
        Setting {
            name: "bearer_token_file",
            option: Some("bearer-token-file"),
            value_name: "FILE",
            help: "File with the token that a scrape must send, read at start",
            kind: Kind::Path,
            feature: "server",
            ..SETTING
        },
        Setting {
            name: "basic_auth",
            builder: "basic_auth",
            help: "User and password that a scrape must send; in Python `(user, password)`",
            kind: Kind::Login,
            feature: "server",
            ..SETTING
        },
        Setting {
            name: "allowed_hosts",
            option: Some("allowed-host"),
            value_name: "NAME",
            builder: "allowed_hosts",
            help: "Names by which an endpoint without credentials is scraped, beside this host's; `*.example.org` for \
                   all below a domain, `*` for any",
            guide: "endpoint.md#host-names",
            kind: Kind::Hosts,
            feature: "server",
            ..SETTING
        },
        Setting {
            name: "exemplars",
            option: Some("exemplars"),
            value_name: "BOOL",
            builder: "exemplars",
            default: "true",
            help: "Whether histograms keep the id of the last call in each bucket, which OpenMetrics scrapes expose",
            guide: "endpoint.md#formats",
            kind: Kind::Switch,
            none: NoneMeans::Refused,
            ..SETTING
        },
        Setting {
            name: "tls_cert",
            option: Some("tls-cert"),
            value_name: "FILE",
            builder: "tls",
            help: "Certificate chain of the endpoint, PEM",
            kind: Kind::Path,
            feature: "tls",
            ..SETTING
        },
        Setting {
            name: "tls_key",
            option: Some("tls-key"),
            value_name: "FILE",
            builder: "tls",
            help: "Private key of the certificate, PEM",
            kind: Kind::Path,
            feature: "tls",
            ..SETTING
        },
        Setting {
            name: "idle_limit",
            option: Some("idle-limit"),
            value_name: "TIME",
            builder: "idle_limit",
            default: "10m",
            help: "Idle timeout after which a call without progress ends as `abandoned`",
            kind: Kind::Time { least: Duration::ZERO, most: ANY_TIME },
            ..SETTING
        },
        Setting {
            name: "segment_bytes",
            builder: "segment_bytes",
            default: "8MiB",
            help: "Size of the shared memory of each process",
            kind: Kind::Size {
                least: soundpost_core::MIN_SEGMENT_BYTES as u64,
                most: soundpost_core::MAX_SEGMENT_BYTES as u64,
            },
            ..SETTING
        },
        Setting {
            name: "disabled",
            is_argument: false,
            default: "false",
            help: "Switches Soundpost off, whatever the code sets: no thread, no file, no shared memory",
            kind: Kind::Switch,
            ..SETTING
        },
        Setting {
            name: "strict",
            is_argument: false,
            default: "false",
            help: "Whether faults are raised as `soundpost.Error` instead of counted; for tests, Python only",
            kind: Kind::Switch,
            ..SETTING
        },
        Setting {
            name: "nvml_path",
            is_argument: false,
            default_note: "the driver's",
            help: "Path of the NVML library",
            kind: Kind::Path,
            feature: "gpu",
            ..SETTING
        },
    ];

    /// Returns the setting of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|setting| setting.name == name)
    }

    /// Returns the name of its environment variable.
    pub fn variable(&self) -> String {
        format!("SOUNDPOST_{}", self.name.to_ascii_uppercase())
    }

    /// Describes the values that it accepts.
    pub fn accepts(&self) -> String {
        let off = if self.none == NoneMeans::Off { ", or `off`" } else { "" };
        self.kind.describe() + off
    }

    /// Whether its option can be repeated.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Labels | Kind::Sinks | Kind::Patterns | Kind::Hosts)
    }

    /// Parses and checks a value. A part that this build lacks can only be switched off.
    pub(super) fn check(&self, value: SettingValue) -> Result<SettingValue, String> {
        let value = self.parse(value)?;
        match matches!(value, SettingValue::Off | SettingValue::Bool(false)) || self.is_built() {
            true => Ok(value),
            false => Err(format!("this build lacks the feature `{}` of the crate soundpost", self.feature)),
        }
    }

    fn is_built(&self) -> bool {
        !FEATURES.contains(&(self.feature, false))
    }

    fn parse(&self, value: SettingValue) -> Result<SettingValue, String> {
        match (&value, self.none) {
            (SettingValue::Off, NoneMeans::Default | NoneMeans::Off) => Ok(SettingValue::Off),
            (SettingValue::Text(text), NoneMeans::Off)
                if ["", "none", "off"].contains(&text.trim().to_ascii_lowercase().as_str()) =>
            {
                Ok(SettingValue::Off)
            }
            _ => self.kind.check(value),
        }
    }

    /// Whether a variable that is empty has a meaning: no endpoint.
    pub(super) fn accepts_empty_variable(&self) -> bool {
        matches!(self.kind, Kind::Address)
    }

    /// Returns the value in effect where `given` was given, or nothing was.
    pub(super) fn effective(&self, given: Option<&SettingValue>) -> SettingValue {
        match given {
            Some(SettingValue::Off) if self.none == NoneMeans::Off => SettingValue::Off,
            Some(value) if *value != SettingValue::Off => value.clone(),
            _ if self.default.is_empty() => SettingValue::Off,
            _ => self.kind.check(self.default.into()).unwrap_or(SettingValue::Off),
        }
    }
}
