//! What an error of NVML means.

use nvml_wrapper::error::NvmlError;

use crate::source::Problem;

/// What to do about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// This device or driver cannot, or may not, say: do not ask again soon.
    Unsupported,
    /// The device or the library is gone: start anew.
    Lost,
    /// Not this time.
    Passing,
}

/// `NVML_ERROR_ARGUMENT_VERSION_MISMATCH` and `NVML_ERROR_DEPRECATED`, which the wrapper has no name for.
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
            // Someone else in this process may have shut the library down once too often.
            NvmlError::GpuLost | NvmlError::Uninitialized => Self::Lost,
            _ => Self::Passing,
        }
    }
}

/// Answers of one device, call by call: what it cannot do is remembered and not asked again.
#[derive(Debug, Default)]
pub(super) struct Answers {
    unsupported: u64,
    lost: bool,
}

impl Answers {
    /// The answer to a question, which has a number of its own below 64; none if there is none.
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

    /// Whether the device is known to have no answer to a question.
    pub(super) fn cannot(&self, question: u8) -> bool {
        self.unsupported & (1_u64 << (question & 63)) != 0
    }

    /// Whether the device was lost; nothing is asked of it any more.
    pub(super) fn lost(&self) -> bool {
        self.lost
    }

    /// Notes that it is.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }
}

/// Why there is nothing to be had from NVML.
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

/// No device to sample.
pub(super) fn no_device(message: &str) -> Problem {
    Problem { reason: "no_device", message: message.to_owned() }
}
