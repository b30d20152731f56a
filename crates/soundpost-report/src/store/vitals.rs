//! Samples of host, processes and GPUs: one for each thing and moment.

use soundpost_vitals::{Reading, Readings};

use super::column::{Column, Table};

/// What a sample is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    /// The host, or the control group it is limited by.
    Host,
    /// A process of the service.
    Process {
        /// Its id; 0: the only one there is, whose id is not in the readings.
        pid: u32,
    },
    /// A GPU, or a part of one.
    Gpu(GpuName),
    /// What a process has on a GPU.
    GpuProcess {
        /// The GPU's index.
        gpu: String,
        /// The process's id; `None`: all processes together that are not of the service.
        pid: Option<u32>,
    },
}

/// The labels of a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GpuName {
    /// NVML's index.
    pub gpu: String,
    /// NVML's unique id.
    pub uuid: String,
    /// The model.
    pub name: String,
    /// The index of the MIG device; empty for a whole GPU.
    pub mig: String,
}

/// What was read of one thing at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct VitalsSample {
    /// When, since 1970, nanoseconds; milliseconds are kept.
    pub unix_nanos: u64,
    /// Of what.
    pub entity: Entity,
    /// Values in the quantity's unit by the name of their column: the quantity's, with the value of its own
    /// label in it (`gpu_clock_sm_hertz`). What has no column is not stored.
    pub values: Vec<(&'static str, f64)>,
}

impl VitalsSample {
    /// The samples of what a source read, in the order in which their entities were met.
    pub fn of(unix_nanos: u64, readings: &Readings) -> Vec<Self> {
        let mut samples: Vec<Self> = Vec::new();
        for reading in &readings.readings {
            let Some((entity, column)) = place(reading) else { continue };
            let value = (column.name, reading.value);
            match samples.iter_mut().rev().find(|sample| sample.entity == entity) {
                Some(sample) => sample.values.push(value),
                None => samples.push(Self { unix_nanos, entity, values: vec![value] }),
            }
        }
        samples
    }

    /// Bytes it takes in memory, about.
    pub(super) fn weight(&self) -> usize {
        let texts = match &self.entity {
            Entity::Host | Entity::Process { .. } => 0,
            Entity::Gpu(name) => name.gpu.len() + name.uuid.len() + name.name.len() + name.mig.len(),
            Entity::GpuProcess { gpu, .. } => gpu.len(),
        };
        size_of::<Self>() + texts + self.values.capacity() * size_of::<(&str, f64)>()
    }
}

impl Entity {
    pub(super) fn table(&self) -> Table {
        match self {
            Self::Host => Table::Host,
            Self::Process { .. } => Table::Process,
            Self::Gpu(_) => Table::Gpu,
            Self::GpuProcess { .. } => Table::GpuProcess,
        }
    }
}

/// Whose reading it is, and the column for it; `None` if there is none.
fn place(reading: &Reading) -> Option<(Entity, &'static Column)> {
    let label = |name: &str| {
        let position = reading.quantity.labels.iter().position(|label| *label == name)?;
        reading.labels.get(position).map(String::as_str)
    };
    let text = |name: &str| label(name).unwrap_or_default().to_owned();
    let entity = match (label("gpu"), label("pid")) {
        (None, None) => Entity::Host,
        (None, Some("")) => Entity::Process { pid: 0 },
        (None, Some(pid)) => Entity::Process { pid: pid.parse().ok()? },
        (Some(_), None) => Entity::Gpu(GpuName {
            gpu: text("gpu"),
            uuid: text("uuid"),
            name: text("name"),
            mig: text("mig"),
        }),
        (Some(gpu), Some(pid)) => Entity::GpuProcess { gpu: gpu.to_owned(), pid: pid.parse().ok() },
    };
    let last = reading.labels.last().map(String::as_str);
    let column = entity.table().columns().iter().find(|column| {
        column.quantity == reading.quantity.name && (column.label.is_none() || column.label == last)
    })?;
    Some((entity, column))
}
