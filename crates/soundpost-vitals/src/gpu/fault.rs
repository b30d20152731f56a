//! Classification of NVML errors.

use nvml_wrapper::error::NvmlError;

use crate::source::Problem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not supported or not permitted: not retried soon.
    Unsupported,
    /// The device or the library is gone: start NVML again.
    Lost,
    Passing,
}

/// `NVML_ERROR_ARGUMENT_VERSION_MISMATCH` and `NVML_ERROR_DEPRECATED`, which the wrapper does not name.
const VERSION_MISMATCH: u32 = 25;
const DEPRECATED: u32 = 26;

impl Fault {
    pub(super) fn of(error: &NvmlError) -> Self {
        match error {
            NvmlError::NotSupported
            | NvmlError::FailedToLoadSymbol(_)
            | NvmlError::FunctionNotFound
            | NvmlError::InvalidArg
            | NvmlError::NoPermission
            | NvmlError::UnexpectedVariant(VERSION_MISMATCH | DEPRECATED) => Self::Unsupported,
            // Other code in this process may have shut the library down once too often.
            NvmlError::GpuLost | NvmlError::Uninitialized => Self::Lost,
            _ => Self::Passing,
        }
    }
}

/// Results of one device's calls; unsupported calls are remembered and not repeated.
#[derive(Debug, Default)]
pub(super) struct Answers {
    unsupported: u64,
    lost: bool,
}

impl Answers {
    /// Returns the result of a call; each call has a number below 64.
    pub(super) fn ask<T>(&mut self, question: u8, call: impl FnOnce() -> Result<T, NvmlError>) -> Option<T> {
        let bit = 1_u64 << (question & 63);
        if self.lost || self.unsupported & bit != 0 {
            return None;
        }
        match call() {
            Ok(answer) => Some(answer),
            Err(error) => {
                match Fault::of(&error) {
                    Fault::Unsupported => self.unsupported |= bit,
                    Fault::Lost => self.lost = true,
                    Fault::Passing => {}
                }
                None
            }
        }
    }

    /// Reports whether the device does not support a call.
    pub(super) fn cannot(&self, question: u8) -> bool {
        self.unsupported & (1_u64 << (question & 63)) != 0
    }

    /// Reports whether the device was lost; no further call is made.
    pub(super) fn lost(&self) -> bool {
        self.lost
    }

    pub(super) fn lose(&mut self) {
        self.lost = true;
    }
}

/// Reason why NVML is unavailable.
pub(super) fn problem(error: &NvmlError) -> Problem {
    let (reason, advice) = match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => (
            "no_library",
            "the NVIDIA driver's library libnvidia-ml.so.1 is not here; in a container ask for the \
             capability \"utility\", elsewhere name it in SOUNDPOST_NVML_PATH",
        ),
        NvmlError::DriverNotLoaded => ("no_driver", "the NVIDIA kernel driver is not loaded"),
        NvmlError::NoPermission | NvmlError::OperatingSystem => {
            ("no_permission", "this user or container may not open the NVIDIA devices")
        }
        NvmlError::LibRmVersionMismatch => (
            "version_mismatch",
            "the NVIDIA library and the loaded kernel driver are of different versions; restart the machine \
             or the container after a driver update",
        ),
        NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => {
            ("version_mismatch", "the library is too old, or it is not NVIDIA's")
        }
        NvmlError::GpuLost => ("lost", "the GPU has fallen off the bus or cannot be reached"),
        _ => ("failed", "NVML does not start"),
    };
    Problem { reason, message: format!("{advice} ({error})") }
}

pub(super) fn no_device(message: &str) -> Problem {
    Problem { reason: "no_device", message: message.to_owned() }
}
