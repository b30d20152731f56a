//! Configuration of a reporter.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "sinks")]
use soundpost_sinks::Sink;
#[cfg(feature = "store")]
use soundpost_store::Limits;
#[cfg(feature = "vitals")]
use soundpost_vitals::{GpuSelection, Interval};

#[cfg(not(feature = "store"))]
use crate::absent::Limits;
#[cfg(not(feature = "server"))]
use crate::absent::ServerConfig;
#[cfg(not(feature = "sinks"))]
use crate::absent::Sink;
#[cfg(not(feature = "vitals"))]
use crate::absent::{GpuSelection, Interval};
#[cfg(feature = "server")]
use crate::server::ServerConfig;

/// Name of the file with the address at which the service's metrics are served.
pub const ADDRESS: &str = "address";

/// Returns text that another exporter rendered.
pub type Appendix = Arc<dyn Fn() -> String + Send + Sync>;

/// Returns whether the command that an agent supervises lives.
pub type Supervised = Arc<dyn Fn() -> bool + Send + Sync>;

/// Configuration of a reporter.
#[derive(Clone, Default)]
pub struct Config {
    /// The scrape server; `None` disables it.
    pub server: Option<ServerConfig>,
    /// Idle timeout after which a call without progress ends as `abandoned`.
    pub idle_limit: Duration,
    /// Text appended to the exposition, see `Sources::appendix`.
    pub appendix: Option<Appendix>,
    /// Interval at which host, processes and GPUs are sampled; `None` disables sampling.
    pub sample_interval: Option<Interval>,
    /// Interval at which GPUs are sampled while calls run; `None` disables it.
    pub gpu_memory_interval: Option<Interval>,
    /// The GPUs to sample; with `None`, NVML is not loaded.
    pub gpus: Option<GpuSelection>,
    /// Limits of the store; with `None`, finished calls are discarded.
    pub store: Option<Limits>,
    /// Sinks that the stored records are shipped to.
    pub sinks: Vec<Sink>,
    /// Whether this process is an agent: it reports for the service and is no process of it. The service's processes
    /// then leave the election.
    pub agent: bool,
    /// Whether the command that an agent supervises lives; `None` without one.
    pub supervised: Option<Supervised>,
}

impl Config {
    pub(crate) fn is_supervised(&self) -> bool {
        self.supervised.as_ref().is_some_and(|lives| lives())
    }
}
