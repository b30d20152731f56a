//! Whose memory it is: from lists of processes to the service's shares and everyone else's.

use std::collections::BTreeMap;

use super::namespace::Namespace;

/// An entry of a list of NVML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) pid: u32,
    /// Bytes; none where NVML does not say.
    pub(super) memory: Option<u64>,
}

impl Listed {
    /// An entry as NVML gives it. `NVML_VALUE_NOT_AVAILABLE` is all ones; and a process on a GPU that uses
    /// no byte is one whose memory the driver keeps to itself (confidential computing, some vGPUs).
    pub(super) fn new(pid: u32, memory: u64) -> Self {
        Self { pid, memory: Some(memory).filter(|memory| (1..u64::MAX).contains(memory)) }
    }
}

/// Memory of processes on one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// Bytes of each own process on the device, by pid; none where NVML does not say.
    pub(super) own: BTreeMap<u32, Option<u64>>,
    /// Bytes of all others together; none where that is not known.
    pub(super) other: Option<u64>,
    /// Whether a process that is not listed uses none.
    pub(super) whole: bool,
}

/// Shares of a device's memory from its lists of compute and graphics processes.
///
/// None where the pids cannot be told to be ours. In the host's pid namespace, NVML's pids are what everyone
/// calls the processes. In a container NVML may list pids of the host, which mean other processes here or
/// none; the kernel does not tell a container its processes' outer pids, so nothing could be matched. A list
/// is believed there only if each of its pids is a process here, and an own pid only if that process holds
/// an NVIDIA device open. The others' memory stays unknown in a container: neighbours may be hidden.
pub(super) fn shares(
    compute: &[Listed],
    graphics: &[Listed],
    own: &[u32],
    namespace: &mut Namespace,
) -> Option<Shares> {
    let memory = merged(compute, graphics);
    let host = namespace.is_host();
    if !host && !memory.keys().all(|pid| namespace.exists(*pid)) {
        return None;
    }
    let mut shares = Shares { own: BTreeMap::new(), other: Some(0), whole: host };
    for (pid, memory) in memory {
        if own.contains(&pid) {
            if !host && !namespace.holds_gpu(pid) {
                return None;
            }
            shares.own.insert(pid, memory);
        } else {
            shares.other = shares.other.zip(memory).map(|(sum, memory)| sum.saturating_add(memory));
        }
    }
    if !host {
        shares.other = None;
        // An empty list may be a filtered one.
        if shares.own.is_empty() {
            return None;
        }
    }
    Some(shares)
}

/// Memory by process. Entries of one list add up (a process in several MIG instances); a process that does
/// both is in both lists with the same memory.
fn merged(compute: &[Listed], graphics: &[Listed]) -> BTreeMap<u32, Option<u64>> {
    let mut merged = summed(compute);
    for (pid, memory) in summed(graphics) {
        let entry = merged.entry(pid).or_insert(memory);
        *entry = (*entry).max(memory);
    }
    merged
}

fn summed(list: &[Listed]) -> BTreeMap<u32, Option<u64>> {
    let mut summed = BTreeMap::new();
    for Listed { pid, memory } in list {
        summed
            .entry(*pid)
            .and_modify(|sum: &mut Option<u64>| *sum = sum.zip(*memory).map(|(a, b)| a.saturating_add(b)))
            .or_insert(*memory);
    }
    summed
}

#[cfg(test)]
mod tests;
