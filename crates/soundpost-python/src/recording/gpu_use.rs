//! GPU memory around a call, as Python sees it.

use pyo3::prelude::*;

/// GPU memory around a call in bytes, from samples. The object does not change.
#[pyclass(frozen, eq, get_all, module = "soundpost")]
#[derive(PartialEq)]
pub(crate) struct GpuUse {
    /// Memory in the last sample before the call.
    memory_before: u64,
    /// Highest memory in the samples from the start of the call to its end, or to now.
    memory_peak: u64,
    /// Memory after the call, or now, minus `memory_before`.
    memory_delta: i64,
    /// Mean utilization during the call, 0 to 1; None if it was not sampled.
    utilization_mean: Option<f64>,
    /// Whether another call ran at the same time; the figures are the sum over all of them.
    shared: bool,
    /// Whether the memory is that of the call's process only, not of all processes on the device.
    of_process: bool,
}

impl From<soundpost::GpuUse> for GpuUse {
    fn from(used: soundpost::GpuUse) -> Self {
        let soundpost::GpuUse {
            memory_before,
            memory_peak,
            memory_delta,
            utilization_mean,
            shared,
            of_process,
        } = used;
        Self { memory_before, memory_peak, memory_delta, utilization_mean, shared, of_process }
    }
}

#[pymethods]
impl GpuUse {
    fn __repr__(&self) -> String {
        let truth = |value: bool| if value { "True" } else { "False" };
        format!(
            "GpuUse(memory_before={}, memory_peak={}, memory_delta={}, utilization_mean={}, shared={}, of_process={})",
            self.memory_before,
            self.memory_peak,
            self.memory_delta,
            self.utilization_mean.map_or_else(|| "None".to_owned(), |mean| format!("{mean:?}")),
            truth(self.shared),
            truth(self.of_process),
        )
    }
}
