//! One device: its constant properties, and one sample of the others.

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::fault::Answers;
use super::memory::Lists;
use super::mig::{Mig, migs};
use super::namespace::Namespace;
use super::process_utilization::ProcessUtilization;
use super::quantity;
use super::raw;
use super::reading::{DeviceReader, Pcie};
use crate::gpu_selection::DeviceIdentity;
use crate::reading::Readings;

/// A device with its constant properties.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) index: u32,
    pub(super) label: String,
    pub(super) uuid: String,
    pub(super) name: String,
    /// Whether the whole device is sampled.
    pub(super) whole: bool,
    pub(super) migs: Vec<Mig>,
    /// Address of the handle, to recognise the device in an event.
    pub(super) address: usize,
    pub(super) watched: bool,
    power_limit: Option<u32>,
    fans: u32,
    pcie: Pcie,
    process_utilization: ProcessUtilization,
    answers: Answers,
}

/// Inputs of a sample of processes.
pub(super) struct Processes<'a> {
    pub(super) own: &'a [u32],
    pub(super) namespace: &'a mut Namespace,
    pub(super) lists: &'a mut Lists,
}

impl Card {
    /// Reads the constant properties. Fails if the device does not exist, is lost, or access is denied.
    pub(super) fn discover(nvml: &Nvml, index: u32) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index)?;
        let (uuid, name) = (device.uuid(), device.name());
        if let Err(NvmlError::GpuLost) = uuid {
            return Err(NvmlError::GpuLost);
        }
        Ok(Self {
            index,
            label: index.to_string(),
            uuid: uuid.unwrap_or_default(),
            name: name.unwrap_or_default(),
            whole: false,
            migs: migs(&device),
            address: raw::address(&device),
            watched: false,
            power_limit: device.enforced_power_limit().or_else(|_| device.power_management_limit()).ok(),
            fans: device.num_fans().unwrap_or(0),
            pcie: Pcie::default(),
            process_utilization: ProcessUtilization::default(),
            answers: Answers::default(),
        })
    }

    pub(super) fn identity(&self) -> DeviceIdentity {
        let migs = self.migs.iter().map(|mig| mig.identity.clone()).collect();
        DeviceIdentity { uuid: self.uuid.clone(), migs }
    }

    /// Reports whether any part of the device is sampled.
    pub(super) fn is_chosen(&self) -> bool {
        self.whole || self.migs.iter().any(|mig| mig.chosen)
    }

    /// Reports whether the device fell off the bus.
    pub(super) fn is_lost(&self) -> bool {
        self.answers.lost()
    }

    /// Copies cached results of an earlier instance of the same device.
    pub(super) fn inherit(&mut self, earlier: Card) {
        self.watched = earlier.watched;
        self.pcie = earlier.pcie;
        self.process_utilization = earlier.process_utilization;
    }

    /// Measures PCIe traffic if it is due. It takes 40 ms on hardware, so it precedes values that belong to one moment.
    pub(super) fn measure_pcie(&mut self, nvml: &Nvml) {
        if self.pcie.is_due()
            && let Some(device) = self.device(nvml)
        {
            self.pcie.measure(&device, &mut self.answers);
        }
    }

    /// Reads all values.
    pub(super) fn sample(&mut self, nvml: &Nvml, processes: &mut Processes<'_>, readings: &mut Readings) {
        let Some(device) = self.device(nvml) else { return };
        let busy = self.look(&device, processes, readings, true);
        let labels = [self.label.as_str(), &self.uuid, &self.name, ""];
        let mut reader = DeviceReader { device: &device, answers: &mut self.answers, labels, readings };
        reader.load(busy);
        reader.power_limit(self.power_limit);
        reader.speed(self.fans);
        reader.totals(&self.pcie);
        // In a container the driver's pids are those of the host; a MIG device has no such samples.
        if processes.namespace.is_host() && self.migs.is_empty() {
            let own = (self.label.as_str(), processes.own);
            self.process_utilization.read(&device, &mut self.answers, own, readings);
        }
    }

    /// Reads the values of a fast sample: memory, its processes, utilization.
    pub(super) fn fast_sample(
        &mut self,
        nvml: &Nvml,
        processes: &mut Processes<'_>,
        readings: &mut Readings,
    ) {
        if let Some(device) = self.device(nvml) {
            self.look(&device, processes, readings, false);
        }
    }

    /// Reads memory and utilization of the device and its MIG devices, and memory by process; with `full`
    /// also the other values of MIG devices. Returns whether a kernel ran.
    fn look(
        &mut self,
        device: &Device<'_>,
        processes: &mut Processes<'_>,
        readings: &mut Readings,
        full: bool,
    ) -> bool {
        let labels = [self.label.as_str(), &self.uuid, &self.name, ""];
        let answers = &mut self.answers;
        let mut reader = DeviceReader { device, answers, labels, readings };
        let total = reader.memory();
        let busy = reader.utilization();
        processes.lists.clear();
        // With MIG, the device's own list needs a privilege that the lists of its parts do not.
        let mut listed = !self.migs.is_empty() || processes.lists.add(device, &mut self.answers);
        for mig in self.migs.iter_mut().filter(|mig| self.whole || mig.chosen) {
            let Ok(device) = device.mig_device_by_index(mig.index) else {
                listed = false;
                continue;
            };
            let labels = [self.label.as_str(), &mig.identity.uuid, &mig.name, &mig.label];
            let mut reader = DeviceReader { device: &device, answers: &mut mig.answers, labels, readings };
            reader.memory();
            // Only some drivers report utilization of a MIG device.
            let busy = reader.utilization();
            if full {
                reader.load(busy);
            }
            listed &= processes.lists.add(&device, &mut mig.answers);
        }
        if listed {
            self.push_shares(total, processes, readings);
        }
        busy
    }

    /// Returns the labels gpu and mig of the parts of this device that a process with this selection sees.
    pub(super) fn labels_of(&self, mig: Option<usize>) -> Option<[String; 2]> {
        let mig = match mig {
            Some(place) => self.migs.get(place)?.label.clone(),
            None => String::new(),
        };
        Some([self.label.clone(), mig])
    }

    /// Returns the device's handle; `None` after it was lost.
    fn device<'nvml>(&mut self, nvml: &'nvml Nvml) -> Option<Device<'nvml>> {
        if self.answers.lost() {
            return None;
        }
        match nvml.device_by_index(self.index) {
            Ok(device) => Some(device),
            Err(error) => {
                if matches!(error, NvmlError::GpuLost | NvmlError::Uninitialized) {
                    self.answers.lose();
                }
                None
            }
        }
    }

    fn push_shares(&self, total: Option<u64>, processes: &mut Processes<'_>, readings: &mut Readings) {
        let Some(shares) = processes.lists.shares(processes.own, processes.namespace) else { return };
        let most = total.unwrap_or(u64::MAX);
        let mut push = |pid: &str, memory: Option<u64>| match memory {
            Some(memory) if memory <= most => {
                readings.push(&quantity::PROCESS_MEMORY, &[&self.label, pid], memory as f64);
            }
            Some(_) => readings.reject(&quantity::PROCESS_MEMORY),
            None => {}
        };
        for (pid, memory) in &shares.own {
            push(&pid.to_string(), *memory);
        }
        push("other", shares.other);
        for pid in processes.own.iter().filter(|pid| shares.whole && !shares.own.contains_key(pid)) {
            readings.push_aside(&quantity::PROCESS_MEMORY, &[&self.label, &pid.to_string()], 0.0);
        }
    }
}
