//! The columns of vitals: the one list from which tables, views, JSON, CSV and sinks' fields follow.

use super::checksum::CHECKSUM;
use super::table::Definition;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleTable {
    Host,
    Process,
    Gpu,
    GpuProcess,
}

impl SampleTable {
    pub(crate) const ALL: [Self; 4] = [Self::Host, Self::Process, Self::Gpu, Self::GpuProcess];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host_samples",
            Self::Process => "process_samples",
            Self::Gpu => "gpu_samples",
            Self::GpuProcess => "gpu_process_samples",
        }
    }

    /// Returns the columns that identify a sample, with their types.
    fn all_keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Host => &[("time", "INTEGER PRIMARY KEY")],
            Self::Process => &[("time", "INTEGER NOT NULL"), ("pid", "INTEGER NOT NULL")],
            Self::Gpu => &[("time", "INTEGER NOT NULL"), ("id", "INTEGER NOT NULL")],
            // Process id 0 stands for all processes outside the service.
            Self::GpuProcess => {
                &[("time", "INTEGER NOT NULL"), ("gpu", "TEXT NOT NULL"), ("pid", "INTEGER NOT NULL")]
            }
        }
    }

    /// Returns the names of the columns with the checksum last.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let values = self.columns().iter().map(|column| column.name);
        ["time"].into_iter().chain(self.keys()).chain(values).chain([CHECKSUM.0]).collect()
    }

    /// Returns the columns that identify the entity.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'static str> {
        self.all_keys().iter().skip(1).map(|(name, _)| *name)
    }

    pub(crate) fn columns(self) -> &'static [SampleColumn] {
        match self {
            Self::Host => HOST,
            Self::Process => PROCESS,
            Self::Gpu => GPU,
            Self::GpuProcess => GPU_PROCESS,
        }
    }

    /// Returns view, entity, columns that identify the entity there, and tables.
    fn view(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Host => ("vitals_host", "host", "", "host_samples"),
            Self::Process => ("vitals_process", "process", "pid, ", "process_samples"),
            Self::Gpu => ("vitals_gpu", "gpu", "gpu, uuid, name, mig, ", "gpu_samples JOIN gpus USING (id)"),
            Self::GpuProcess => ("vitals_gpu_process", "gpu_process", "gpu, pid, ", "gpu_process_samples"),
        }
    }

    pub(super) fn definition(self) -> Definition {
        let keys: Vec<&str> = self.all_keys().iter().map(|(name, _)| *name).collect();
        let end = match self {
            Self::Host => ") STRICT".to_owned(),
            _ => format!(", PRIMARY KEY ({})) STRICT, WITHOUT ROWID", keys.join(", ")),
        };
        let (view, _, entity, from) = self.view();
        let values: Vec<String> = self.columns().iter().map(SampleColumn::expression).collect();
        Definition {
            table: self.name(),
            keys: self.all_keys(),
            columns: self.columns().iter().map(|column| (column.name, "INTEGER")).chain([CHECKSUM]).collect(),
            identifying: keys.len(),
            end,
            view: Some((
                view,
                format!(
                    "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e3, 'unixepoch') AS time, time / 1e3 AS unix, \
                 {entity}{} FROM {from}",
                    values.join(", ")
                ),
            )),
        }
    }
}

/// Returns the statement of the view `vitals`: all samples, with the columns of all views.
pub(super) fn all_vitals() -> String {
    let selects = SampleTable::ALL.map(|table| {
        let (view, entity, keys, _) = table.view();
        let key = |name: &str| if keys.contains(name) { name.to_owned() } else { format!("NULL AS {name}") };
        let values = SampleTable::ALL.into_iter().flat_map(|other| {
            let prefix = if other == table { "" } else { "NULL AS " };
            other.columns().iter().map(move |column| format!("{prefix}{}", column.name))
        });
        let columns: Vec<String> = [key("gpu"), key("pid")].into_iter().chain(values).collect();
        format!("SELECT time, unix, '{entity}' AS entity, {} FROM {view}", columns.join(", "))
    });
    selects.join(" UNION ALL ")
}

