//! Calls, their stages, and the recorders behind decorated functions.

mod active;
mod awaitable;
mod block;
mod call;
mod context;
mod coroutine;
mod deferred;
mod frame;
mod generator;
mod gpu_use;
mod known_texts;
mod nesting;
mod operation;
mod output;
mod recorder;
mod request;
mod warmup;

pub(crate) use block::CallBlock;
pub(crate) use call::{Call, Stage, current, current_call};
pub(crate) use context::call_variable;
pub(crate) use coroutine::CoroutineRecorder;
pub(crate) use generator::GeneratorRecorder;
pub(crate) use gpu_use::GpuUse;
pub(crate) use known_texts::known_texts;
pub(crate) use recorder::Recorder;
pub(crate) use request::{Request, current as current_request, request_variable};
pub(crate) use warmup::Warmup;

use pyo3::prelude::*;

/// Creates the Python objects that recording needs, at import.
///
/// A child forked while another thread creates one of them would wait for that thread for ever.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    context::prepare(py)?;
    deferred::prepare(py)?;
    request::prepare(py)?;
    warmup::prepare(py)?;
    generator::prepare(py)
}
