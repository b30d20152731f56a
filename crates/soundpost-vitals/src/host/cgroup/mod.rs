//! Cgroups of this process and their limits.

mod cpu;
mod hierarchy;
mod memory;

pub(super) use cpu::{CpuGroups, CpuLimit};
pub(super) use hierarchy::Hierarchies;
pub(super) use memory::MemoryGroups;
