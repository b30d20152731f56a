//! The host and the processes of the service, read from `/proc` and the cgroup file systems.
//!
//! Sources of the rules: `Documentation/filesystems/proc.rst`, `Documentation/admin-guide/cgroup-v2.rst` and
//! `Documentation/admin-guide/cgroup-v1/` of the Linux kernel, proc(5) and cgroups(7).

#![forbid(unsafe_code)]

mod cgroup;
mod cpu;
mod file;
mod machine;
mod parse;
mod places;
mod pressure;
mod process;
mod processes;
pub(crate) mod quantity;
mod run_delay;
mod sysconf;

pub use cgroup::oom_kills;
pub use machine::Host;
pub use places::Places;
pub use processes::Processes;
