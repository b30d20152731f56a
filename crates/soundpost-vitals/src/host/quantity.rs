//! The quantities of host and processes.

use soundpost_core::Unit;

use crate::reading::Quantity;

const NONE: &[&str] = &[];
const PID: &[&str] = &["pid"];

pub(super) static CPU_USAGE: Quantity = Quantity::gauge(
    "cpu_usage_ratio",
    Unit::Ratio,
    NONE,
    "Used share of the CPU time of the host or the cgroup's limit, since the last sample",
);
pub(super) static CPU_LIMIT: Quantity = Quantity::gauge(
    "cpu_limit_cores",
    Unit::None,
    NONE,
    "Cores at a CPU usage ratio of 1: the cgroup's limit, or the host's CPUs",
);
pub(super) static CPU_THROTTLED: Quantity = Quantity::counter(
    "cpu_throttled_seconds",
    Unit::Seconds,
    NONE,
    "Time that tasks waited for the cgroup's CPU quota, summed over CPUs",
);
pub(super) static MEMORY_USED: Quantity = Quantity::gauge(
    "host_memory_used_bytes",
    Unit::Bytes,
    NONE,
    "Memory in use, without reclaimable memory; of the cgroup if it has a limit",
);
pub(super) static MEMORY_TOTAL: Quantity = Quantity::gauge(
    "host_memory_total_bytes",
    Unit::Bytes,
    NONE,
    "Total memory: the cgroup's limit, or the host's memory",
);
pub(super) static LOAD1: Quantity = Quantity::gauge(
    "load1",
    Unit::None,
    NONE,
    "Tasks of the host that ran or waited, on average over a minute",
);
pub(super) static RESIDENT: Quantity =
    Quantity::gauge("process_resident_memory_bytes", Unit::Bytes, PID, "Resident memory of the process");
pub(super) static CPU_SECONDS: Quantity =
    Quantity::counter("process_cpu_seconds", Unit::Seconds, PID, "CPU time of the process, user and system");
pub(super) static THREADS: Quantity =
    Quantity::gauge("process_threads", Unit::None, PID, "Threads of the process");
pub(super) static OPEN_FDS: Quantity =
    Quantity::gauge("process_open_fds", Unit::None, PID, "Open file descriptors of the process");
pub(super) static START_TIME: Quantity = Quantity::gauge(
    "process_start_time_seconds",
    Unit::Seconds,
    PID,
    "Start of the process, in seconds since 1970",
);

/// All quantities, for the reference.
#[rustfmt::skip]
pub(crate) static ALL: [&Quantity; 11] = [
    &CPU_USAGE, &CPU_LIMIT, &CPU_THROTTLED, &MEMORY_USED, &MEMORY_TOTAL, &LOAD1, &RESIDENT, &CPU_SECONDS,
    &THREADS, &OPEN_FDS, &START_TIME,
];
