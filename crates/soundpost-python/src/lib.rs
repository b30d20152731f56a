//! Python bindings of Soundpost: the module `soundpost._native`.
//!
//! The bindings translate and decide nothing: outcomes, metrics and buckets are the core's business. The decorators
//! are Python functions (`python/soundpost/_functions.py`), because only a Python function has a kind, a signature
//! and binds as a method. Each calls the wrapped function between two calls into this crate.
//!
//! Four rules hold throughout. No lock is held while Python runs. The host's code runs in no frame of Rust where a
//! wrapper can call it. A finalizer takes no Python lock and logs nothing. Only numbers and strings outlive a call.

mod cell;
mod exception;
mod fault;
mod import;
mod loading;
mod log;
mod measure;
mod metrics;
mod program;
mod read;
mod recording;
mod settings;
mod sinks;
mod state;
mod telemetry;
mod torch;
mod value;

/// The extension module `soundpost._native`.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::fault::{fault, notices, set_strict};
    #[pymodule_export]
    use crate::loading::Loading;
    #[pymodule_export]
    use crate::log::{is_text_name, record};
    #[pymodule_export]
    use crate::measure::{Audio, Error, Measure, Skip, Video};
    #[pymodule_export]
    use crate::metrics::{Counter, Enum, Gauge, Histogram, Info, Metric, MetricContext, Summary};
    #[pymodule_export]
    use crate::program::program;
    #[pymodule_export]
    use crate::read::{erase, read_calls, read_logs};
    #[pymodule_export]
    use crate::recording::{
        Call, CallBlock, CoroutineRecorder, GeneratorRecorder, GpuUse, Recorder, Request, Stage, Warmup,
        call_variable, current_call, request_variable,
    };
    #[pymodule_export]
    use crate::settings::Settings;
    #[pymodule_export]
    use crate::sinks::sink_kinds;
    #[pymodule_export]
    use crate::telemetry::{Telemetry, end_process, flush, publish_hook, set_ready, shutdown, start};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::import::refuse_subinterpreter()?;
        crate::import::prepare(module.py())?;
        crate::recording::prepare(module.py())
    }
}
