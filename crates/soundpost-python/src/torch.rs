//! Reads PyTorch's allocator, where the host has PyTorch and has begun to use CUDA.
//!
//! It never imports torch, starts CUDA, waits for a device, resets a statistic, or holds on to a tensor: what it
//! keeps are functions of the module.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use soundpost::torch::{Allocator, Devices, Memory, Reading};

use crate::call::Own;
use crate::fault::{self, Part};
use crate::state;

/// What is asked; `None` of a PyTorch that was built without CUDA.
static FUNCTIONS: PyOnceLock<Option<Functions>> = PyOnceLock::new();
/// Whether it could not be read, as with an allocator of the host's own, and is left alone.
static BROKEN: AtomicBool = AtomicBool::new(false);

struct Functions {
    is_initialized: Py<PyAny>,
    device_count: Py<PyAny>,
    properties: Py<PyAny>,
    statistics: Py<PyAny>,
    count: OnceLock<u32>,
}

/// Reads at the start of a call.
///
/// # Errors
/// With what the host must see: an interrupt, or a fault under `SOUNDPOST_STRICT`.
#[inline]
pub(crate) fn started(py: Python<'_>, own: &Own) -> PyResult<()> {
    match functions(py)? {
        None => Ok(()),
        Some(functions) => guarded(py, || functions.started(py, own)),
    }
}

/// Reads at the end of a call, before it is ended.
///
/// # Errors
/// As [`started`].
#[inline]
pub(crate) fn ended(py: Python<'_>, own: &Own) -> PyResult<()> {
    match functions(py)? {
        Some(functions) if own.core().is_active() => guarded(py, || functions.ended(py, own)),
        _ => Ok(()),
    }
}

/// `sys.modules`; made at import, see [`crate::context::prepare`].
pub(crate) fn modules(py: Python<'_>) -> PyResult<&'static Py<PyDict>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    MODULES.get_or_try_init(py, || PyResult::Ok(py.import("sys")?.getattr("modules")?.cast_into()?.unbind()))
}

/// The functions, where torch is there, complete, and built with CUDA.
#[inline]
fn functions(py: Python<'_>) -> PyResult<Option<&'static Functions>> {
    if let Some(known) = FUNCTIONS.get(py) {
        return Ok(known.as_ref());
    }
    match modules(py)?.bind(py).get_item(intern!(py, "torch"))? {
        None => Ok(None),
        Some(torch) => find(py, &torch),
    }
}

#[cold]
fn find(py: Python<'_>, torch: &Bound<'_, PyAny>) -> PyResult<Option<&'static Functions>> {
    match Functions::of(torch) {
        Ok(functions) => Ok(FUNCTIONS.get_or_init(py, || functions).as_ref()),
        // It is being imported, or is something else of that name.
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets through what is no fault of the reading; a fault ends all reading.
fn guarded(py: Python<'_>, read: impl FnOnce() -> PyResult<()>) -> PyResult<()> {
    if BROKEN.load(Ordering::Relaxed) {
        return Ok(());
    }
    match read() {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            BROKEN.store(true, Ordering::Relaxed);
            fault::report(
                py,
                Part::Torch,
                "",
                Some(error),
                "torch's allocator cannot be read and is left out",
            )
        }
        other => other,
    }
}

impl Functions {
    fn of(torch: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let built = torch.getattr("backends")?.getattr("cuda")?.call_method0("is_built")?;
        if !built.is_truthy()? {
            return Ok(None);
        }
        let cuda = torch.getattr("cuda")?;
        Ok(Some(Self {
            is_initialized: cuda.getattr("is_initialized")?.unbind(),
            device_count: cuda.getattr("device_count")?.unbind(),
            properties: cuda.getattr("get_device_properties")?.unbind(),
            statistics: cuda.getattr("memory_stats_as_nested_dict")?.unbind(),
            count: OnceLock::new(),
        }))
    }

    fn started(&self, py: Python<'_>, own: &Own) -> PyResult<()> {
        let Some(allocator) = state::torch().filter(|allocator| allocator.is_read()) else { return Ok(()) };
        if let Some(reading) = self.read(py, |count| allocator.devices(count))? {
            self.identify(py, &allocator, &reading)?;
            own.reads_torch(allocator.started(own.core(), &reading));
        }
        Ok(())
    }

    fn ended(&self, py: Python<'_>, own: &Own) -> PyResult<()> {
        let Some(allocator) = state::torch().filter(|allocator| allocator.is_read()) else { return Ok(()) };
        let same = own.torch_devices().filter(|devices| !devices.is_empty());
        if let Some(reading) = self.read(py, |count| same.unwrap_or_else(|| allocator.devices(count)))? {
            self.identify(py, &allocator, &reading)?;
            allocator.ended(own.core(), &reading);
        }
        Ok(())
    }

    /// Reads some of the devices; `None` as long as CUDA is not in use, and in a child of a process that uses it.
    fn read(&self, py: Python<'_>, devices: impl FnOnce(u32) -> Devices) -> PyResult<Option<Reading>> {
        let began = Instant::now();
        if !self.is_initialized.bind(py).call0()?.is_truthy()? {
            return Ok(None);
        }
        let mut reading = Reading::default();
        for device in devices(self.count(py)?).iter() {
            let statistics = self.statistics.bind(py).call1((device,))?;
            let figure = |of: &Bound<'_, PyAny>, which: &Bound<'_, PyAny>| -> PyResult<u64> {
                statistics.get_item(of)?.get_item(intern!(py, "all"))?.get_item(which)?.extract()
            };
            let (allocated, reserved) = (intern!(py, "allocated_bytes"), intern!(py, "reserved_bytes"));
            let (current, peak) = (intern!(py, "current"), intern!(py, "peak"));
            let memory = Memory {
                allocated: figure(allocated, current)?,
                reserved: figure(reserved, current)?,
                peak: figure(allocated, peak)?,
            };
            reading.devices.push((device, memory));
        }
        reading.took = began.elapsed();
        Ok(Some(reading))
    }

    /// Devices there are; torch asks the driver the first time.
    fn count(&self, py: Python<'_>) -> PyResult<u32> {
        if let Some(count) = self.count.get() {
            return Ok(*count);
        }
        let count = self.device_count.bind(py).call0()?.extract()?;
        Ok(*self.count.get_or_init(|| count))
    }

    /// Has those devices identified that hold memory and are not known yet.
    fn identify(&self, py: Python<'_>, allocator: &Allocator, reading: &Reading) -> PyResult<()> {
        for (device, _) in reading.devices.iter().filter(|(_, memory)| memory.reserved > 0) {
            if allocator.is_unknown(*device) {
                // PyTorch before 2.4 has no `uuid`.
                let properties = self.properties.bind(py).call1((*device,))?;
                let uuid = properties.getattr_opt(intern!(py, "uuid"))?.map(|uuid| uuid.str()).transpose()?;
                let uuid = uuid.map(|uuid| uuid.to_string_lossy().into_owned());
                py.detach(|| allocator.identify(*device, uuid.as_deref()));
            }
        }
        Ok(())
    }
}
