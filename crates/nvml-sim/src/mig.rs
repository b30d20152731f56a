//! MIG devices.

use std::ffi::c_uint;

use crate::call::call;
use crate::code::{self, Code};
use crate::handle::{self, Handle, put};

// SAFETY (of the functions below): pointers are as `nvml.h` asks, valid for the writes or null.

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: Handle,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> Code {
    call("nvmlDeviceGetMigMode", |now| {
        let on = c_uint::from(!handle::of(now, device)?.migs.is_empty());
        // SAFETY: as above.
        unsafe { put(current, on).and_then(|()| put(pending, on)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: Handle, count: *mut c_uint) -> Code {
    call("nvmlDeviceGetMaxMigDeviceCount", |now| {
        let most = if handle::of(now, device)?.migs.is_empty() { 0 } else { 7 };
        // SAFETY: as above.
        unsafe { put(count, most) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: Handle,
    index: c_uint,
    mig: *mut Handle,
) -> Code {
    call("nvmlDeviceGetMigDeviceHandleByIndex", |now| {
        let parent = handle::of(now, device)?;
        let (place, _) = handle::places(device).ok_or(code::INVALID_ARGUMENT)?;
        if index as usize >= parent.migs.len() {
            return Err(code::NOT_FOUND);
        }
        // SAFETY: as above.
        unsafe { put(mig, handle::handle(place, Some(index as usize))) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig: Handle, device: *mut Handle) -> Code {
    call("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", |now| {
        handle::of(now, mig)?;
        match handle::places(mig) {
            // SAFETY: as above.
            Some((place, Some(_))) => unsafe { put(device, handle::handle(place, None)) },
            _ => Err(code::INVALID_ARGUMENT),
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(device: Handle, is: *mut c_uint) -> Code {
    call("nvmlDeviceIsMigDeviceHandle", |now| {
        handle::of(now, device)?;
        let (_, mig) = handle::places(device).ok_or(code::INVALID_ARGUMENT)?;
        // SAFETY: as above.
        unsafe { put(is, c_uint::from(mig.is_some())) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceId(device: Handle, id: *mut c_uint) -> Code {
    call("nvmlDeviceGetGpuInstanceId", |now| {
        let mig = handle::of(now, device)?;
        match handle::places(device) {
            // SAFETY: as above.
            Some((_, Some(_))) => unsafe { put(id, mig.instance.0) },
            _ => Err(code::INVALID_ARGUMENT),
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeInstanceId(device: Handle, id: *mut c_uint) -> Code {
    call("nvmlDeviceGetComputeInstanceId", |now| {
        let mig = handle::of(now, device)?;
        match handle::places(device) {
            // SAFETY: as above.
            Some((_, Some(_))) => unsafe { put(id, mig.instance.1) },
            _ => Err(code::INVALID_ARGUMENT),
        }
    })
}
