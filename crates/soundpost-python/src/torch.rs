//! Reads PyTorch's allocator, if the host imported PyTorch and uses CUDA.
//!
//! It never imports torch, starts CUDA, waits for a device, resets a statistic or keeps a tensor alive. It only keeps
//! functions of the module.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use soundpost::binding::torch::{Allocator, Devices, Memory, Reading};

use crate::fault::{self, part};
use crate::import;
use crate::state;

/// The functions that are called; `None` for a PyTorch that was built without CUDA.
static FUNCTIONS: PyOnceLock<Option<Functions>> = PyOnceLock::new();
/// True after a failed reading, as with a custom allocator, which ends all reading.
static BROKEN: AtomicBool = AtomicBool::new(false);

struct Functions {
    is_initialized: Py<PyAny>,
    device_count: Py<PyAny>,
    properties: Py<PyAny>,
    statistics: Py<PyAny>,
    count: OnceLock<u32>,
}

/// Reads the allocator at the start of a call. Returns the devices that held memory, if it was read.
///
/// # Errors
/// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
#[inline]
pub(crate) fn read_start(py: Python<'_>, call: &soundpost::Call) -> PyResult<Option<Devices>> {
    match functions(py)? {
        None => Ok(None),
        Some(functions) => guarded(py, || functions.read_start(py, call)),
    }
}

/// Reads the allocator at the end of a call that is still active.
///
/// # Errors
/// As [`read_start`].
#[inline]
pub(crate) fn read_end(py: Python<'_>, call: &soundpost::Call, devices: Option<Devices>) -> PyResult<()> {
    match functions(py)? {
        Some(functions) if call.is_active() => {
            guarded(py, || functions.read_end(py, call, devices).map(Some)).map(drop)
        }
        _ => Ok(()),
    }
}

/// Returns the functions, if torch is imported completely and built with CUDA.
#[inline]
fn functions(py: Python<'_>) -> PyResult<Option<&'static Functions>> {
    if let Some(known) = FUNCTIONS.get(py) {
        return Ok(known.as_ref());
    }
    let modules = import::modules(py)?;
    // The look-up is needed only after another module was imported.
    static SEARCHED: AtomicUsize = AtomicUsize::new(0);
    let count = modules.len();
    if count == SEARCHED.load(Ordering::Relaxed) {
        return Ok(None);
    }
    match modules.get_item(intern!(py, "torch"))? {
        None => {
            SEARCHED.store(count, Ordering::Relaxed);
            Ok(None)
        }
        Some(torch) => find(py, &torch),
    }
}

#[cold]
fn find(py: Python<'_>, torch: &Bound<'_, PyAny>) -> PyResult<Option<&'static Functions>> {
    match Functions::of(torch) {
        Ok(functions) => {
            exclude_wrappers(py)?;
            Ok(FUNCTIONS.get_or_init(py, || functions).as_ref())
        }
        // The module is being imported, or is another one of that name.
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has TorchDynamo leave out the wrappers that were made before torch was imported.
fn exclude_wrappers(py: Python<'_>) -> PyResult<()> {
    let excluded = import::object(py, intern!(py, "soundpost._dynamo"), intern!(py, "apply"));
    match excluded.and_then(|apply| apply.call0()) {
        Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
        _ => Ok(()),
    }
}

/// Reads unless a reading failed before; an `Exception` is a fault and ends all reading.
fn guarded<T>(py: Python<'_>, read: impl FnOnce() -> PyResult<Option<T>>) -> PyResult<Option<T>> {
    if BROKEN.load(Ordering::Relaxed) {
        return Ok(None);
    }
    match read() {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            BROKEN.store(true, Ordering::Relaxed);
            let text = "torch's allocator cannot be read and is left out";
            fault::report(py, part::TORCH, "", Some(error), text).map(|()| None)
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

    fn read_start(&self, py: Python<'_>, call: &soundpost::Call) -> PyResult<Option<Devices>> {
        let Some(allocator) = state::allocator().filter(|allocator| allocator.is_read()) else {
            return Ok(None);
        };
        let Some(reading) = self.read(py, |count| allocator.devices(count))? else { return Ok(None) };
        self.identify(py, &allocator, &reading)?;
        Ok(Some(allocator.started(call, &reading)))
    }

    fn read_end(&self, py: Python<'_>, call: &soundpost::Call, devices: Option<Devices>) -> PyResult<()> {
        let Some(allocator) = state::allocator().filter(|allocator| allocator.is_read()) else {
            return Ok(());
        };
        let same = devices.filter(|devices| !devices.is_empty());
        if let Some(reading) = self.read(py, |count| same.unwrap_or_else(|| allocator.devices(count)))? {
            self.identify(py, &allocator, &reading)?;
            allocator.ended(call, &reading);
        }
        Ok(())
    }

    /// Reads the selected devices; `None` until CUDA is in use, and in a child forked from a process that uses it.
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

    /// Returns the number of devices; torch asks the driver the first time.
    fn count(&self, py: Python<'_>) -> PyResult<u32> {
        if let Some(count) = self.count.get() {
            return Ok(*count);
        }
        let count = self.device_count.bind(py).call0()?.extract()?;
        Ok(*self.count.get_or_init(|| count))
    }

    /// Identifies devices that hold memory and are not identified yet.
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
