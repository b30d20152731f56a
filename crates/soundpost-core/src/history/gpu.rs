//! What a call did to GPU memory, from the samples around it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::reader::{HistoryReader, Sample};
use super::table::{Series, SeriesId};

/// HistoryMemory in use by everyone: labels `gpu`, `mig`.
pub const GPU_MEMORY: &str = "gpu_memory_used_bytes";
/// HistoryMemory of one process: labels `gpu`, `pid`; 0 of one that is known to use none, nothing where that is not known.
pub const GPU_PROCESS_MEMORY: &str = "gpu_process_memory_bytes";
/// Utilization, 0 to 1: labels `gpu`, `mig`.
pub const GPU_UTILIZATION: &str = "gpu_utilization_ratio";
/// 1 for a device that a process sees: labels `gpu`, `mig`, `pid`. Where no process has any, all see all.
pub const GPU_VISIBLE: &str = "gpu_visible";

/// A sample that is older than this before the start says nothing about it, nanoseconds.
const BEFORE: u64 = 130_000_000_000;

/// When and where a call ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallWindow {
    /// Its process, as that sees its id.
    pub pid: u32,
    /// When it started, monotonic nanoseconds.
    pub started: u64,
    /// When it ended; none while it runs.
    pub ended: Option<u64>,
}

/// GPU memory around a call, from samples; bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuUse {
    /// HistoryMemory in the last sample before the call.
    pub memory_before: u64,
    /// Maximum from start to end.
    pub memory_peak: u64,
    /// HistoryMemory after the call minus memory before it.
    pub memory_delta: i64,
    /// Mean utilization during the call, 0 to 1.
    pub utilization_mean: Option<f64>,
    /// Whether another call ran at the same time, so that the figures cover all of them.
    pub shared: bool,
    /// Whether the memory is that of the call's process, and not of all processes on the device.
    pub of_process: bool,
}

/// A device or a MIG device by its labels.
type Device = (String, String);

/// What a series is to a call.
enum SeriesRole {
    Memory(Device),
    Utilization(Device),
    /// HistoryMemory of the call's process.
    Process,
    /// The call's process sees this device; another does, without one.
    Visible(Option<Device>),
}

/// The GPU's part of one sample.
#[derive(Default)]
struct GpuSample {
    at: u64,
    memory: HashMap<Device, u64>,
    utilization: HashMap<Device, f64>,
    /// HistoryMemory of the process, and on how many devices; none where the driver does not say.
    own: Option<(u64, usize)>,
    /// Devices that the process saw then or later, where that is not all.
    visible: Option<Arc<Vec<Device>>>,
}

/// What the samples say of one process, for any number of its calls: read once, because calls may be many.
#[derive(Default)]
pub struct GpuSamples {
    /// In the order of time.
    looks: Vec<GpuSample>,
}

impl CallWindow {
    /// What the call did to GPU memory, so far or in all: before it is the last sample at or before its start,
    /// after it the first one after its end, or the last there is. None without a sample before it.
    ///
    /// HistoryMemory is that of the call's process where the driver tells it, else that of all on the devices that the
    /// process sees. `shared`: whether another call ran meanwhile, which samples do not tell.
    pub fn gpu_use(&self, reader: &mut HistoryReader, shared: bool) -> Option<GpuUse> {
        GpuSamples::read(reader, self.pid, self.started).use_in(self, shared)
    }

    /// Whether a GPU was sampled after a moment; none if none was ever.
    pub fn is_sampled_after(reader: &mut HistoryReader, moment: u64) -> Option<bool> {
        reader.refresh();
        let gpu: HashSet<SeriesId> =
            reader.series().filter(|(_, series)| series.name == GPU_MEMORY).map(|(id, _)| id).collect();
        let mut sampled = (!gpu.is_empty()).then_some(false)?;
        reader.back(|sample| {
            let later = sample.at > moment;
            sampled = later && sample.values.iter().any(|(id, value)| value.is_some() && gpu.contains(id));
            later && !sampled
        });
        Some(sampled)
    }
}

impl GpuSamples {
    /// What there is on a process since a moment, and before it as far as it says something about that moment.
    pub fn read(reader: &mut HistoryReader, pid: u32, since: u64) -> Self {
        reader.refresh();
        let pid = pid.to_string();
        let roles: HashMap<SeriesId, SeriesRole> =
            reader.series().filter_map(|(id, series)| Some((id, role(series, &pid)?))).collect();
        let mut looks = Vec::new();
        if roles.is_empty() {
            return Self { looks };
        }
        let mut visible: Option<Arc<Vec<Device>>> = None;
        reader.back(|sample| {
            if sample.at.saturating_add(BEFORE) < since {
                return false;
            }
            let look = GpuSample::of(sample, &roles, &mut visible);
            let more = look.as_ref().is_none_or(|look| look.at > since);
            looks.extend(look);
            more
        });
        looks.reverse();
        looks.sort_by_key(|look| look.at);
        Self { looks }
    }

