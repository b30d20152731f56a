//! The codes of `nvmlReturn_t`.

/// Return code of a function.
pub(crate) type Code = u32;

pub(crate) const SUCCESS: Code = 0;
pub(crate) const UNINITIALIZED: Code = 1;
pub(crate) const INVALID_ARGUMENT: Code = 2;
pub(crate) const NOT_SUPPORTED: Code = 3;
pub(crate) const NOT_FOUND: Code = 6;
pub(crate) const INSUFFICIENT_SIZE: Code = 7;
pub(crate) const DRIVER_NOT_LOADED: Code = 9;
pub(crate) const TIMEOUT: Code = 10;
pub(crate) const GPU_IS_LOST: Code = 15;
pub(crate) const ARGUMENT_VERSION_MISMATCH: Code = 25;
pub(crate) const UNKNOWN: Code = 999;

/// Names as in `nvml.h` without `NVML_ERROR_`, in lower case; the index is the code.
const NAMES: [&str; 31] = [
    "success",
    "uninitialized",
    "invalid_argument",
    "not_supported",
    "no_permission",
    "already_initialized",
    "not_found",
    "insufficient_size",
    "insufficient_power",
    "driver_not_loaded",
    "timeout",
    "irq_issue",
    "library_not_found",
    "function_not_found",
    "corrupted_inforom",
    "gpu_is_lost",
    "reset_required",
    "operating_system",
    "lib_rm_version_mismatch",
    "in_use",
    "memory",
    "no_data",
    "vgpu_ecc_not_supported",
    "insufficient_resources",
    "freq_not_supported",
    "argument_version_mismatch",
    "deprecated",
    "not_ready",
    "gpu_not_found",
    "invalid_state",
    "reset_type_not_supported",
];

/// Returns the code of a number or a name.
pub(crate) fn parse(text: &str) -> Option<Code> {
    let named = NAMES.iter().position(|name| *name == text).and_then(|code| Code::try_from(code).ok());
    named.or_else(|| (text == "unknown").then_some(UNKNOWN)).or_else(|| text.parse().ok())
}
