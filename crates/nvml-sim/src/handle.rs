//! Handles of devices, and results through pointers.

use std::ffi::{c_char, c_void};

use crate::call::Now;
use crate::code::{self, Code};
use crate::script::{self, Device};

/// `nvmlDevice_t`: a number, never a pointer.
pub(crate) type Handle = *mut c_void;

const BASE: usize = 0x5100_0000;
const MIGS: usize = 64;

/// Returns the handle of a device (`mig` none) or of one of its MIG devices, by their indices in the script.
pub(crate) fn handle(device: usize, mig: Option<usize>) -> Handle {
    std::ptr::without_provenance_mut(BASE + device * MIGS + mig.map_or(0, |mig| mig + 1))
}

/// Returns the indices of device and MIG device.
pub(crate) fn places(handle: Handle) -> Option<(usize, Option<usize>)> {
    let number = handle.addr().checked_sub(BASE)?;
    Some((number / MIGS, (number % MIGS).checked_sub(1)))
}

/// Returns the device of a handle, unless the script makes this function fail.
pub(crate) fn of<'a>(now: &Now<'a>, handle: Handle) -> Result<&'a Device, Code> {
    let (device, mig) = places(handle).ok_or(code::INVALID_ARGUMENT)?;
    let parent = now.script.devices.get(device).ok_or(code::INVALID_ARGUMENT)?;
    let device = match mig {
        None => parent,
        Some(mig) => parent.migs.get(mig).ok_or(code::INVALID_ARGUMENT)?,
    };
    for faults in [&now.script.faults, &parent.faults, &device.faults] {
        match script::device_fault(faults, now.function, now.seconds) {
            None | Some(code::SUCCESS) => {}
            Some(code) => return Err(code),
        }
    }
    if parent.is_there(now.seconds) { Ok(device) } else { Err(code::GPU_IS_LOST) }
}

/// Returns the index of a device among the existing ones.
pub(crate) fn index(now: &Now<'_>, place: usize) -> u32 {
    let there = now.script.devices.iter().take(place).filter(|device| device.is_there(now.seconds));
    u32::try_from(there.count()).unwrap_or(u32::MAX)
}

/// Writes a result.
///
/// # Safety
/// A pointer that is not null is valid for a write.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and valid by this function's contract. C callers promise no alignment beyond T's.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes text that ends with NUL.
///
/// # Safety
/// A pointer that is not null is valid for `length` writes.
pub(crate) unsafe fn put_text(to: *mut c_char, length: u32, text: &str) -> Result<(), Code> {
    if to.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    if text.len() >= length as usize {
        return Err(code::INSUFFICIENT_SIZE);
    }
    // SAFETY: text and NUL are at most `length` bytes, which the caller promises.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        to.add(text.len()).write(0);
    }
    Ok(())
}
