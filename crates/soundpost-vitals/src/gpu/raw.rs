//! C functions of NVML without a safe method in `nvml-wrapper`: first versions for old drivers and successors
//! for newer ones, lists of processes in one call into a bounded buffer, MIG instances, and events that
//! outlive a borrow of the library. It contains all unsafe code of this crate.

use std::ffi::OsStr;
use std::mem::MaybeUninit;

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlEventTypeXidCriticalError, nvmlMemory_t,
    nvmlProcessInfo_t, nvmlProcessInfo_v1_t, nvmlReturn_t, nvmlTemperature_v1_t,
    nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU,
};

use super::processes::Listed;

/// Maximum number of listed processes per device.
const MOST_PROCESSES: usize = 4096;
const USUAL_PROCESSES: usize = 64;

/// A loaded and started NVML with its set of events.
pub(super) struct Library {
    /// Address of the set of events; 0 without one. A number, because it is only passed back.
    events: usize,
    nvml: Nvml,
}

impl Library {
    pub(super) fn open(path: &OsStr) -> Result<Self, NvmlError> {
        Nvml::builder().lib_path(path).init().map(|nvml| Self { events: 0, nvml })
    }

    pub(super) fn nvml(&self) -> &Nvml {
        &self.nvml
    }

    /// Subscribes to a device's XID errors.
    pub(super) fn watch(&mut self, index: u32) -> Result<(), NvmlError> {
        let device = self.nvml.device_by_index(index)?;
        let register = nvml_sym(self.nvml.lib().nvmlDeviceRegisterEvents.as_ref())?;
        let events = match self.events {
            0 => {
                let create = nvml_sym(self.nvml.lib().nvmlEventSetCreate.as_ref())?;
                let mut set: nvmlEventSet_t = std::ptr::null_mut();
                // SAFETY: `set` is a valid place for the answer.
                nvml_try(unsafe { create(&raw mut set) })?;
                self.events = set.expose_provenance();
                set
            }
            address => std::ptr::with_exposed_provenance_mut(address),
        };
        // SAFETY: the set was created by this library and not freed; the handle is the device's own.
        nvml_try(unsafe { register(device.handle(), u64::from(nvmlEventTypeXidCriticalError), events) })
    }

    /// Returns the device (by its [`address`]) and the number of the next XID error since the last call, without
    /// waiting.
    pub(super) fn next_xid(&self) -> Option<(usize, u64)> {
        if self.events == 0 {
            return None;
        }
        let wait = self.nvml.lib().nvmlEventSetWait_v2.as_ref().ok()?;
        let mut data = MaybeUninit::<nvmlEventData_t>::zeroed();
        let events = std::ptr::with_exposed_provenance_mut(self.events);
        // SAFETY: the set was created by this library and not freed; `data` is a valid place for the answer.
        nvml_try(unsafe { wait(events, data.as_mut_ptr(), 0) }).ok()?;
        // SAFETY: zeroes are a valid event, and NVML filled it in.
        let event = unsafe { data.assume_init() };
        Some((event.device.addr(), event.eventData))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if self.events != 0
            && let Ok(free) = self.nvml.lib().nvmlEventSetFree.as_ref()
        {
            // SAFETY: the set was created by this library, which is still started, and is freed here only.
            unsafe { free(std::ptr::with_exposed_provenance_mut(self.events)) };
        }
    }
}

/// Returns the address of a device's handle, its identity within a started library.
pub(super) fn address(device: &Device<'_>) -> usize {
    // SAFETY: the handle is not used.
    unsafe { device.handle() }.addr()
}

/// Reads total and used bytes by version 1, which counts memory reserved by the driver as used.
pub(super) fn memory_v1(device: &Device<'_>) -> Result<(u64, u64), NvmlError> {
    let memory = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut info = nvmlMemory_t { total: 0, free: 0, used: 0 };
    // SAFETY: the handle is the device's own; `info` is a valid place for the answer.
    nvml_try(unsafe { memory(device.handle(), &raw mut info) })?;
    Ok((info.total, info.used))
}

/// Reads the speed of the only fan that version 1 supports, percent.
pub(super) fn fan_speed_v1(device: &Device<'_>) -> Result<u32, NvmlError> {
    let speed = nvml_sym(device.nvml().lib().nvmlDeviceGetFanSpeed.as_ref())?;
    // SAFETY: the function writes one value of this type, or fails.
    number(device, |handle, to| unsafe { speed(handle, to) })
}

/// Reads the temperature by the function that replaces the wrapper's in newer drivers, degrees Celsius.
pub(super) fn temperature(device: &Device<'_>) -> Result<u32, NvmlError> {
    let temperature = nvml_sym(device.nvml().lib().nvmlDeviceGetTemperatureV.as_ref())?;
    // `NVML_STRUCT_VERSION(Temperature, 1)` of `nvml.h`: size and number.
    let version = (size_of::<nvmlTemperature_v1_t>() | (1 << 24)) as u32;
    let mut info = nvmlTemperature_v1_t {
        version,
        sensorType: nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU,
        temperature: 0,
    };
    // SAFETY: the handle is the device's own; `info` is a valid place for the answer.
    nvml_try(unsafe { temperature(device.handle(), &raw mut info) })?;
    Ok(info.temperature.max(0).unsigned_abs())
}

