//! Python bindings of Soundpost: what `soundpost._native` holds.
//!
//! They translate and decide nothing: which outcome, which metric, which bucket is the core's business. The
//! decorators themselves are Python functions (`python/soundpost/_functions.py`), because only a Python function
//! has a kind, a signature and binds as a method; each calls what it wraps between two calls into here.
//!
//! Rules kept throughout: no lock is held while Python runs; code of the host runs in no frame of Rust where a
//! wrapper can call it; what runs in a finalizer takes no Python lock and logs nothing; nothing outlives a call
//! but numbers and strings.

mod audio;
mod block;
mod call;
mod context;
mod fault;
mod file;
mod gpu_use;
mod iteration;
mod later;
mod log;
mod metrics;
mod outcome;
mod plan;
mod program;
mod result;
mod scope;
mod stage;
mod state;
mod telemetry;
mod torch;
mod value;

/// The extension module `soundpost._native`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::audio::Measure;
    #[pymodule_export]
    use crate::block::CallBlock;
    #[pymodule_export]
    use crate::call::{Call, current_call};
    #[pymodule_export]
    use crate::fault::{fault, notices, set_strict};
    #[pymodule_export]
    use crate::gpu_use::GpuUse;
    #[pymodule_export]
    use crate::iteration::{Iteration, Pending};
    #[pymodule_export]
    use crate::log::record;
    #[pymodule_export]
    use crate::metrics::{Around, Counter, Enum, Gauge, Histogram, Info, Metric, Summary};
    #[pymodule_export]
    use crate::plan::Plan;
    #[pymodule_export]
    use crate::program::{program, query};
    #[pymodule_export]
    use crate::result::{Audio, Error, Skip};
    #[pymodule_export]
    use crate::stage::Stage;
    #[pymodule_export]
    use crate::telemetry::{Telemetry, flush, shutdown, start};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        crate::context::prepare(py)?;
        crate::later::types(py)?;
        crate::iteration::partial(py)?;
        crate::torch::modules(py).map(drop)
    }
}
