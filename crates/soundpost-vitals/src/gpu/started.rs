//! A started NVML: its devices, and the selected ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use nvml_wrapper::error::NvmlError;

use super::card::Card;
use super::fault::{Fault, no_device, problem};
use super::raw::Library;
use crate::gpu_selection::{DeviceIdentity, GpuSelection, Visible, select_devices};
use crate::source::Problem;

pub(super) struct Started {
    pub(super) library: Library,
    pub(super) cards: Vec<Card>,
    /// Devices in the order of NVML, including those that could not be opened.
    pub(super) count: u32,
    /// NVML's indices of the devices that CUDA counts: all but those that this container must not use.
    pub(super) order: Vec<u32>,
    /// Number of devices of the kernel driver, where it can be read.
    pub(super) driver_count: Option<usize>,
    /// Error of a device that could not be opened.
    pub(super) missing: Option<NvmlError>,
    pub(super) looked: Instant,
    pub(super) warning: Option<&'static str>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("cards", &self.cards).finish_non_exhaustive()
    }
}

impl Started {
    pub(super) fn new(library: Library, proc_root: &Path) -> Self {
        let mut started = Self {
            library,
            cards: Vec::new(),
            count: 0,
            order: Vec::new(),
            driver_count: driver_count(proc_root),
            missing: None,
            looked: Instant::now(),
            warning: None,
        };
        started.look();
        started
    }

    /// Finds the devices and reads their constant properties.
    pub(super) fn look(&mut self) {
        self.looked = Instant::now();
        self.missing = None;
        self.order.clear();
        let mut earlier = std::mem::take(&mut self.cards);
        match self.library.nvml().device_count() {
            Ok(count) => self.count = count,
            Err(error) => self.missing = Some(error),
        }
        for index in 0..self.count {
            self.order.push(index);
            match Card::discover(self.library.nvml(), index) {
                Ok(mut card) => {
                    if let Some(place) = earlier.iter().position(|other| other.uuid == card.uuid) {
                        card.inherit(earlier.swap_remove(place));
                    }
                    self.cards.push(card);
                }
                Err(NvmlError::NoPermission) => drop(self.order.pop()),
                Err(error) => self.missing = Some(error),
            }
        }
    }

    /// Returns for each device of CUDA its index among the cards, and its identity.
    pub(super) fn identities(&self) -> (Vec<Option<usize>>, Vec<DeviceIdentity>) {
        let place = |index: &u32| self.cards.iter().position(|card| card.index == *index);
        let places: Vec<Option<usize>> = self.order.iter().map(place).collect();
        let identity = |place: &Option<usize>| place.map(|place| self.cards[place].identity());
        let identities = places.iter().map(|place| identity(place).unwrap_or_default()).collect();
        (places, identities)
    }

    pub(super) fn card(&self, uuid: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.uuid == uuid)
    }

    /// Returns the selections of processes as labels gpu, mig and pid; empty if each sees exactly the sampled devices.
    pub(super) fn seen(&self, visible: &[(u32, Visible)]) -> Vec<[String; 3]> {
        let (places, identities) = self.identities();
        let sampled =
            self.cards.iter().filter(|card| card.is_chosen()).filter_map(|card| card.labels_of(None));
        let sampled: BTreeSet<[String; 2]> = sampled.collect();
        let of = |visible: &Visible| -> BTreeSet<[String; 2]> {
            let choices = select_devices(visible.devices.as_deref(), &identities).into_iter();
            choices.filter_map(|choice| self.cards[places[choice.device]?].labels_of(choice.mig)).collect()
        };
        let seen: Vec<_> = visible.iter().map(|(pid, visible)| (pid.to_string(), of(visible))).collect();
        if seen.iter().all(|(_, seen)| *seen == sampled) {
            return Vec::new();
        }
        let labels = seen.iter().flat_map(|(pid, seen)| seen.iter().map(move |labels| (pid, labels)));
        labels.map(|(pid, [gpu, mig])| [gpu.clone(), mig.clone(), pid.clone()]).collect()
    }

    /// Selects devices and watches them.
    pub(super) fn select_devices(&mut self, which: &GpuSelection) {
        let (places, identities) = self.identities();
        for card in &mut self.cards {
            card.whole = false;
            card.migs.iter_mut().for_each(|mig| mig.chosen = false);
        }
        for choice in which.choices(&identities) {
            let Some(card) = places[choice.device].map(|place| &mut self.cards[place]) else { continue };
            match choice.mig {
                None => card.whole = true,
                Some(mig) => card.migs[mig].chosen = true,
            }
        }
        let names: Vec<&str> = self.cards.iter().map(|card| card.name.as_str()).collect();
        self.warning = which.warning(&names);
        for card in self.cards.iter_mut().filter(|card| card.is_chosen() && !card.watched) {
            card.watched = self.library.watch(card.index).is_ok();
        }
    }

    /// Returns the reason why no device is sampled.
    pub(super) fn none_chosen(&self, which: &GpuSelection) -> Option<Problem> {
        if self.cards.iter().any(Card::is_chosen) {
            return None;
        }
        if let Some(error) = self.missing.as_ref() {
            return Some(problem(error));
        }
        Some(match (self.count, self.cards.is_empty(), which) {
            (0, ..) => no_device("the NVIDIA driver has no GPU"),
            (_, true, _) => problem(&NvmlError::NoPermission),
            (.., GpuSelection::Visible(_)) => no_device("CUDA_VISIBLE_DEVICES shows this service no GPU"),
            (.., GpuSelection::All) => no_device("the NVIDIA driver has no GPU"),
        })
    }

    /// Reports whether a device fell off the bus, or other code shut the library down.
    pub(super) fn has_lost(&self) -> bool {
        let missing = self.missing.as_ref().is_some_and(|error| Fault::of(error) == Fault::Lost);
        missing || self.cards.iter().any(Card::is_lost)
    }

    /// Returns an error if all sampled devices were lost.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut chosen = self.cards.iter().filter(|card| card.is_chosen());
        if chosen.all(Card::is_lost) { Err(problem(&NvmlError::GpuLost)) } else { Ok(()) }
    }
}

/// Returns the number of devices of the kernel driver, including those added after NVML was started.
pub(super) fn driver_count(proc_root: &Path) -> Option<usize> {
    fs::read_dir(proc_root.join("driver/nvidia/gpus")).ok().map(Iterator::count)
}
