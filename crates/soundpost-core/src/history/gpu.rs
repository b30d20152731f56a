//! GPU memory around calls, from the samples of the history.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::reader::{HistoryReader, Sample};
use super::table::{Series, SeriesId};

/// Memory in use by all processes: labels `gpu`, `mig`.
pub const GPU_MEMORY: &str = "gpu_memory_used_bytes";
/// Memory of one process: labels `gpu`, `pid`; 0 if the process uses none, absent if unknown.
pub const GPU_PROCESS_MEMORY: &str = "gpu_process_memory_bytes";
/// Utilization, 0 to 1: labels `gpu`, `mig`.
pub const GPU_UTILIZATION: &str = "gpu_utilization_ratio";
/// 1 for a device that a process sees: labels `gpu`, `mig`, `pid`. Without this series all processes see all devices.
pub const GPU_VISIBLE: &str = "gpu_visible";

/// Process and time of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallWindow {
    /// Process id, as the process itself sees it.
    pub pid: u32,
    /// Start, monotonic nanoseconds.
    pub started: u64,
    /// End, or now while the call runs.
    pub ended: u64,
}

/// GPU memory around a call, from samples; bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GpuUse {
    /// Memory in the last sample before the call.
    pub memory_before: u64,
    /// Maximum from start to end.
    pub memory_peak: u64,
    /// Memory after the call minus memory before it.
    pub memory_delta: i64,
    /// Mean utilization during the call, 0 to 1.
    pub utilization_mean: Option<f64>,
    /// Whether another call ran at the same time, so that the figures cover all of them.
    pub shared: bool,
    /// Whether the memory is that of the call's process, and not of all processes on the device.
    pub of_process: bool,
}

/// Labels of a device or a MIG device.
type Device = (String, String);

/// Meaning of a series for a call.
enum SeriesRole {
    Memory(Device),
    Utilization(Device),
    /// Memory of the call's process.
    Process,
    /// Device that the call's process sees; `None` for another process.
    Visible(Option<Device>),
}

#[derive(Default)]
struct GpuSample {
    at: u64,
    memory: HashMap<Device, u64>,
    utilization: HashMap<Device, f64>,
    /// Memory of the process and its number of devices; `None` where the driver does not report it.
    own: Option<(u64, usize)>,
    /// Devices that the process saw then or later, if not all.
    visible: Option<Arc<Vec<Device>>>,
}

/// GPU samples of one process, read once for all of its calls.
#[derive(Default)]
pub struct GpuSamples {
    /// In the order of time.
    looks: Vec<GpuSample>,
    /// Age beyond which a sample is no longer of now, nanoseconds.
    max_age: u64,
}

impl CallWindow {
    /// Returns the GPU memory around the call: before it from the last sample at or before its start, after it from the
    /// first sample after its end, or from the last one. `None` if the last sample at the start or at the end of the
    /// call is older than [`HistoryReader::max_age`].
    ///
    /// The memory is that of the call's process where the driver reports it, else that of all processes on the devices
    /// that the process sees. Where memory is unified, drivers report it for processes alone. The caller passes
    /// `shared`, because samples do not contain it.
    pub fn gpu_use(&self, reader: &mut HistoryReader, shared: bool) -> Option<GpuUse> {
        GpuSamples::read(reader, self.pid, self.started).use_in(self, shared)
    }

    /// Reports whether a GPU was sampled after a moment; `None` without any GPU sample.
    pub fn is_sampled_after(reader: &mut HistoryReader, moment: u64) -> Option<bool> {
        reader.refresh();
        let is_memory = |series: &Series| [GPU_MEMORY, GPU_PROCESS_MEMORY].contains(&&*series.name);
        let gpu: HashSet<SeriesId> =
            reader.series().filter(|(_, series)| is_memory(series)).map(|(id, _)| id).collect();
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
    /// Reads the samples of a process since a moment, and the last one before it.
    pub fn read(reader: &mut HistoryReader, pid: u32, since: u64) -> Self {
        reader.refresh();
        let pid = pid.to_string();
        let roles: HashMap<SeriesId, SeriesRole> =
            reader.series().filter_map(|(id, series)| Some((id, role(series, &pid)?))).collect();
        let (mut looks, max_age) = (Vec::<GpuSample>::new(), reader.max_age());
        if roles.is_empty() {
            return Self { looks, max_age };
        }
        let mut visible: Option<Arc<Vec<Device>>> = None;
        reader.back(|sample| {
            if sample.at.saturating_add(max_age) < since {
                return false;
            }
            let look = GpuSample::of(sample, &roles, &mut visible);
            let more = look.as_ref().is_none_or(|look| look.at > since);
            match (looks.last_mut(), look) {
                // The writer splits a sample of many values.
                (Some(last), Some(look)) if last.at == look.at => last.merge(look),
                (_, look) => looks.extend(look),
            }
            more
        });
        looks.reverse();
        looks.sort_by_key(|look| look.at);
        Self { looks, max_age }
    }

    /// Returns the GPU memory around a call that started no earlier than these samples, see [`CallWindow::gpu_use`].
    pub fn use_in(&self, window: &CallWindow, shared: bool) -> Option<GpuUse> {
        let first = self.looks.partition_point(|look| look.at <= window.started);
        let before = &self.looks[first.checked_sub(1)?];
        let is_fresh = |look: &GpuSample, moment: u64| look.at.abs_diff(moment) <= self.max_age;
        let end = self.looks.partition_point(|look| look.at <= window.ended).max(first);
        let inside = &self.looks[first..end];
        // The first sample after the end counts if it is soon after it.
        let soon = |look: &&GpuSample| look.at <= window.ended.saturating_add(self.max_age);
        let later = || self.looks[first..].iter().take(end - first + 1).filter(soon);
        if !is_fresh(before, window.started) || !is_fresh(later().next_back().unwrap_or(before), window.ended)
        {
            return None;
        }
        let seen = before.visible.as_deref();
        // If a device is missing in a sample, the sum is too low.
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
    /// Extracts the GPU values of a sample. `visible` carries the devices seen in later samples.
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
                    any = true;
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

    /// Adds the values of the rest of the same sample.
    fn merge(&mut self, rest: Self) {
        self.memory.extend(rest.memory);
        self.utilization.extend(rest.utilization);
        self.own = match (self.own, rest.own) {
            (Some((a, m)), Some((b, n))) => Some((a.saturating_add(b), m + n)),
            (own, rest) => own.or(rest),
        };
        self.visible = rest.visible;
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

/// Reports whether the process sees the device. MIG devices count only where named, because their memory is
/// part of their parent's.
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