/// A column of a table of samples.
#[derive(Debug)]
pub(crate) struct SampleColumn {
    /// Name of the quantity, with the value of its last label in it where that does not identify the entity.
    pub(crate) name: &'static str,
    pub(crate) quantity: &'static str,
    pub(crate) label: Option<&'static str>,
    /// Multiplier that makes the value a short integer.
    scale: f64,
    /// Field of sinks, and the multiplier that gives its unit.
    pub(crate) shipped: Option<(&'static str, f64)>,
}

impl SampleColumn {
    /// Returns the stored form of a value; `None` for a value that is not finite.
    pub(crate) fn stored(&self, value: f64) -> Option<i64> {
        value.is_finite().then(|| (value * self.scale).round() as i64)
    }

    /// Returns the value of a stored form.
    pub(crate) fn value(&self, stored: i64) -> f64 {
        // Divides or multiplies by an integer, which gives the nearest number.
        if self.scale < 1.0 { stored as f64 * (1.0 / self.scale).round() } else { stored as f64 / self.scale }
    }

    fn expression(&self) -> String {
        let name = self.name;
        match self.scale {
            1.0 => name.to_owned(),
            scale if scale < 1.0 => format!("{name} * {:e} AS {name}", (1.0 / scale).round()),
            scale => format!("{name} / {scale:e} AS {name}"),
        }
    }

    const fn labelled(self, quantity: &'static str, label: &'static str) -> Self {
        Self { quantity, label: Some(label), ..self }
    }

