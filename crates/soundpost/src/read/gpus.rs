//! The GPUs of this machine.

use std::time::Duration;

use soundpost_core::thread;
use soundpost_vitals::{GpuSelection, Gpus, Readings, Source};

/// A GPU that NVML reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// NVML's index.
    pub index: String,
    /// Name of the device.
    pub name: String,
}

/// GPUs that a service can use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VisibleGpus {
    /// The devices.
    pub gpus: Vec<Gpu>,
    /// Warning about their selection, such as an ambiguous `CUDA_VISIBLE_DEVICES`.
    pub warning: Option<&'static str>,
}

/// Returns the GPUs that the service can use. Waits at most `timeout` for the driver.
///
/// # Errors
/// When no GPU is available; the message has the reason.
pub fn gpus(timeout: Duration) -> Result<VisibleGpus, String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    // A separate thread contains a driver that hangs.
    thread::spawn("soundpost-nvml", move || drop(sender.send(ask()))).map_err(|error| error.to_string())?;
    let hangs = || format!("the driver does not answer within {} s", timeout.as_secs());
    receiver.recv_timeout(timeout).unwrap_or_else(|_| Err(hangs()))
}

fn ask() -> Result<VisibleGpus, String> {
    let mut readings = Readings::default();
    let mut source = Gpus::new(GpuSelection::from_environment());
    source.sample(&mut readings).map_err(|problem| problem.message)?;
    let mut gpus: Vec<Gpu> = Vec::new();
    for reading in &readings.readings {
        let label = |wanted: &str| {
            let at = reading.quantity.labels.iter().position(|name| *name == wanted)?;
            reading.labels.get(at).cloned()
        };
        let Some((index, name)) = label("gpu").zip(label("name")) else { continue };
        if !gpus.iter().any(|gpu| gpu.index == index) {
            gpus.push(Gpu { index, name });
        }
    }
    Ok(VisibleGpus { gpus, warning: source.warning() })
}
