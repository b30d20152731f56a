//! Owners of GPU memory: from lists of processes to the service's processes and the rest.

use std::collections::BTreeMap;

use super::namespace::Namespace;

/// An entry of an NVML list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) pid: u32,
    /// Bytes; `None` where NVML does not report them.
    pub(super) memory: Option<u64>,
}

impl Listed {
    /// An entry as NVML returns it. `NVML_VALUE_NOT_AVAILABLE` is all ones. A process with 0 bytes is one
    /// whose memory the driver withholds (confidential computing, some vGPUs).
    pub(super) fn new(pid: u32, memory: u64) -> Self {
        Self { pid, memory: Some(memory).filter(|memory| (1..u64::MAX).contains(memory)) }
    }
}

/// Memory of processes on one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// Bytes of each own process by pid; `None` where NVML does not report them.
    pub(super) own: BTreeMap<u32, Option<u64>>,
    /// Bytes of all other processes; `None` where unknown.
    pub(super) other: Option<u64>,
    /// Whether a process that is not listed uses no memory.
    pub(super) whole: bool,
}

/// Computes the owners of a device's memory from its lists of compute and graphics processes.
///
/// `None` where pids cannot be matched. In the initial pid namespace NVML uses the same pids. In a container NVML may
/// list pids of the host, which are other processes or none here, and the kernel does not reveal the outer pids. There
/// a list is accepted only if each of its pids exists here, and an own pid only if its process holds an NVIDIA device
/// open. The others' memory stays unknown in a container, because neighbours may be hidden.
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

/// Sums memory by process. Entries of one list are added (a process in several MIG instances). A process in
/// both lists has the same memory in each.
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
