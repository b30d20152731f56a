//! Processes on a device, in the three versions of the list.

use std::ffi::{c_uint, c_ulonglong};
use std::time::SystemTime;

use crate::call::call;
use crate::code::{self, Code};
use crate::handle::{self, Handle, put};
use crate::script::{Process, Who};

/// `NVML_VALUE_NOT_AVAILABLE`.
const NOT_AVAILABLE: c_ulonglong = c_ulonglong::MAX;

#[repr(C)]
struct InfoV1 {
    pid: c_uint,
    memory: c_ulonglong,
}

/// `nvmlProcessUtilizationSample_t`.
#[repr(C)]
struct Utilization {
    pid: c_uint,
    timestamp: c_ulonglong,
    sm: c_uint,
    memory: c_uint,
    encoder: c_uint,
    decoder: c_uint,
}

/// Of versions 2 and 3.
#[repr(C)]
struct InfoV2 {
    pid: c_uint,
    memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// Fills a list, or returns its required length.
///
/// # Safety
///
/// `count` is null or valid; `infos` is null or valid for `*count` writes.
unsafe fn list<T>(
    function: &'static str,
    device: Handle,
    graphics: bool,
    count: *mut c_uint,
    infos: *mut T,
    info: impl Fn(u32, u64, Option<(u32, u32)>) -> T,
) -> Code {
    call(function, |now| {
        let on = handle::of(now, device)?;
        let instance = handle::places(device).and_then(|(_, mig)| mig).map(|_| on.instance);
        if count.is_null() {
            return Err(code::INVALID_ARGUMENT);
        }
        let mut found = Vec::new();
        for process in on.processes.iter().filter(|process| process.graphics == graphics) {
            // A process whose first step is in the future has not started.
            let memory = process.memory.as_ref().map_or(Some(NOT_AVAILABLE), |memory| memory.at(now.seconds));
            let pids = pids(process.who);
            found.extend(memory.into_iter().flat_map(|memory| pids.iter().map(move |pid| (*pid, memory))));
        }
        // SAFETY: checked for null, and valid by this function's contract.
        let room = unsafe { count.read() } as usize;
        // SAFETY: as above.
        unsafe { put(count, found.len() as c_uint)? };
        if room < found.len() {
            return Err(code::INSUFFICIENT_SIZE);
        }
        for (place, (pid, memory)) in found.into_iter().enumerate() {
            // SAFETY: the place is below `*count`.
            unsafe { put(infos.wrapping_add(place), info(pid, memory, instance))? };
        }
        Ok(())
    })
}

fn pids(who: Who) -> Vec<u32> {
    match who {
        Who::Pid(pid) => vec![pid],
        Who::Asker => vec![std::process::id()],
        Who::Siblings => siblings(),
    }
}

/// Returns the processes with the parent of this one, including itself.
fn siblings() -> Vec<u32> {
    let parent = std::os::unix::process::parent_id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain any character.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

fn v1(pid: u32, memory: u64, _instance: Option<(u32, u32)>) -> InfoV1 {
    InfoV1 { pid, memory }
}

fn v2(pid: u32, memory: u64, instance: Option<(u32, u32)>) -> InfoV2 {
    let (gpu_instance, compute_instance) = instance.unwrap_or((u32::MAX, u32::MAX));
    InfoV2 { pid, memory, gpu_instance, compute_instance }
}

// SAFETY (of the functions below): pointers are as `nvml.h` asks, valid for so many writes or null.

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses(
    device: Handle,
    count: *mut c_uint,
    infos: *mut InfoV1,
) -> Code {
    // SAFETY: as above.
    unsafe { list("nvmlDeviceGetComputeRunningProcesses", device, false, count, infos, v1) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v2(
    device: Handle,
    count: *mut c_uint,
    infos: *mut InfoV2,
) -> Code {
    // SAFETY: as above.
    unsafe { list("nvmlDeviceGetComputeRunningProcesses_v2", device, false, count, infos, v2) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Handle,
    count: *mut c_uint,
    infos: *mut InfoV2,
) -> Code {
    // SAFETY: as above.
    unsafe { list("nvmlDeviceGetComputeRunningProcesses_v3", device, false, count, infos, v2) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses(
    device: Handle,
    count: *mut c_uint,
    infos: *mut InfoV1,
) -> Code {
    // SAFETY: as above.
    unsafe { list("nvmlDeviceGetGraphicsRunningProcesses", device, true, count, infos, v1) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v2(
    device: Handle,
    count: *mut c_uint,
    infos: *mut InfoV2,
) -> Code {
    // SAFETY: as above.
    unsafe { list("nvmlDeviceGetGraphicsRunningProcesses_v2", device, true, count, infos, v2) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Handle,
    count: *mut c_uint,
    infos: *mut InfoV2,
) -> Code {
    // SAFETY: as above.
    unsafe { list("nvmlDeviceGetGraphicsRunningProcesses_v3", device, true, count, infos, v2) }
}

/// One sample of each process that uses the device, of now.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: Handle,
    samples: *mut Utilization,
    count: *mut c_uint,
    seen: c_ulonglong,
) -> Code {
    call("nvmlDeviceGetProcessUtilization", |now| {
        let on = handle::of(now, device)?;
        if on.processes.iter().all(|process| process.utilization.is_none()) {
            return Err(code::NOT_SUPPORTED);
        }
        if count.is_null() {
            return Err(code::INVALID_ARGUMENT);
        }
        // As with a driver, the clock goes on when the script changes.
        let timestamp = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_micros() as c_ulonglong);
        let of = |process: &Process| {
            let sm = process.utilization.as_ref()?.at(now.seconds).filter(|sm| *sm > 0)?;
            Some(pids(process.who).into_iter().map(move |pid| (pid, sm as c_uint)))
        };
        let found: Vec<_> =
            on.processes.iter().filter_map(of).flatten().filter(|_| timestamp > seen).collect();
        if found.is_empty() {
            return Err(code::NOT_FOUND);
        }
        // SAFETY: checked for null, and valid by this function's contract.
        let room = unsafe { count.read() } as usize;
        // SAFETY: as above.
        unsafe { put(count, found.len() as c_uint)? };
        if samples.is_null() || room < found.len() {
            return Err(code::INSUFFICIENT_SIZE);
        }
        for (place, (pid, sm)) in found.into_iter().enumerate() {
            let sample = Utilization { pid, timestamp, sm, memory: 0, encoder: 0, decoder: 0 };
            // SAFETY: the place is below `*count`.
            unsafe { put(samples.wrapping_add(place), sample)? };
        }
        Ok(())
    })
}
