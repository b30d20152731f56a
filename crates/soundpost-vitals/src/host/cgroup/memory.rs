//! Memory limits of cgroups, and their use.

use crate::host::cgroup::hierarchy::{Hierarchies, Version};
use crate::host::file::{Buffer, Watched};
use crate::host::parse::{keyed, only_number};

/// The groups of this process that may limit memory, its own first.
#[derive(Debug, Default)]
pub(in crate::host) struct MemoryGroups {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    limit: Watched,
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
        let [limit, usage, cache] = match hierarchy.version {
            Version::V1 => ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"],
            Version::V2 => ["memory.max", "memory.current", "inactive_file"],
        };
        let levels = hierarchy.directories().map(|directory| Level {
            limit: Watched::new(directory.join(limit)),
            usage: Watched::new(directory.join(usage)),
            stat: Watched::new(directory.join("memory.stat")),
            cache,
        });
        // The root group of v2 has no such files.
        Self { levels: levels.filter_map(|mut level| level.limit.open().then_some(level)).collect() }
    }

    /// Returns the lowest limit below `machine` bytes. Of two equal limits the outer one counts, because its
    /// group uses more.
    pub(in crate::host) fn limit(&mut self, machine: u64, buffer: &mut Buffer) -> Option<MemoryLimit> {
        let mut tightest: Option<(u64, &mut Level)> = None;
        for level in &mut self.levels {
            // "max" is not a number; v1 reports 2^63 less a page; 0 would let nothing run.
            let Some(limit) = level.limit.read(buffer).and_then(only_number) else { continue };
            let bound = tightest.as_ref().map_or(machine.saturating_sub(1), |(bound, _)| *bound);
            if limit != 0 && limit <= bound {
                tightest = Some((limit, level));
            }
        }
        let (total, level) = tightest?;
        Some(MemoryLimit { total, used: level.used(buffer) })
    }
}

impl Level {
    /// Computes use as `docker stats` and the kubelet do: usage less inactive file pages (working set).
    fn used(&mut self, buffer: &mut Buffer) -> Option<u64> {
        let usage = self.usage.read(buffer).and_then(only_number)?;
        let cache = self.stat.read(buffer).and_then(|text| keyed(text, self.cache))?;
        // The two are read one after the other, so the cache may exceed the usage.
        Some(usage.saturating_sub(cache))
    }
}
