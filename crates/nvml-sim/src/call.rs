//! One call: the current script, the count, the hang, the fault.

use std::ffi::{CStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::code::{self, Code};
use crate::parse;
use crate::script::{self, Script};

/// Number of `nvmlInit` calls without `nvmlShutdown`.
pub(crate) static INITIALIZED: AtomicU32 = AtomicU32::new(0);

static LOADED: Mutex<Option<Arc<Loaded>>> = Mutex::new(None);

/// A parsed script.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `None` for an invalid script.
    pub(crate) script: Option<Script>,
    /// Time when the file was written; its seconds count from here.
    pub(crate) written: SystemTime,
    stamp: (u64, SystemTime, u64),
}

/// Context of a function.
pub(crate) struct Now<'a> {
    pub(crate) script: &'a Script,
    pub(crate) written: SystemTime,
    pub(crate) seconds: f64,
    pub(crate) function: &'static str,
}

/// Runs a function of NVML under the script.
pub(crate) fn call(function: &'static str, then: impl FnOnce(&Now<'_>) -> Result<(), Code>) -> Code {
    answer(function, true, then).map_or_else(|code| code, |()| code::SUCCESS)
}

/// Like [`call`], also before `nvmlInit`.
pub(crate) fn call_early(function: &'static str, then: impl FnOnce(&Now<'_>) -> Result<(), Code>) -> Code {
    answer(function, false, then).map_or_else(|code| code, |()| code::SUCCESS)
}

fn answer(
    function: &'static str,
    initialized: bool,
    then: impl FnOnce(&Now<'_>) -> Result<(), Code>,
) -> Result<(), Code> {
    let loaded = current().ok_or(code::DRIVER_NOT_LOADED)?;
    let script = loaded.script.as_ref().ok_or(code::UNKNOWN)?;
    if let Some(path) = &script.calls {
        count(path, function);
    }
    if let Some((_, seconds)) = script.hangs.iter().find(|(name, _)| name == "*" || name == function) {
        std::thread::sleep(Duration::try_from_secs_f64(*seconds).unwrap_or_default());
    }
    let seconds = loaded.written.elapsed().unwrap_or_default().as_secs_f64();
    if let Some(code) = script::fault(&script.faults, function, seconds) {
        return if code == code::SUCCESS { Ok(()) } else { Err(code) };
    }
    if initialized && INITIALIZED.load(Ordering::Relaxed) == 0 {
        return Err(code::UNINITIALIZED);
    }
    then(&Now { script, written: loaded.written, seconds, function })
}

/// Returns the current script; `None` without a file.
fn current() -> Option<Arc<Loaded>> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let path = path()?;
    let metadata = std::fs::metadata(&path).ok()?;
    let stamp = (metadata.ino(), metadata.modified().ok()?, metadata.len());
    if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.stamp == stamp) {
        return Some(Arc::clone(loaded));
    }
    let mut text = String::new();
    File::open(&path).ok()?.read_to_string(&mut text).ok()?;
    let script = parse::script(&text)
        .inspect_err(|line| eprintln!("nvml-sim: {}: cannot understand {line}", path.display()))
        .ok();
    let new = Arc::new(Loaded { script, written: stamp.1, stamp });
    *loaded = Some(Arc::clone(&new));
    Some(new)
}

fn path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("NVML_SIM_SCRIPT") {
        return Some(path.into());
    }
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: the address is one of this library, and `info` is a valid place for the answer.
    let found = unsafe { libc::dladdr(std::ptr::from_ref(&INITIALIZED).cast(), &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: `dladdr` answered, so the name is text that lives as long as this library is loaded.
    let library = unsafe { CStr::from_ptr(info.dli_fname) };
    let library = PathBuf::from(OsString::from_vec(library.to_bytes().to_vec()));
    Some(library.with_file_name("nvml-sim.script"))
}

/// Appends a line by one write, so that lines of several processes stay intact.
fn count(path: &PathBuf, function: &str) {
    let line = format!("{} {function}\n", std::process::id());
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        let _ = file.write_all(line.as_bytes());
    }
}
