//! A `libnvidia-ml.so.1` for tests, scripted by a file.
//!
//! The library exports the C functions of NVML that a monitor calls, with the signatures of `nvml.h`, and
//! answers them from a script: which devices there are, what each value is over time, which function fails
//! with which code, which one hangs. The script is read again whenever the file changes, so a test can make
//! a device fall off the bus while something samples it.
//!
//! The script is the file named by the environment variable `NVML_SIM_SCRIPT`, or, where that is unset,
//! the file `nvml-sim.script` beside the library: a test that copies the library into a directory of its
//! own has a simulator of its own, also within one process. Without a script `nvmlInit_v2` says that no
//! driver is loaded.
//!
//! `scripts/demo.script` is one to begin with:
//!
//! ```text
//! cargo build -p nvml-sim
//! SOUNDPOST_NVML_PATH=target/debug/libnvml_sim.so NVML_SIM_SCRIPT=crates/nvml-sim/scripts/demo.script ...
//! ```
//!
//! # Script
//!
//! One setting a line, `#` begins a comment. A line that cannot be understood makes `nvmlInit_v2` answer
//! `NVML_ERROR_UNKNOWN` and is told on standard error.
//!
//! ```text
//! driver 550.54.14            # nvmlSystemGetDriverVersion
//! nvml 12.550.54.14           # nvmlSystemGetNVMLVersion
//! cuda 12040                  # nvmlSystemGetCudaDriverVersion_v2
//! calls /tmp/calls            # append a line "<pid> <function>" for each call
//! error <function> <code> [from [until]]   # the function fails; `*` is every function of a device
//! hang <function> <seconds>   # the function sleeps first; `*` is every function
//!
//! device GPU-8932f937-d72c-4106-c12f-20bd9faed9f6   # begins a device; what follows is about it
//! name NVIDIA L4
//! memory_total 24GiB
//! memory_used 2GiB 5:6GiB 9:2GiB
//! memory_reserved 512MiB
//! process 4711 compute 1GiB   # or: graphics; or: self, the process that asks; siblings, it
//!                             # and those of its parent; or: none, no memory given
//! process 4712 compute 1GiB sm 40 9:0   # its kernels run 40 % of the time, from second 9 none
//! appears 5                   # the device is there from second 5
//! vanishes 9                  # and no longer from second 9
//! xid 5:79 9:31               # XID errors at seconds 5 and 9
//! error nvmlDeviceGetPowerUsage not_supported      # of this device only
//! mig MIG-1f1c... 1 0         # a MIG device: UUID, GPU instance, compute instance; its values follow
//! memory_total 10GiB
//! ```
//!
//! Values of a device: `memory_total`, `memory_used`, `memory_reserved` (bytes), `utilization`,
//! `memory_utilization` (percent), `temperature` (Celsius), `power`, `power_limit` (milliwatts),
//! `clock_graphics`, `clock_sm`, `clock_memory`, `clock_video` (MHz), `fans` (how many), `fan` (percent),
//! `pcie_tx`, `pcie_rx` (KB/s), `throttle` (bits), `energy` (millijoules), `ecc_corrected`,
//! `ecc_uncorrected`, `violation_power`, `violation_thermal`, `violation_sync_boost`, `violation_board_limit`,
//! `violation_reliability` (nanoseconds). A value that a device does not name is `NVML_ERROR_NOT_SUPPORTED`.
//!
//! A value is an integer (with `KiB`, `MiB`, `GiB`), from second 0, then `second:value` for each change, or
//! `low..high/period`, which rises and falls within so many seconds. Seconds count from the script's last
//! modification, so that all processes agree. A code is a number or its name in `nvml.h` in lower case
//! without `NVML_ERROR_`: `gpu_is_lost`, `not_supported`, `lib_rm_version_mismatch`.
//!
//! An old driver is `error nvmlDeviceGetMemoryInfo_v2 function_not_found`. To have a symbol really absent,
//! copy the library and overwrite the name in the copy: `dlsym` compares names.

mod call;
mod code;
mod device;
mod event;
mod handle;
mod mig;
mod parse;
mod process;
mod script;
mod system;
mod value;
