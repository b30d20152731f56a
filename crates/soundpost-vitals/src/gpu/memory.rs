//! Memory of a device, and the lists of processes that use it.

use nvml_wrapper::Device;

use super::fault::Answers;
use super::namespace::Namespace;
use super::processes::{Listed, Shares, shares};
use super::raw::{self, Kind};

/// Call numbers of [`Answers`].
const MEMORY: u8 = 0;
const MEMORY_V1: u8 = 1;
const COMPUTE: u8 = 2;
const GRAPHICS: u8 = 3;
/// First call number of other files.
pub(super) const NEXT_QUESTION: u8 = 4;

/// Memory as a driver reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) used: u64,
}

impl Memory {
    pub(super) fn is_plausible(self) -> bool {
        self.total > 0 && self.used <= self.total
    }
}

/// Reads total and used memory, by version 2 of the call or, on older drivers, by version 1.
pub(super) fn memory(device: &Device<'_>, answers: &mut Answers) -> Option<Memory> {
    let second = answers
        .ask(MEMORY, || device.memory_info())
        .map(|info| Memory { total: info.total, used: info.used });
    if second.is_some() || !answers.cannot(MEMORY) {
        return second;
    }
    answers.ask(MEMORY_V1, || raw::memory_v1(device)).map(|(total, used)| Memory { total, used })
}

/// Lists of processes, reused between devices.
#[derive(Debug)]
pub(super) struct Lists {
    compute: Vec<Listed>,
    graphics: Vec<Listed>,
    /// Newest version of each list that this driver supports.
    versions: [u8; 2],
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { compute: Vec::new(), graphics: Vec::new(), versions: [3, 3] }
    }

    pub(super) fn clear(&mut self) {
        self.compute.clear();
        self.graphics.clear();
    }

    /// Adds the processes of a device. Returns false if the driver does not list them.
    pub(super) fn add(&mut self, device: &Device<'_>, answers: &mut Answers) -> bool {
        let [compute, graphics] = &mut self.versions;
        let known = answers
            .ask(COMPUTE, || raw::processes(device, Kind::Compute, compute, &mut self.compute))
            .is_some();
        // Many data centre cards have no graphics; then the list of compute processes is complete.
        answers.ask(GRAPHICS, || raw::processes(device, Kind::Graphics, graphics, &mut self.graphics));
        known
    }

    /// Returns the owners of the memory of the added devices.
    pub(super) fn shares(&self, own: &[u32], namespace: &mut Namespace) -> Option<Shares> {
        shares(&self.compute, &self.graphics, own, namespace)
    }
}
