//! Start, end, versions and number of devices.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::sync::atomic::Ordering;

use crate::call::{INITIALIZED, call, call_early};
use crate::code::{self, Code};
use crate::handle::{self, Handle, put, put_text};

fn initialize(function: &'static str) -> Code {
    call_early(function, |_| {
        INITIALIZED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> Code {
    initialize("nvmlInit_v2")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Code {
    initialize("nvmlInitWithFlags")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> Code {
    call("nvmlShutdown", |_| {
        INITIALIZED.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(_code: Code) -> *const c_char {
    const TEXT: &CStr = c"an error of nvml-sim";
    TEXT.as_ptr()
}

// SAFETY (of the functions below): pointers are as `nvml.h` asks, valid for the writes or null.

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> Code {
    call("nvmlSystemGetDriverVersion", |now| {
        let text = now.script.driver.as_deref().ok_or(code::NOT_SUPPORTED)?;
        // SAFETY: as above.
        unsafe { put_text(version, length, text) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) -> Code {
    call("nvmlSystemGetNVMLVersion", |now| {
        let text = now.script.nvml.as_deref().ok_or(code::NOT_SUPPORTED)?;
        // SAFETY: as above.
        unsafe { put_text(version, length, text) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> Code {
    call("nvmlSystemGetCudaDriverVersion_v2", |now| {
        // SAFETY: as above.
        unsafe { put(version, now.script.cuda.ok_or(code::NOT_SUPPORTED)?) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) -> Code {
    call("nvmlSystemGetCudaDriverVersion", |now| {
        // SAFETY: as above.
        unsafe { put(version, now.script.cuda.ok_or(code::NOT_SUPPORTED)?) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> Code {
    call("nvmlDeviceGetCount_v2", |now| {
        // SAFETY: as above.
        unsafe { put(count, handle::index(now, now.script.devices.len())) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Handle) -> Code {
    call("nvmlDeviceGetHandleByIndex_v2", |now| {
        let mut there = now.script.devices.iter().enumerate().filter(|(_, d)| d.is_there(now.seconds));
        let (place, _) = there.nth(index as usize).ok_or(code::INVALID_ARGUMENT)?;
        handle::of(now, handle::handle(place, None))?;
        // SAFETY: as above.
        unsafe { put(device, handle::handle(place, None)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut Handle) -> Code {
    call("nvmlDeviceGetHandleByUUID", |now| {
        if uuid.is_null() {
            return Err(code::INVALID_ARGUMENT);
        }
        // SAFETY: not null, and text that ends with NUL as `nvml.h` asks.
        let uuid = unsafe { CStr::from_ptr(uuid) }.to_str().map_err(|_| code::INVALID_ARGUMENT)?;
        for (place, parent) in now.script.devices.iter().enumerate() {
            let mig = parent.migs.iter().position(|mig| mig.uuid == uuid);
            if parent.uuid == uuid || mig.is_some() {
                let found = handle::handle(place, mig);
                handle::of(now, found)?;
                // SAFETY: as above.
                return unsafe { put(device, found) };
            }
        }
        Err(code::NOT_FOUND)
    })
}