    const fn shipped(self, field: &'static str, multiplier: f64) -> Self {
        Self { shipped: Some((field, multiplier)), ..self }
    }
}

const fn whole(name: &'static str) -> SampleColumn {
    scaled(name, 1.0)
}

const fn scaled(name: &'static str, scale: f64) -> SampleColumn {
    SampleColumn { name, quantity: name, label: None, scale, shipped: None }
}

const PERCENT: f64 = 100.0;
const MIB: f64 = 1.0 / (1_u64 << 20) as f64;
const CLOCK: &str = "gpu_clock_hertz";
const PCIE: &str = "gpu_pcie_bytes_per_second";
const THROTTLED: &str = "gpu_throttled";
const THROTTLED_SECONDS: &str = "gpu_throttled_seconds";
const ECC: &str = "gpu_ecc_errors";
const MEMORY_EVENTS: &str = "memory_events";
const WAITING: &str = "pressure_waiting_seconds";
const STALLED: &str = "pressure_stalled_seconds";
const DISK_FREE: &str = "disk_free_bytes";

const HOST: &[SampleColumn] = &[
    scaled("cpu_usage_ratio", 1e4).shipped("cpu_usage_percent", PERCENT),
    scaled("cpu_limit_cores", 1e3),
    scaled("cpu_throttled_seconds", 1e3),
    scaled("cpu_steal_seconds", 1e2),
    whole("host_memory_used_bytes").shipped("memory_used_mb", MIB),
    whole("host_memory_total_bytes"),
    whole("host_swap_used_bytes"),
    whole("memory_events_high").labelled(MEMORY_EVENTS, "high"),
    whole("memory_events_max").labelled(MEMORY_EVENTS, "max"),
    whole("memory_events_oom_kill").labelled(MEMORY_EVENTS, "oom_kill"),
    scaled("cpu_pressure_waiting_seconds", 1e3).labelled(WAITING, "cpu"),
    scaled("memory_pressure_waiting_seconds", 1e3).labelled(WAITING, "memory"),
    scaled("memory_pressure_stalled_seconds", 1e3).labelled(STALLED, "memory"),
    scaled("io_pressure_waiting_seconds", 1e3).labelled(WAITING, "io"),
    scaled("io_pressure_stalled_seconds", 1e3).labelled(STALLED, "io"),
    whole("disk_free_bytes_store").labelled(DISK_FREE, "store"),
    whole("disk_free_bytes_work").labelled(DISK_FREE, "work"),
    whole("disk_free_bytes_shm").labelled(DISK_FREE, "shm"),
    whole("disk_free_bytes_tmp").labelled(DISK_FREE, "tmp"),
    scaled("load1", 1e2),
    whole("requests_in_flight"),
];

const PROCESS: &[SampleColumn] = &[
    whole("process_resident_memory_bytes"),
    whole("process_anonymous_memory_bytes"),
    whole("process_swap_bytes"),
    whole("process_major_page_faults"),
    scaled("process_cpu_seconds", 1e3),
    scaled("process_run_delay_seconds", 1e3),
    whole("process_threads"),
    whole("process_open_fds"),
];

const GPU: &[SampleColumn] = &[
    whole("gpu_memory_used_bytes").shipped("gpu_memory_used_mb", MIB),
    whole("gpu_memory_total_bytes").shipped("gpu_memory_total_mb", MIB),
    scaled("gpu_utilization_ratio", 1e4).shipped("gpu_utilization_percent", PERCENT),
    scaled("gpu_memory_utilization_ratio", 1e4),
    scaled("gpu_temperature_celsius", 1e1).shipped("gpu_temperature_c", 1.0),
    scaled("gpu_power_watts", 1e2).shipped("gpu_power_watts", 1.0),
    scaled("gpu_power_limit_watts", 1e2),
    scaled("gpu_fan_ratio", 1e2),
    scaled("gpu_clock_graphics_hertz", 1e-6).labelled(CLOCK, "graphics"),
    scaled("gpu_clock_sm_hertz", 1e-6).labelled(CLOCK, "sm"),
    scaled("gpu_clock_memory_hertz", 1e-6).labelled(CLOCK, "memory"),
    scaled("gpu_clock_video_hertz", 1e-6).labelled(CLOCK, "video"),
    scaled("gpu_pcie_send_bytes_per_second", 1e-3).labelled(PCIE, "send"),
    scaled("gpu_pcie_receive_bytes_per_second", 1e-3).labelled(PCIE, "receive"),
    whole("gpu_throttled_power_cap").labelled(THROTTLED, "power_cap"),
    whole("gpu_throttled_hardware_slowdown").labelled(THROTTLED, "hardware_slowdown"),
    whole("gpu_throttled_sync_boost").labelled(THROTTLED, "sync_boost"),
    whole("gpu_throttled_thermal").labelled(THROTTLED, "thermal"),
    whole("gpu_throttled_hardware_thermal").labelled(THROTTLED, "hardware_thermal"),
    whole("gpu_throttled_power_brake").labelled(THROTTLED, "power_brake"),
    scaled("gpu_throttled_seconds_power", 1e3).labelled(THROTTLED_SECONDS, "power"),
    scaled("gpu_throttled_seconds_thermal", 1e3).labelled(THROTTLED_SECONDS, "thermal"),
    scaled("gpu_throttled_seconds_sync_boost", 1e3).labelled(THROTTLED_SECONDS, "sync_boost"),
    scaled("gpu_throttled_seconds_board_limit", 1e3).labelled(THROTTLED_SECONDS, "board_limit"),
    scaled("gpu_throttled_seconds_reliability", 1e3).labelled(THROTTLED_SECONDS, "reliability"),
    whole("gpu_energy_joules"),
    whole("gpu_ecc_errors_corrected").labelled(ECC, "corrected"),
    whole("gpu_ecc_errors_uncorrected").labelled(ECC, "uncorrected"),
    whole("gpu_xid_errors"),
    whole("gpu_last_xid"),
];

const GPU_PROCESS: &[SampleColumn] =
    &[whole("gpu_process_memory_bytes"), scaled("gpu_process_utilization_ratio", 1e4)];
