//! Contents of a script.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::code::Code;
use crate::value::Value;

/// A function that fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Name of the function, or `*`.
    pub(crate) function: String,
    pub(crate) code: Code,
    /// Seconds after the script was written.
    pub(crate) from: f64,
    pub(crate) until: f64,
}

impl Fault {
    /// Reports whether the fault applies to this function at this time.
    fn applies(&self, function: &str, seconds: f64) -> bool {
        self.function == function && (self.from..self.until).contains(&seconds)
    }
}

/// Returns the first fault of a function.
pub(crate) fn fault(faults: &[Fault], function: &str, seconds: f64) -> Option<Code> {
    faults.iter().find(|fault| fault.applies(function, seconds)).map(|fault| fault.code)
}

/// Returns the first fault of a function of a device, which `*` also names.
pub(crate) fn device_fault(faults: &[Fault], function: &str, seconds: f64) -> Option<Code> {
    let applies = |fault: &&Fault| fault.applies(function, seconds) || fault.applies("*", seconds);
    faults.iter().find(applies).map(|fault| fault.code)
}

/// Identity of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Who {
    Pid(u32),
    /// The calling process.
    Asker,
    /// The calling process and its siblings: workers of a server.
    Siblings,
}

/// A process that uses a device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process {
    pub(crate) who: Who,
    pub(crate) graphics: bool,
    /// `None`: not reported by NVML.
    pub(crate) memory: Option<Value>,
    /// Percent of the time in which its kernels run; `None`: it uses none.
    pub(crate) utilization: Option<Value>,
}

/// A device or a MIG device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Device {
    pub(crate) uuid: String,
    pub(crate) name: Option<String>,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) processes: Vec<Process>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) appears: f64,
    pub(crate) vanishes: Option<f64>,
    pub(crate) xid: Option<Value>,
    /// GPU and compute instance, of a MIG device.
    pub(crate) instance: (u32, u32),
    pub(crate) migs: Vec<Device>,
}

impl Device {
    pub(crate) fn is_there(&self, seconds: f64) -> bool {
        seconds >= self.appears && self.vanishes.is_none_or(|vanishes| seconds < vanishes)
    }
}

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) driver: Option<String>,
    pub(crate) nvml: Option<String>,
    pub(crate) cuda: Option<i32>,
    pub(crate) calls: Option<PathBuf>,
    pub(crate) faults: Vec<Fault>,
    /// Function, or `*`, and seconds.
    pub(crate) hangs: Vec<(String, f64)>,
    pub(crate) devices: Vec<Device>,
}
