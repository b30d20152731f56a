//! Samples of host, processes and GPUs: one for each thing and moment.

use super::column::Table;

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
    /// Returns the name of the column for a quantity and the value of its last label; `None` if it is not stored.
    pub fn column(&self, quantity: &str, label: Option<&str>) -> Option<&'static str> {
        let columns = self.table().columns().iter();
        let mut columns = columns.filter(|column| column.quantity == quantity);
        Some(columns.find(|column| column.label.is_none() || column.label == label)?.name)
    }

    pub(super) fn table(&self) -> Table {
        match self {
            Self::Host => Table::Host,
            Self::Process { .. } => Table::Process,
            Self::Gpu(_) => Table::Gpu,
            Self::GpuProcess { .. } => Table::GpuProcess,
        }
    }
}