/// Reads the reasons for slow clocks by the function that replaces the wrapper's in newer drivers.
pub(super) fn event_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let reasons = nvml_sym(device.nvml().lib().nvmlDeviceGetCurrentClocksEventReasons.as_ref())?;
    let mut bits = 0;
    // SAFETY: the handle is the device's own; `bits` is a valid place for the answer.
    nvml_try(unsafe { reasons(device.handle(), &raw mut bits) })?;
    Ok(bits)
}

/// Reads the GPU and compute instance of a MIG device.
pub(super) fn instance(device: &Device<'_>) -> Result<(u32, u32), NvmlError> {
    let gpu = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuInstanceId.as_ref())?;
    let compute = nvml_sym(device.nvml().lib().nvmlDeviceGetComputeInstanceId.as_ref())?;
    // SAFETY: both functions write one value of this type, or fail.
    let gpu = number(device, |handle, to| unsafe { gpu(handle, to) })?;
    // SAFETY: as above.
    let compute = number(device, |handle, to| unsafe { compute(handle, to) })?;
    Ok((gpu, compute))
}

/// Calls a function that writes one number about a device.
fn number(
    device: &Device<'_>,
    call: impl FnOnce(nvmlDevice_t, *mut u32) -> nvmlReturn_t,
) -> Result<u32, NvmlError> {
    let mut number = 0;
    // SAFETY: the handle is used while the device and its library are borrowed.
    let handle = unsafe { device.handle() };
    nvml_try(call(handle, &raw mut number))?;
    Ok(number)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Compute,
    Graphics,
}

/// Adds the processes of a kind, by the newest version (3, 2, 1) of the list at or below `version` that the
/// driver supports. Stores that version in `version`.
pub(super) fn processes(
    device: &Device<'_>,
    kind: Kind,
    version: &mut u8,
    into: &mut Vec<Listed>,
) -> Result<(), NvmlError> {
    loop {
        let result = processes_by(device, kind, *version, into);
        match result {
            Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) if *version > 1 => {
                *version -= 1;
            }
            result => return result,
        }
    }
}

fn processes_by(
    device: &Device<'_>,
    kind: Kind,
    version: u8,
    into: &mut Vec<Listed>,
) -> Result<(), NvmlError> {
    let lib = device.nvml().lib();
    // SAFETY: the handle is used while the device and its library are borrowed.
    let handle = unsafe { device.handle() };
    if version == 1 {
        let list = nvml_sym(match kind {
            Kind::Compute => lib.nvmlDeviceGetComputeRunningProcesses.as_ref(),
            Kind::Graphics => lib.nvmlDeviceGetGraphicsRunningProcesses.as_ref(),
        })?;
        let empty = nvmlProcessInfo_v1_t { pid: 0, usedGpuMemory: 0 };
        let listed = |info: &nvmlProcessInfo_v1_t| Listed::new(info.pid, info.usedGpuMemory);
        // SAFETY: `fill` gives room for `count` entries.
        return fill(empty, into, listed, |count, infos| unsafe { list(handle, count, infos) });
    }
    let list = nvml_sym(match (version, kind) {
        (2, Kind::Compute) => lib.nvmlDeviceGetComputeRunningProcesses_v2.as_ref(),
        (2, Kind::Graphics) => lib.nvmlDeviceGetGraphicsRunningProcesses_v2.as_ref(),
        (_, Kind::Compute) => lib.nvmlDeviceGetComputeRunningProcesses_v3.as_ref(),
        (_, Kind::Graphics) => lib.nvmlDeviceGetGraphicsRunningProcesses_v3.as_ref(),
    })?;
    let empty = nvmlProcessInfo_t { pid: 0, usedGpuMemory: 0, gpuInstanceId: 0, computeInstanceId: 0 };
    let listed = |info: &nvmlProcessInfo_t| Listed::new(info.pid, info.usedGpuMemory);
    // SAFETY: `fill` gives room for `count` entries.
    fill(empty, into, listed, |count, infos| unsafe { list(handle, count, infos) })
}

/// Calls a function that fills a list, and again with more room if it requests it.
fn fill<T: Copy>(
    empty: T,
    into: &mut Vec<Listed>,
    listed: impl Fn(&T) -> Listed,
    call: impl Fn(*mut u32, *mut T) -> nvmlReturn_t,
) -> Result<(), NvmlError> {
    let mut room = USUAL_PROCESSES;
    loop {
        let mut infos = vec![empty; room];
        let mut count = u32::try_from(room).unwrap_or(0);
        let result = nvml_try(call(&raw mut count, infos.as_mut_ptr()));
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        match result {
            // Room for processes that start in the meantime.
            Err(NvmlError::InsufficientSize(_)) if room < wanted && wanted < MOST_PROCESSES => {
                room = wanted + 8;
            }
            Err(error) => return Err(error),
            Ok(()) => {
                into.extend(infos.iter().take(wanted).map(listed));
                return Ok(());
            }
        }
    }
}
