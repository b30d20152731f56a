//! Where the cgroups of this process are, and what they limit.

mod cpu;
mod hierarchy;
mod memory;

pub(super) use cpu::{CpuGroups, CpuLimit};
pub(super) use hierarchy::Hierarchies;
pub(super) use memory::MemoryGroups;
