//! Which column holds which quantity, and by how much it is scaled to be a short whole number.

/// A table of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Host,
    Process,
    Gpu,
    GpuProcess,
}

impl Table {
    pub(super) const ALL: [Self; 4] = [Self::Host, Self::Process, Self::Gpu, Self::GpuProcess];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Host => "host_samples",
            Self::Process => "process_samples",
            Self::Gpu => "gpu_samples",
            Self::GpuProcess => "gpu_process_samples",
        }
    }

    /// What says, beside the time, whose sample it is.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[],
            Self::Process => &["pid"],
            Self::Gpu => &["id"],
            Self::GpuProcess => &["gpu", "pid"],
        }
    }

    /// Its columns of values.
    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Host => &HOST,
            Self::Process => &PROCESS,
            Self::Gpu => &GPU,
            Self::GpuProcess => &GPU_PROCESS,
        }
    }
}

/// A column of a table of samples.
#[derive(Debug)]
pub(super) struct Column {
    /// Its name, which is the quantity's with the label value in it.
    pub(super) name: &'static str,
    /// The name of the quantity.
    pub(super) quantity: &'static str,
    /// The value of the quantity's last label, where that is not of the entity.
    pub(super) label: Option<&'static str>,
    /// What is stored is the value times this, as a whole number.
    scale: f64,
}

impl Column {
    /// What is stored for a value; nothing for one that is no number.
    pub(super) fn stored(&self, value: f64) -> Option<i64> {
        value.is_finite().then(|| (value * self.scale).round() as i64)
    }

    /// The value of what is stored.
    pub(super) fn value(&self, stored: i64) -> f64 {
        // Divides or multiplies by a whole number, so that the result is the nearest there is.
        if self.scale < 1.0 { stored as f64 * (1.0 / self.scale).round() } else { stored as f64 / self.scale }
    }
}

const fn whole(name: &'static str) -> Column {
    scaled(name, 1.0)
}

const fn scaled(name: &'static str, scale: f64) -> Column {
    Column { name, quantity: name, label: None, scale }
}

const fn labelled(name: &'static str, quantity: &'static str, label: &'static str, scale: f64) -> Column {
    Column { name, quantity, label: Some(label), scale }
}

const HOST: [Column; 7] = [
    scaled("cpu_usage_ratio", 1e4),
    scaled("cpu_limit_cores", 1e3),
    scaled("cpu_throttled_seconds", 1e3),
    whole("host_memory_used_bytes"),
    whole("host_memory_total_bytes"),
    scaled("load1", 1e2),
    whole("requests_in_flight"),
];

const PROCESS: [Column; 4] = [
    whole("process_resident_memory_bytes"),
    scaled("process_cpu_seconds", 1e3),
    whole("process_threads"),
    whole("process_open_fds"),
];

const CLOCK: &str = "gpu_clock_hertz";
const PCIE: &str = "gpu_pcie_bytes_per_second";
const THROTTLED: &str = "gpu_throttled";
const ECC: &str = "gpu_ecc_errors";

const GPU: [Column; 24] = [
    whole("gpu_memory_used_bytes"),
    whole("gpu_memory_total_bytes"),
    scaled("gpu_utilization_ratio", 1e4),
    scaled("gpu_memory_utilization_ratio", 1e4),
    scaled("gpu_temperature_celsius", 1e1),
    scaled("gpu_power_watts", 1e2),
    scaled("gpu_power_limit_watts", 1e2),
    scaled("gpu_fan_ratio", 1e2),
    labelled("gpu_clock_graphics_hertz", CLOCK, "graphics", 1e-6),
    labelled("gpu_clock_sm_hertz", CLOCK, "sm", 1e-6),
    labelled("gpu_clock_memory_hertz", CLOCK, "memory", 1e-6),
    labelled("gpu_clock_video_hertz", CLOCK, "video", 1e-6),
    labelled("gpu_pcie_send_bytes_per_second", PCIE, "send", 1e-3),
    labelled("gpu_pcie_receive_bytes_per_second", PCIE, "receive", 1e-3),
    labelled("gpu_throttled_power_cap", THROTTLED, "power_cap", 1.0),
    labelled("gpu_throttled_hardware_slowdown", THROTTLED, "hardware_slowdown", 1.0),
    labelled("gpu_throttled_sync_boost", THROTTLED, "sync_boost", 1.0),
    labelled("gpu_throttled_thermal", THROTTLED, "thermal", 1.0),
    labelled("gpu_throttled_hardware_thermal", THROTTLED, "hardware_thermal", 1.0),
    labelled("gpu_throttled_power_brake", THROTTLED, "power_brake", 1.0),
    whole("gpu_energy_joules"),
    labelled("gpu_ecc_errors_corrected", ECC, "corrected", 1.0),
    labelled("gpu_ecc_errors_uncorrected", ECC, "uncorrected", 1.0),
    whole("gpu_xid_errors"),
];

const GPU_PROCESS: [Column; 1] = [whole("gpu_process_memory_bytes")];
