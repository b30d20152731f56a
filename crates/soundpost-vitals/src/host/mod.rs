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
mod process;
mod processes;
pub(crate) mod quantity;

pub use machine::Host;
pub use processes::Processes;
