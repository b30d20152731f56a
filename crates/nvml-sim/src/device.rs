//! Properties and values of a device.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

use crate::call::{Now, call};
use crate::code::{self, Code};
use crate::handle::{self, Handle, put, put_text};
use crate::script::Device;

#[repr(C)]
struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[repr(C)]
struct TemperatureV1 {
    version: c_uint,
    sensor: c_uint,
    temperature: c_int,
}

#[repr(C)]
struct Violation {
    reference: c_ulonglong,
    nanoseconds: c_ulonglong,
}

/// `NVML_STRUCT_VERSION` of a structure.
const fn version<T>(number: usize) -> u32 {
    (std::mem::size_of::<T>() | (number << 24)) as u32
}

fn value(now: &Now<'_>, device: &Device, name: &str) -> Result<u64, Code> {
    device.values.get(name).and_then(|value| value.at(now.seconds)).ok_or(code::NOT_SUPPORTED)
}

/// Converts a value to the 32 bits of NVML; a wider one is cut.
fn narrow(now: &Now<'_>, device: &Device, name: &str) -> Result<c_uint, Code> {
    value(now, device, name).map(|value| value as c_uint)
}

/// A function that reads one 32-bit value.
///
/// # Safety
/// `to` is null or valid for a write.
unsafe fn read(function: &'static str, device: Handle, name: &str, to: *mut c_uint) -> Code {
    call(function, |now| {
        let device = handle::of(now, device)?;
        // SAFETY: by this function's contract.
        unsafe { put(to, narrow(now, device, name)?) }
    })
}

/// Like [`read`], in 64 bits.
///
/// # Safety
/// `to` is null or valid for a write.
unsafe fn read_wide(function: &'static str, device: Handle, name: &str, to: *mut c_ulonglong) -> Code {
    call(function, |now| {
        let device = handle::of(now, device)?;
        // SAFETY: by this function's contract.
        unsafe { put(to, value(now, device, name)?) }
    })
}

