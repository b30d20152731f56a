//! The quantities of host and processes.

use soundpost_core::Unit;

use crate::reading::Quantity;

const NONE: &[&str] = &[];
const PID: &[&str] = &["pid"];
const RESOURCE: &[&str] = &["resource"];
const PLACE: &[&str] = &["place"];

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

pub(super) static CPU_STEAL: Quantity = Quantity::counter(
    "cpu_steal_seconds",
    Unit::Seconds,
    NONE,
    "Time that the hypervisor gave to other machines while this one had work, summed over CPUs",
);
pub(super) static SWAP_USED: Quantity =
    Quantity::gauge("host_swap_used_bytes", Unit::Bytes, NONE, "Used swap space of the host");
pub(super) static PRESSURE_WAITING: Quantity = Quantity::counter(
    "pressure_waiting_seconds",
    Unit::Seconds,
    RESOURCE,
    "Time in which a task waited for the resource (cpu, memory, io); of the cgroup, or of the host",
);
pub(super) static PRESSURE_STALLED: Quantity = Quantity::counter(
    "pressure_stalled_seconds",
    Unit::Seconds,
    RESOURCE,
    "Time in which all tasks waited for the resource (memory, io); of the cgroup, or of the host",
);
pub(super) static MEMORY_EVENTS: Quantity = Quantity::counter(
    "memory_events",
    Unit::None,
    &["event"],
    "Events of the cgroup's memory limit: high (throttled), max (reached), oom_kill (a process was killed)",
);
pub(super) static DISK_FREE: Quantity = Quantity::gauge(
    "disk_free_bytes",
    Unit::Bytes,
    PLACE,
    "Free space for this user where the store, the working directory, /dev/shm and /tmp are",
);
pub(super) static DISK_TOTAL: Quantity =
    Quantity::gauge("disk_total_bytes", Unit::Bytes, PLACE, "Size of the file system of the place");
pub(super) static DISK_FREE_FILES: Quantity = Quantity::gauge(
    "disk_free_files",
    Unit::None,
    PLACE,
    "Number of files that can still be created in the file system of the place",
);
pub(super) static ANONYMOUS: Quantity = Quantity::gauge(
    "process_anonymous_memory_bytes",
    Unit::Bytes,
    PID,
    "Resident memory of the process without that of files and shared memory",
);
pub(super) static SWAPPED: Quantity =
    Quantity::gauge("process_swap_bytes", Unit::Bytes, PID, "Memory of the process in swap space");
pub(super) static MAJOR_FAULTS: Quantity = Quantity::counter(
    "process_major_page_faults",
    Unit::None,
    PID,
    "Page faults of the process that read from disk",
);
pub(super) static RUN_DELAY: Quantity = Quantity::counter(
    "process_run_delay_seconds",
    Unit::Seconds,
    PID,
    "Time in which threads of the process were ready to run and waited for a CPU, summed over threads",
);

/// All quantities, for the reference.
#[rustfmt::skip]
pub(crate) static ALL: [&Quantity; 23] = [
    &CPU_USAGE, &CPU_LIMIT, &CPU_THROTTLED, &CPU_STEAL, &MEMORY_USED, &MEMORY_TOTAL, &SWAP_USED, &MEMORY_EVENTS,
    &PRESSURE_WAITING, &PRESSURE_STALLED, &LOAD1, &DISK_FREE, &DISK_TOTAL, &DISK_FREE_FILES, &RESIDENT, &ANONYMOUS,
    &SWAPPED, &MAJOR_FAULTS, &CPU_SECONDS, &RUN_DELAY, &THREADS, &OPEN_FDS, &START_TIME,
];
