//! Sets of events: XID errors.

use std::ffi::{c_uint, c_ulonglong};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::call::{Now, call};
use crate::code::{self, Code};
use crate::handle::{self, Handle, put};

/// `nvmlEventTypeXidCriticalError`.
const XID: c_ulonglong = 8;

/// Devices of a set, and the time up to which their events were returned; `None` once it is freed.
type Set = Option<Vec<(usize, SystemTime)>>;

static SETS: Mutex<Vec<Set>> = Mutex::new(Vec::new());

#[repr(C)]
struct EventData {
    device: Handle,
    kind: c_ulonglong,
    data: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// Index of a set in `SETS`, as `nvmlEventSet_t`.
fn place(set: Handle) -> Result<usize, Code> {
    set.addr().checked_sub(1).ok_or(code::INVALID_ARGUMENT)
}

/// Returns the next event of a set.
fn next(now: &Now<'_>, set: Handle) -> Result<Option<(usize, u64)>, Code> {
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    let set = sets.get_mut(place(set)?).and_then(Option::as_mut).ok_or(code::INVALID_ARGUMENT)?;
    let time = SystemTime::now();
    for (device, seen) in set.iter_mut() {
        let Some(script) = now.script.devices.get(*device) else { continue };
        for (second, xid) in script.xid.as_ref().map_or(&[][..], |xid| xid.steps()) {
            let at = now.written + Duration::try_from_secs_f64(*second).unwrap_or_default();
            if *seen < at && at <= time {
                *seen = at;
                return Ok(Some((*device, *xid)));
            }
        }
    }
    Ok(None)
}

// SAFETY (of the functions below): pointers are as `nvml.h` asks, valid for the writes or null.

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(set: *mut Handle) -> Code {
    call("nvmlEventSetCreate", |_| {
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        sets.push(Some(Vec::new()));
        // SAFETY: as above.
        unsafe { put(set, std::ptr::without_provenance_mut(sets.len())) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(set: Handle) -> Code {
    call("nvmlEventSetFree", |_| {
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        let place = sets.get_mut(place(set)?).ok_or(code::INVALID_ARGUMENT)?;
        place.take().map(drop).ok_or(code::INVALID_ARGUMENT)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(device: Handle, kinds: *mut c_ulonglong) -> Code {
    call("nvmlDeviceGetSupportedEventTypes", |now| {
        let supported = handle::of(now, device)?.xid.as_ref().map_or(0, |_| XID);
        // SAFETY: as above.
        unsafe { put(kinds, supported) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(device: Handle, _kinds: c_ulonglong, set: Handle) -> Code {
    call("nvmlDeviceRegisterEvents", |now| {
        if handle::of(now, device)?.xid.is_none() {
            return Err(code::NOT_SUPPORTED);
        }
        let (device, _) = handle::places(device).ok_or(code::INVALID_ARGUMENT)?;
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        let set = sets.get_mut(place(set)?).and_then(Option::as_mut).ok_or(code::INVALID_ARGUMENT)?;
        set.push((device, SystemTime::now()));
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(set: Handle, data: *mut EventData, timeout_ms: c_uint) -> Code {
    let until = Instant::now() + Duration::from_millis(timeout_ms.into());
    loop {
        let code = call("nvmlEventSetWait_v2", |now| {
            let (device, xid) = next(now, set)?.ok_or(code::TIMEOUT)?;
            let device = handle::handle(device, None);
            let data_of = |gpu_instance, compute_instance| EventData {
                device,
                kind: XID,
                data: xid,
                gpu_instance,
                compute_instance,
            };
            // SAFETY: as above.
            unsafe { put(data, data_of(u32::MAX, u32::MAX)) }
        });
        if code != code::TIMEOUT || Instant::now() >= until {
            return code;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
