//! Options of sampling.

use std::time::Duration;

use soundpost_core::Error;
use soundpost_report::Config;
#[cfg(feature = "gpu")]
use soundpost_vitals::GpuSelection;
use soundpost_vitals::Interval;

use super::Builder;
#[cfg(feature = "gpu")]
use crate::settings::SettingValue;
use crate::settings::Settings;

/// GPUs that are sampled.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuScope {
    /// None; NVML is not loaded.
    None,
    /// The GPUs in `CUDA_VISIBLE_DEVICES`.
    Visible,
    /// All GPUs of the machine.
    All,
}

impl Builder {
    /// Sets the interval between samples of host, processes and GPUs, 0.1 s to 60 s; default: 1 s. `None` samples
    /// nothing.
    pub fn sample_interval(self, interval: impl Into<Option<Duration>>) -> Self {
        self.set("sample_interval", interval.into())
    }
}

#[cfg(feature = "gpu")]
impl Builder {
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
}

/// Configures the samplers.
pub(super) fn configure(settings: &Settings, config: &mut Config) -> Result<(), Error> {
    let interval = settings.duration("sample_interval");
    config.sample_interval =
        interval.map(|interval| Interval::new("sample_interval", interval)).transpose()?;
    #[cfg(feature = "gpu")]
    {
        let during_calls = settings.duration("gpu_memory_interval");
        config.gpu_memory_interval =
            during_calls.map(|interval| Interval::fast("gpu_memory_interval", interval)).transpose()?;
        config.gpus = match settings.value("gpu") {
            SettingValue::Bool(true) => Some(GpuSelection::from_environment()),
            SettingValue::Text(_) => Some(GpuSelection::All),
            _ => None,
        };
    }
    Ok(())
}
