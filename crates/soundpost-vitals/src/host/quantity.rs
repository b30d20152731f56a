//! The quantities of host and processes.

use soundpost_core::Unit;

use crate::reading::Quantity;

const NONE: &[&str] = &[];
const PID: &[&str] = &["pid"];

pub(super) static CPU_USAGE: Quantity = Quantity {
    name: "cpu_usage_ratio",
    help: "Used share of the CPU time of the host or the cgroup's limit, since the last sample",
    unit: Unit::Ratio,
    counter: false,
    labels: NONE,
};

pub(super) static CPU_LIMIT: Quantity = Quantity {
    name: "cpu_limit_cores",
    help: "Cores at a CPU usage ratio of 1: the cgroup's limit, or the host's CPUs",
    unit: Unit::None,
    counter: false,
    labels: NONE,
};

pub(super) static CPU_THROTTLED: Quantity = Quantity {
    name: "cpu_throttled_seconds",
    help: "Time that tasks waited for the cgroup's CPU quota, summed over CPUs",
    unit: Unit::Seconds,
    counter: true,
    labels: NONE,
};

pub(super) static MEMORY_USED: Quantity = Quantity {
    name: "host_memory_used_bytes",
    help: "Memory in use, without reclaimable memory; of the cgroup if it has a limit",
    unit: Unit::Bytes,
    counter: false,
    labels: NONE,
};

pub(super) static MEMORY_TOTAL: Quantity = Quantity {
    name: "host_memory_total_bytes",
    help: "Total memory: the cgroup's limit, or the host's memory",
    unit: Unit::Bytes,
    counter: false,
    labels: NONE,
};

pub(super) static LOAD1: Quantity = Quantity {
    name: "load1",
    help: "Tasks of the host that ran or waited, on average over a minute",
    unit: Unit::None,
    counter: false,
    labels: NONE,
};

pub(super) static RESIDENT: Quantity = Quantity {
    name: "process_resident_memory_bytes",
    help: "Resident memory of the process",
    unit: Unit::Bytes,
    counter: false,
    labels: PID,
};

pub(super) static CPU_SECONDS: Quantity = Quantity {
    name: "process_cpu_seconds",
    help: "CPU time of the process, user and system",
    unit: Unit::Seconds,
    counter: true,
    labels: PID,
};

pub(super) static THREADS: Quantity = Quantity {
    name: "process_threads",
    help: "Threads of the process",
    unit: Unit::None,
    counter: false,
    labels: PID,
};

pub(super) static OPEN_FDS: Quantity = Quantity {
    name: "process_open_fds",
    help: "Open file descriptors of the process",
    unit: Unit::None,
    counter: false,
    labels: PID,
};

pub(super) static START_TIME: Quantity = Quantity {
    name: "process_start_time_seconds",
    help: "Start of the process, in seconds since 1970",
    unit: Unit::Seconds,
    counter: false,
    labels: PID,
};

/// All quantities, for the reference.
pub(crate) static ALL: [&Quantity; 11] = [
    &CPU_USAGE,
    &CPU_LIMIT,
    &CPU_THROTTLED,
    &MEMORY_USED,
    &MEMORY_TOTAL,
    &LOAD1,
    &RESIDENT,
    &CPU_SECONDS,
    &THREADS,
    &OPEN_FDS,
    &START_TIME,
];
