//! Gauges of the devices of this process, and the mapping of devices to GPUs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{MetricSeries, Snapshot};
use soundpost_core::{Family, Gauge, PerProcess, Spec, Unit};
use soundpost_vitals::{DeviceIdentity, MigIdentity, Visible, select_devices};

use super::Memory;
use crate::telemetry::Telemetry;

/// Initial and maximum interval between attempts to identify a device's GPU.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The gauges of one process; a forked child starts without any.
#[derive(Default)]
pub(super) struct Gauges {
    devices: PerProcess<Mutex<Vec<Device>>>,
}

struct Device {
    number: u32,
    shown: Option<Shown>,
    /// Delay after the last attempt, and its end.
    wait: Duration,
    retry: Instant,
}

struct Shown {
    families: [Family; 2],
    gpu: String,
    pid: String,
    allocated: Gauge,
    reserved: Gauge,
}

impl Gauges {
    /// Returns whether an attempt to identify a device is due.
    pub(super) fn wants(&self, number: u32) -> bool {
        let devices = self.devices();
        let device = devices.iter().find(|device| device.number == number);
        device.is_none_or(|device| device.shown.is_none() && Instant::now() >= device.retry)
    }

    pub(super) fn identify(&self, telemetry: &Telemetry, number: u32, uuid: Option<&str>) {
        let snapshot = telemetry.snapshot();
        let cards = cards(&snapshot, telemetry.registry().identity().prefix());
        let gpu = index(&cards, number, uuid, &Visible::from_environment());
        let shown = gpu.and_then(|gpu| Shown::new(telemetry, gpu));
        let mut devices = self.devices();
        match devices.iter_mut().find(|device| device.number == number) {
            Some(device) => {
                device.wait = (device.wait * 2).min(RETRY.1);
                device.retry = Instant::now() + device.wait;
                device.shown = shown;
            }
            None => devices.push(Device { number, shown, wait: RETRY.0, retry: Instant::now() + RETRY.0 }),
        }
    }

    pub(super) fn set(&self, number: u32, memory: &Memory) {
        let devices = self.devices();
        let device = devices.iter().find(|device| device.number == number);
        if let Some(shown) = device.and_then(|device| device.shown.as_ref()) {
            shown.allocated.set(memory.allocated as f64);
            shown.reserved.set(memory.reserved as f64);
        }
    }

    /// Removes the gauges.
    pub(super) fn clear(&self) {
        if self.devices.get().is_none() {
            return;
        }
        for shown in self.devices().drain(..).filter_map(|device| device.shown) {
            for family in &shown.families {
                // The number of label values is correct.
                let _ = family.remove(&[&shown.gpu, &shown.pid]);
            }
        }
    }

    fn devices(&self) -> MutexGuard<'_, Vec<Device>> {
        let devices = self.devices.get_or_make(|| Mutex::new(Vec::new()));
        devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    /// `None` if the names are in use, which was logged.
    fn new(telemetry: &Telemetry, gpu: u32) -> Option<Self> {
        let (gpu, pid) = (gpu.to_string(), std::process::id().to_string());
        let family = |name: &str, help: &str| {
            let name = format!("{}_{name}", telemetry.registry().identity().prefix());
            let spec = Spec::gauge(&name).unit(Unit::Bytes).help(help).labels(&["gpu", "pid"]);
            telemetry
                .family(spec)
                .inspect_err(|error| {
                    telemetry.registry().diagnostics().warn_once("torch", &error.to_string())
                })
                .ok()
        };
        let families = [
            family(
                "torch_memory_allocated_bytes",
                "Memory in PyTorch tensors of a process, at the start or end of its last call",
            )?,
            family(
                "torch_memory_reserved_bytes",
                "Memory held by PyTorch's allocator of a process, at the start or end of its last call",
            )?,
        ];
        let [allocated, reserved] = &families;
        let allocated = allocated.gauge(&[&gpu, &pid]).ok()?;
        let reserved = reserved.gauge(&[&gpu, &pid]).ok()?;
        Some(Self { families, gpu, pid, allocated, reserved })
    }
}

/// A sampled GPU or MIG device.
struct Card<'a> {
    index: u32,
    uuid: &'a str,
    name: &'a str,
    is_mig: bool,
}

/// Returns the sampled GPUs, from the gauges of the sampling process, which can be another one.
fn cards<'a>(snapshot: &'a Snapshot, prefix: &str) -> Vec<Card<'a>> {
    let name = format!("{prefix}_gpu_memory_total_bytes");
    let family = snapshot.families.iter().find(|family| *family.name == *name);
    let label = |series: &'a MetricSeries, name: &str| {
        series.labels.iter().find(|(label, _)| **label == *name).map_or("", |(_, value)| &**value)
    };
    let card = |series: &'a MetricSeries| {
        let (uuid, name) = (label(series, "uuid"), label(series, "name"));
        Some(Card {
            index: label(series, "gpu").parse().ok()?,
            uuid,
            name,
            is_mig: !label(series, "mig").is_empty(),
        })
    };
    family.into_iter().flat_map(|family| &family.series).filter_map(card).collect()
}

/// Returns NVML's index of a CUDA device; `None` if it is unknown.
fn index(cards: &[Card<'_>], number: u32, uuid: Option<&str>, visible: &Visible) -> Option<u32> {
    if let Some(uuid) = uuid {
        return cards.iter().find(|card| bare(card.uuid) == bare(uuid)).map(|card| card.index);
    }
    let most = cards.iter().map(|card| card.index).max().filter(|most| *most < 1024)?;
    // NVML counts by bus, CUDA by speed unless configured. Equal cards have equal speed.
    let by_number = !visible.devices.as_deref().unwrap_or_default().contains('-');
    let differ = cards.iter().any(|card| !card.is_mig && card.name != cards[0].name);
    if by_number && differ && !visible.by_bus {
        return None;
    }
    let mut devices = vec![DeviceIdentity::default(); most as usize + 1];
    for card in cards {
        let device = &mut devices[card.index as usize];
        match card.is_mig {
            true => device.migs.push(MigIdentity { uuid: card.uuid.to_owned(), instance: None }),
            false => card.uuid.clone_into(&mut device.uuid),
        }
    }
    let choice = select_devices(visible.devices.as_deref(), &devices).get(number as usize).copied()?;
    cards.iter().map(|card| card.index).find(|index| *index as usize == choice.device)
}

/// Returns a UUID without its prefix.
fn bare(uuid: &str) -> &str {
    uuid.strip_prefix("GPU-").or_else(|| uuid.strip_prefix("MIG-")).unwrap_or(uuid)
}

#[cfg(test)]
mod tests;
