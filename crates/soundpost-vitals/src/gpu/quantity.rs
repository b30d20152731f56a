//! The quantities of GPUs.

use soundpost_core::Unit;
use soundpost_core::history::{GPU_MEMORY, GPU_PROCESS_MEMORY, GPU_UTILIZATION, GPU_VISIBLE};

use crate::reading::Quantity;

const DEVICE: &[&str] = &["gpu", "uuid", "name", "mig"];

pub(super) static MEMORY_USED: Quantity =
    Quantity::gauge(GPU_MEMORY, Unit::Bytes, DEVICE, "GPU memory in use by all processes, in bytes");
pub(super) static MEMORY_TOTAL: Quantity =
    Quantity::gauge("gpu_memory_total_bytes", Unit::Bytes, DEVICE, "Total GPU memory, in bytes");
pub(super) static UTILIZATION: Quantity = Quantity::gauge(
    GPU_UTILIZATION,
    Unit::Ratio,
    DEVICE,
    "Share of the driver's last sample period (1/6 s to 1 s) in which a kernel ran",
);
pub(super) static MEMORY_UTILIZATION: Quantity = Quantity::gauge(
    "gpu_memory_utilization_ratio",
    Unit::Ratio,
    DEVICE,
    "Share of the driver's last sample period in which GPU memory was read or written",
);
pub(super) static TEMPERATURE: Quantity =
    Quantity::gauge("gpu_temperature_celsius", Unit::Celsius, DEVICE, "Temperature of the GPU's die");
pub(super) static POWER: Quantity =
    Quantity::gauge("gpu_power_watts", Unit::Watts, DEVICE, "Power that the GPU draws");
pub(super) static POWER_LIMIT: Quantity = Quantity::gauge(
    "gpu_power_limit_watts",
    Unit::Watts,
    DEVICE,
    "Power above which the driver slows the GPU down",
);
pub(super) static FAN: Quantity = Quantity::gauge(
    "gpu_fan_ratio",
    Unit::Ratio,
    DEVICE,
    "Requested speed of the fastest fan, relative to its maximum; briefly above 1 at times",
);
pub(super) static CLOCK: Quantity = Quantity::gauge(
    "gpu_clock_hertz",
    Unit::Hertz,
    &["gpu", "uuid", "name", "mig", "clock"],
    "Clock of a part of the GPU: graphics, sm, memory, video",
);
pub(super) static PCIE: Quantity = Quantity::gauge(
    "gpu_pcie_bytes_per_second",
    Unit::None,
    &["gpu", "uuid", "name", "mig", "direction"],
    "Bytes a second over PCIe within 20 ms, from the GPU: send, receive",
);
pub(super) static THROTTLED: Quantity = Quantity::gauge(
    "gpu_throttled",
    Unit::None,
    &["gpu", "uuid", "name", "mig", "reason"],
    "1 while the GPU is slowed down for this reason",
);
pub(super) static THROTTLED_SECONDS: Quantity = Quantity::counter(
    "gpu_throttled_seconds",
    Unit::Seconds,
    &["gpu", "uuid", "name", "reason"],
    "Time for which the GPU ran below the requested clocks: power, thermal, sync_boost, board_limit, reliability",
);
pub(super) static ENERGY: Quantity = Quantity::counter(
    "gpu_energy_joules",
    Unit::Joules,
    &["gpu", "uuid", "name"],
    "Energy the GPU used since the driver was loaded",
);
pub(super) static ECC_ERRORS: Quantity = Quantity::counter(
    "gpu_ecc_errors",
    Unit::None,
    &["gpu", "uuid", "name", "kind"],
    "Memory errors since the driver was loaded: corrected, uncorrected",
);
pub(super) static XID_ERRORS: Quantity = Quantity::counter(
    "gpu_xid_errors",
    Unit::None,
    &["gpu", "uuid", "name"],
    "XID errors that the driver reported since sampling began",
);
pub(super) static LAST_XID: Quantity = Quantity::gauge(
    "gpu_last_xid",
    Unit::None,
    &["gpu", "uuid", "name"],
    "Number of the last XID error since sampling began, as in NVIDIA's table of XID errors",
);
pub(super) static PROCESS_UTILIZATION: Quantity = Quantity::gauge(
    "gpu_process_utilization_ratio",
    Unit::Ratio,
    &["gpu", "pid"],
    "Share of time in which kernels of a process of the service ran; pid \"other\": all other processes together",
);
pub(super) static PROCESS_MEMORY: Quantity = Quantity::gauge(
    GPU_PROCESS_MEMORY,
    Unit::Bytes,
    &["gpu", "pid"],
    "GPU memory of a process of the service; pid \"other\": all other processes together",
);
/// Only in the history.
pub(super) static VISIBLE: Quantity = Quantity::gauge(
    GPU_VISIBLE,
    Unit::None,
    &["gpu", "mig", "pid"],
    "1 for a device that a process of the service sees, where not all see all",
);

/// All quantities, for the reference.
#[rustfmt::skip]
pub(crate) static ALL: [&Quantity; 18] = [
    &MEMORY_USED, &MEMORY_TOTAL, &UTILIZATION, &MEMORY_UTILIZATION, &TEMPERATURE, &POWER, &POWER_LIMIT, &FAN,
    &CLOCK, &PCIE, &THROTTLED, &THROTTLED_SECONDS, &ENERGY, &ECC_ERRORS, &XID_ERRORS, &LAST_XID, &PROCESS_MEMORY,
    &PROCESS_UTILIZATION,
];