// SAFETY (of the functions below): pointers are as `nvml.h` asks, valid for the writes or null.

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: Handle, index: *mut c_uint) -> Code {
    call("nvmlDeviceGetIndex", |now| {
        handle::of(now, device)?;
        let (place, mig) = handle::places(device).ok_or(code::INVALID_ARGUMENT)?;
        let number = mig.map_or_else(|| handle::index(now, place), |mig| mig as c_uint);
        // SAFETY: as above.
        unsafe { put(index, number) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, uuid: *mut c_char, length: c_uint) -> Code {
    call("nvmlDeviceGetUUID", |now| {
        let device = handle::of(now, device)?;
        // SAFETY: as above.
        unsafe { put_text(uuid, length, &device.uuid) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: Handle, name: *mut c_char, length: c_uint) -> Code {
    call("nvmlDeviceGetName", |now| {
        let device = handle::of(now, device)?;
        // SAFETY: as above.
        unsafe { put_text(name, length, device.name.as_deref().ok_or(code::NOT_SUPPORTED)?) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: Handle, memory: *mut Memory) -> Code {
    call("nvmlDeviceGetMemoryInfo", |now| {
        let device = handle::of(now, device)?;
        let (total, used) = (value(now, device, "memory_total")?, value(now, device, "memory_used")?);
        // Version 1 counts what the driver reserves as used.
        let used = used.saturating_add(value(now, device, "memory_reserved").unwrap_or(0));
        // SAFETY: as above.
        unsafe { put(memory, Memory { total, free: total.saturating_sub(used), used }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, memory: *mut MemoryV2) -> Code {
    call("nvmlDeviceGetMemoryInfo_v2", |now| {
        let device = handle::of(now, device)?;
        // SAFETY: as above, and version 2 says that the caller fills the field in.
        if memory.is_null() || unsafe { (*memory).version } != version::<MemoryV2>(2) {
            return Err(code::ARGUMENT_VERSION_MISMATCH);
        }
        let (total, used) = (value(now, device, "memory_total")?, value(now, device, "memory_used")?);
        let reserved = value(now, device, "memory_reserved").unwrap_or(0);
        let free = total.saturating_sub(used).saturating_sub(reserved);
        // SAFETY: as above.
        unsafe { put(memory, MemoryV2 { version: version::<MemoryV2>(2), total, reserved, free, used }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Handle, rates: *mut Utilization) -> Code {
    call("nvmlDeviceGetUtilizationRates", |now| {
        let device = handle::of(now, device)?;
        let gpu = narrow(now, device, "utilization")?;
        let memory = narrow(now, device, "memory_utilization").unwrap_or(0);
        // SAFETY: as above.
        unsafe { put(rates, Utilization { gpu, memory }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(device: Handle, _sensor: c_uint, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetTemperature", device, "temperature", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureV(device: Handle, to: *mut TemperatureV1) -> Code {
    call("nvmlDeviceGetTemperatureV", |now| {
        let device = handle::of(now, device)?;
        // SAFETY: as above.
        if to.is_null() || unsafe { (*to).version } != version::<TemperatureV1>(1) {
            return Err(code::ARGUMENT_VERSION_MISMATCH);
        }
        let temperature = narrow(now, device, "temperature")? as c_int;
        // SAFETY: as above.
        unsafe { put(to, TemperatureV1 { version: version::<TemperatureV1>(1), sensor: 0, temperature }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetPowerUsage", device, "power", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetEnforcedPowerLimit", device, "power_limit", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerManagementLimit(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetPowerManagementLimit", device, "power_limit", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(device: Handle, kind: c_uint, to: *mut c_uint) -> Code {
    let names = ["clock_graphics", "clock_sm", "clock_memory", "clock_video"];
    match names.get(kind as usize) {
        // SAFETY: as above.
        Some(name) => unsafe { read("nvmlDeviceGetClockInfo", device, name, to) },
        None => code::INVALID_ARGUMENT,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNumFans(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetNumFans", device, "fans", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFanSpeed(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetFanSpeed", device, "fan", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFanSpeed_v2(device: Handle, _fan: c_uint, to: *mut c_uint) -> Code {
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetFanSpeed_v2", device, "fan", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPcieThroughput(device: Handle, counter: c_uint, to: *mut c_uint) -> Code {
    let name = if counter == 0 { "pcie_tx" } else { "pcie_rx" };
    // SAFETY: as above.
    unsafe { read("nvmlDeviceGetPcieThroughput", device, name, to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(device: Handle, to: *mut c_ulonglong) -> Code {
    // SAFETY: as above.
    unsafe { read_wide("nvmlDeviceGetCurrentClocksThrottleReasons", device, "throttle", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrentClocksEventReasons(device: Handle, to: *mut c_ulonglong) -> Code {
    // SAFETY: as above.
    unsafe { read_wide("nvmlDeviceGetCurrentClocksEventReasons", device, "throttle", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Handle, to: *mut c_ulonglong) -> Code {
    // SAFETY: as above.
    unsafe { read_wide("nvmlDeviceGetTotalEnergyConsumption", device, "energy", to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: Handle,
    kind: c_uint,
    _counter: c_uint,
    to: *mut c_ulonglong,
) -> Code {
    let name = if kind == 0 { "ecc_corrected" } else { "ecc_uncorrected" };
    // SAFETY: as above.
    unsafe { read_wide("nvmlDeviceGetTotalEccErrors", device, name, to) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetViolationStatus(
    device: Handle,
    policy: c_uint,
    to: *mut Violation,
) -> Code {
    let names = ["power", "thermal", "sync_boost", "board_limit", "low_utilization", "reliability"];
    call("nvmlDeviceGetViolationStatus", |now| {
        let name = names.get(policy as usize).ok_or(code::INVALID_ARGUMENT)?;
        let nanoseconds = value(now, handle::of(now, device)?, &format!("violation_{name}"))?;
        let microseconds = (now.seconds * 1e6) as c_ulonglong;
        // SAFETY: as above.
        unsafe { put(to, Violation { reference: microseconds, nanoseconds }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryErrorCounter(
    device: Handle,
    kind: c_uint,
    _counter: c_uint,
    _location: c_uint,
    to: *mut c_ulonglong,
) -> Code {
    let name = if kind == 0 { "ecc_corrected" } else { "ecc_uncorrected" };
    // SAFETY: as above.
    unsafe { read_wide("nvmlDeviceGetMemoryErrorCounter", device, name, to) }
}
