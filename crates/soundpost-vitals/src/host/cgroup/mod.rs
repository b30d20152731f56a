//! Cgroups of this process and their limits.

mod cpu;
mod events;
mod hierarchy;
mod memory;

pub(super) use cpu::{CpuGroups, CpuLimit};
pub(super) use events::MemoryEvents;
pub use events::oom_kills;
pub(super) use hierarchy::Hierarchies;
pub(super) use memory::MemoryGroups;
