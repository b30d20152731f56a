//! Samples of host, processes and GPUs: one for each entity and time.

use crate::schema::{SampleColumn, SampleTable};

/// Entity that a sample describes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    /// The host, or the control group that limits the service.
    Host,
    /// A process of the service.
    Process {
        /// Process id; 0 for the only process, whose id the readings do not have.
        pid: u32,
    },
    /// A GPU or a MIG device.
    Gpu(GpuName),
    /// GPU memory of a process.
    GpuProcess {
        /// Index of the GPU.
        gpu: String,
        /// Process id; `None` for all processes outside the service together.
        pid: Option<u32>,
    },
}

/// Labels of a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GpuName {
    /// NVML's index.
    pub gpu: String,
    /// NVML's unique id.
    pub uuid: String,
    /// Model.
    pub name: String,
    /// Index of the MIG device; empty for a whole GPU.
    pub mig: String,
}

impl Entity {
    /// Returns the name of the column for a quantity and the value of its last label; `None` if it is not stored.
    pub fn column(&self, quantity: &str, label: Option<&str>) -> Option<&'static str> {
        let mut columns = self.table().columns().iter().filter(|column| column.quantity == quantity);
        Some(columns.find(|column| column.label.is_none() || column.label == label)?.name)
    }

    pub(crate) fn table(&self) -> SampleTable {
        match self {
            Self::Host => SampleTable::Host,
            Self::Process { .. } => SampleTable::Process,
            Self::Gpu(_) => SampleTable::Gpu,
            Self::GpuProcess { .. } => SampleTable::GpuProcess,
        }
    }
}

/// Returns the names of the columns of vitals, in the order of the view `vitals`.
pub fn vitals_columns() -> impl Iterator<Item = &'static str> {
    SampleTable::ALL.into_iter().flat_map(|table| table.columns()).map(|column| column.name)
}

/// Values of one entity at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct VitalsSample {
    /// Time, nanoseconds since 1970; stored in milliseconds.
    pub unix_nanos: u64,
    /// Entity that the values describe.
    pub entity: Entity,
    /// Values in the quantity's unit, by column (see [`Entity::column`]). A value without a column is not stored.
    pub values: Vec<(&'static str, f64)>,
}

impl VitalsSample {
    /// Returns the value of a column.
    pub fn value(&self, column: &str) -> Option<f64> {
        self.values.iter().find(|(name, _)| *name == column).map(|(_, value)| *value)
    }

    /// Returns the fields that sinks ship: names that state a unit, and values in it.
    pub fn shipped(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let shipped = |column: &SampleColumn| {
            let (field, multiplier) = column.shipped?;
            Some((field, self.value(column.name)? * multiplier))
        };
        self.entity.table().columns().iter().filter_map(shipped)
    }

    /// Estimates the memory of the sample, bytes.
    pub(crate) fn weight(&self) -> usize {
        let texts = match &self.entity {
            Entity::Host | Entity::Process { .. } => 0,
            Entity::Gpu(name) => name.gpu.len() + name.uuid.len() + name.name.len() + name.mig.len(),
            Entity::GpuProcess { gpu, .. } => gpu.len(),
        };
        size_of::<Self>() + texts + self.values.capacity() * size_of::<(&str, f64)>()
    }
}