    /// What a call of the process did, if it started no earlier than what was read; see [`CallWindow::gpu_use`].
    pub fn use_in(&self, window: &CallWindow, shared: bool) -> Option<GpuUse> {
        let first = self.looks.partition_point(|look| look.at <= window.started);
        let before = &self.looks[first.checked_sub(1)?];
        if before.at.saturating_add(BEFORE) < window.started {
            return None;
        }
        let end = window
            .ended
            .map_or(self.looks.len(), |ended| self.looks.partition_point(|look| look.at <= ended).max(first));
        let inside = &self.looks[first..end];
        let later = || self.looks[first..].iter().take(end - first + 1);
        let seen = before.visible.as_deref();
        // Where a device did not say this time, the sum is of less than before.
        let own =
            |look: &GpuSample| look.own.filter(|own| before.own.is_some_and(|before| own.1 >= before.1));
        let of_process =
            before.own.is_some() && (later().next().is_none() || later().any(|look| own(look).is_some()));
        let memory = |look: &GpuSample| if of_process { own(look).map(|own| own.0) } else { look.used(seen) };
        let memory_before = memory(before)?;
        let memories = || later().filter_map(memory);
        let memory_peak = memories().fold(memory_before, u64::max);
        let memory_after = memories().next_back().unwrap_or(memory_before);
        let utilization: Vec<f64> = inside.iter().filter_map(|look| look.utilization(seen)).collect();
        Some(GpuUse {
            memory_before,
            memory_peak,
            memory_delta: memory_after.wrapping_sub(memory_before) as i64,
            utilization_mean: mean(&utilization),
            shared,
            of_process,
        })
    }
}

impl GpuSample {
    /// The GPU's part of a sample; none in a sample of something else. `visible`: what was seen in later ones.
    fn of(
        sample: &Sample,
        roles: &HashMap<SeriesId, SeriesRole>,
        visible: &mut Option<Arc<Vec<Device>>>,
    ) -> Option<Self> {
        let mut look = Self { at: sample.at, ..Self::default() };
        let mut any = false;
        for (id, value) in &sample.values {
            let (Some(role), Some(value)) = (roles.get(id), value) else { continue };
            match role {
                SeriesRole::Memory(device) => {
                    any = true;
                    look.memory.insert(device.clone(), *value as u64);
                }
                SeriesRole::Utilization(device) => drop(look.utilization.insert(device.clone(), *value)),
                SeriesRole::Process => {
                    let (memory, devices) = look.own.unwrap_or_default();
                    look.own = Some((memory.saturating_add(*value as u64), devices + 1));
                }
                SeriesRole::Visible(device) => {
                    let visible = visible.get_or_insert_default();
                    if let Some(device) = device.as_ref().filter(|device| !visible.contains(device)) {
                        Arc::make_mut(visible).push(device.clone());
                    }
                }
            }
        }
        look.visible.clone_from(visible);
        any.then_some(look)
    }

    fn used(&self, visible: Option<&Vec<Device>>) -> Option<u64> {
        let seen = self.memory.iter().filter(|(device, _)| sees(visible, device)).map(|(_, used)| *used);
        seen.reduce(u64::saturating_add)
    }

    fn utilization(&self, visible: Option<&Vec<Device>>) -> Option<f64> {
        let seen =
            self.utilization.iter().filter(|(device, _)| sees(visible, device)).map(|(_, ratio)| *ratio);
        mean(&seen.collect::<Vec<_>>())
    }
}

/// Whether the call's process sees the device. A MIG device counts where it is named: its memory is in its
/// parent's as well.
fn sees(visible: Option<&Vec<Device>>, device: &Device) -> bool {
    match visible {
        Some(visible) => visible.contains(device),
        None => device.1.is_empty(),
    }
}

fn role(series: &Series, pid: &str) -> Option<SeriesRole> {
    let label = |name: &str| series.label(name).unwrap_or_default().to_owned();
    let device = || (label("gpu"), label("mig"));
    let own = series.label("pid") == Some(pid);
    match series.name.as_str() {
        GPU_MEMORY => Some(SeriesRole::Memory(device())),
        GPU_UTILIZATION => Some(SeriesRole::Utilization(device())),
        GPU_PROCESS_MEMORY if own => Some(SeriesRole::Process),
        GPU_VISIBLE => Some(SeriesRole::Visible(own.then(device))),
        _ => None,
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
