//! The quantities of GPUs.

use soundpost_core::Unit;
use soundpost_core::history::{GPU_MEMORY, GPU_PROCESS_MEMORY, GPU_UTILIZATION, GPU_VISIBLE};

use crate::reading::Quantity;

const DEVICE: &[&str] = &["gpu", "uuid", "name", "mig"];

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Quantity {
    Quantity { name, help, unit, counter: false, labels: DEVICE }
}

pub(super) static MEMORY_USED: Quantity =
    gauge(GPU_MEMORY, Unit::Bytes, "GPU memory in use by all processes, in bytes");

pub(super) static MEMORY_TOTAL: Quantity =
    gauge("gpu_memory_total_bytes", Unit::Bytes, "Total GPU memory, in bytes");

pub(super) static UTILIZATION: Quantity = gauge(
    GPU_UTILIZATION,
    Unit::Ratio,
    "Share of the driver's last sample period (1/6 s to 1 s) in which a kernel ran",
);

pub(super) static MEMORY_UTILIZATION: Quantity = gauge(
    "gpu_memory_utilization_ratio",
    Unit::Ratio,
    "Share of the driver's last sample period in which GPU memory was read or written",
);

pub(super) static TEMPERATURE: Quantity =
    gauge("gpu_temperature_celsius", Unit::Celsius, "Temperature of the GPU's die");

pub(super) static POWER: Quantity = gauge("gpu_power_watts", Unit::Watts, "Power that the GPU draws");

pub(super) static POWER_LIMIT: Quantity =
    gauge("gpu_power_limit_watts", Unit::Watts, "Power above which the driver slows the GPU down");

pub(super) static FAN: Quantity = gauge(
    "gpu_fan_ratio",
    Unit::Ratio,
    "Requested speed of the fastest fan, relative to its maximum; briefly above 1 at times",
);

pub(super) static CLOCK: Quantity = Quantity {
    name: "gpu_clock_hertz",
    help: "Clock of a part of the GPU: graphics, sm, memory, video",
    unit: Unit::Hertz,
    counter: false,
    labels: &["gpu", "uuid", "name", "mig", "clock"],
};

pub(super) static PCIE: Quantity = Quantity {
    name: "gpu_pcie_bytes_per_second",
    help: "Bytes a second over PCIe within 20 ms, from the GPU: send, receive",
    unit: Unit::None,
    counter: false,
    labels: &["gpu", "uuid", "name", "mig", "direction"],
};

pub(super) static THROTTLED: Quantity = Quantity {
    name: "gpu_throttled",
    help: "1 while the GPU is slowed down for this reason",
    unit: Unit::None,
    counter: false,
    labels: &["gpu", "uuid", "name", "mig", "reason"],
};

pub(super) static ENERGY: Quantity = Quantity {
    name: "gpu_energy_joules",
    help: "Energy the GPU used since the driver was loaded",
    unit: Unit::Joules,
    counter: true,
    labels: &["gpu", "uuid", "name"],
};

pub(super) static ECC_ERRORS: Quantity = Quantity {
    name: "gpu_ecc_errors",
    help: "Memory errors since the driver was loaded: corrected, uncorrected",
    unit: Unit::None,
    counter: true,
    labels: &["gpu", "uuid", "name", "kind"],
};

pub(super) static XID_ERRORS: Quantity = Quantity {
    name: "gpu_xid_errors",
    help: "XID errors that the driver reported since sampling began",
    unit: Unit::None,
    counter: true,
    labels: &["gpu", "uuid", "name"],
};

pub(super) static PROCESS_MEMORY: Quantity = Quantity {
    name: GPU_PROCESS_MEMORY,
    help: "GPU memory of a process of the service; pid \"other\": all other processes together",
    unit: Unit::Bytes,
    counter: false,
    labels: &["gpu", "pid"],
};

/// Only in the history.
pub(super) static VISIBLE: Quantity = Quantity {
    name: GPU_VISIBLE,
    help: "1 for a device that a process of the service sees, where not all see all",
    unit: Unit::None,
    counter: false,
    labels: &["gpu", "mig", "pid"],
};

/// All quantities, for the reference.
pub(crate) static ALL: [&Quantity; 15] = [
    &MEMORY_USED,
    &MEMORY_TOTAL,
    &UTILIZATION,
    &MEMORY_UTILIZATION,
    &TEMPERATURE,
    &POWER,
    &POWER_LIMIT,
    &FAN,
    &CLOCK,
    &PCIE,
    &THROTTLED,
    &ENERGY,
    &ECC_ERRORS,
    &XID_ERRORS,
    &PROCESS_MEMORY,
];
