//! Memory limits of cgroups, and their use.

use std::path::Path;

use crate::host::cgroup::hierarchy::{Hierarchies, Version};
use crate::host::file::{Buffer, Watched};
use crate::host::parse::{keyed, only_number};

/// Key of the lowest limit that applies to a group of v1, in its `memory.stat`. It includes groups that a container does
/// not show, and leaves out groups above one without `memory.use_hierarchy`.
const APPLIED: &str = "hierarchical_memory_limit";

/// The groups of this process that may limit memory, its own first.
#[derive(Debug, Default)]
pub(in crate::host) struct MemoryGroups {
    levels: Vec<Level>,
    /// `memory.stat` of the own group, in v1.
    own_stat: Option<Watched>,
}

#[derive(Debug)]
struct Level {
    /// Files with a limit each.
    limits: Vec<Watched>,
    usage: Watched,
    stat: Watched,
    /// Key of the reclaimable cache of the group and its children.
    cache: &'static str,
}

/// The lowest limit among the parent groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::host) struct MemoryLimit {
    pub(in crate::host) total: u64,
    /// Bytes used in the group with the limit, without inactive page cache.
    pub(in crate::host) used: Option<u64>,
}

impl MemoryGroups {
    pub(in crate::host) fn find(hierarchies: &Hierarchies) -> Self {
        let Some(hierarchy) = hierarchies.of("memory") else { return Self::default() };
        // Above `memory.high`, the kernel throttles the group and reclaims its memory.
        let (limits, usage, cache): (&[&str], _, _) = match hierarchy.version {
            Version::V1 => (&["memory.limit_in_bytes"], "memory.usage_in_bytes", "total_inactive_file"),
            Version::V2 => (&["memory.max", "memory.high"], "memory.current", "inactive_file"),
        };
        let file = |directory: &Path, name: &str| Watched::new(directory.join(name));
        let levels = hierarchy.directories().map(|directory| Level {
            limits: limits.iter().map(|limit| file(&directory, limit)).filter_map(Watched::opened).collect(),
            usage: file(&directory, usage),
            stat: file(&directory, "memory.stat"),
            cache,
        });
        let own = hierarchy.directories().next().filter(|_| hierarchy.version == Version::V1);
        Self {
            // The root group of v2 has no such files.
            levels: levels.filter(|level| !level.limits.is_empty()).collect(),
            own_stat: own.and_then(|own| file(&own, "memory.stat").opened()),
        }
    }

    /// Returns the lowest limit below `machine` bytes. Of two equal limits the outer one counts, because its
    /// group uses more.
    pub(in crate::host) fn limit(&mut self, machine: u64, buffer: &mut Buffer) -> Option<MemoryLimit> {
        let applied = self.own_stat.as_mut().and_then(|stat| keyed(stat.read(buffer)?, APPLIED));
        let mut tightest: Option<(u64, usize)> = None;
        for (index, level) in self.levels.iter_mut().enumerate() {
            let Some(limit) = level.limit(buffer) else { continue };
            let bound = tightest.map_or(machine.saturating_sub(1), |(bound, _)| bound);
            if limit <= bound && applied.is_none_or(|applied| applied <= limit) {
                tightest = Some((limit, index));
            }
        }
        if let Some(applied) = applied.filter(|applied| (1..machine).contains(applied))
            && tightest.is_none_or(|(bound, _)| applied < bound)
        {
            // A group that is not shown has the limit; of those shown, the outermost uses most.
            tightest = Some((applied, self.levels.len().checked_sub(1)?));
        }
        let (total, index) = tightest?;
        Some(MemoryLimit { total, used: self.levels.get_mut(index)?.used(buffer) })
    }
}

impl Level {
    /// Returns the lowest limit. "max" is not a number; v1 reports 2^63 less a page; 0 would let nothing run.
    fn limit(&mut self, buffer: &mut Buffer) -> Option<u64> {
        let limits = self.limits.iter_mut().filter_map(|limit| limit.read(buffer).and_then(only_number));
        limits.filter(|limit| *limit != 0).min()
    }

    /// Computes use as `docker stats` and the kubelet do: usage less inactive file pages (working set).
    fn used(&mut self, buffer: &mut Buffer) -> Option<u64> {
        let usage = self.usage.read(buffer).and_then(only_number)?;
        let cache = self.stat.read(buffer).and_then(|text| keyed(text, self.cache))?;
        // The two are read one after the other, so the cache may exceed the usage.
        Some(usage.saturating_sub(cache))
    }
}
