//! CPU limits of cgroups, and their use.

use std::path::{Path, PathBuf};

use crate::host::cgroup::hierarchy::{Hierarchies, Hierarchy, Version};
use crate::host::file::{Buffer, Watched};
use crate::host::parse::{keyed, lines, number, only_number, words};

/// Period of a quota where it is not stated, microseconds.
const DEFAULT_PERIOD: u64 = 100_000;

/// The groups of this process that may limit CPU time, its own first, and its set of CPUs.
#[derive(Debug, Default)]
pub(in crate::host) struct CpuGroups {
    levels: Vec<Level>,
    /// CPUs that the own group may use, or the nearest group above it with a set. The kernel already applies the
    /// groups above that one.
    set: Option<Watched>,
}

#[derive(Debug)]
struct Level {
    directory: PathBuf,
    quota: Quota,
    stat: Watched,
    /// Only in v1; in v2 `cpu.stat` contains it.
    usage: Option<Watched>,
    version: Version,
}

#[derive(Debug)]
enum Quota {
    /// `cpu.max`: quota and period in microseconds, or `max`.
    V2(Watched),
    /// `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
    V1(Watched, Watched),
}

/// The lowest limit among the parent groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::host) struct CpuLimit<'groups> {
    pub(in crate::host) cores: f64,
    pub(in crate::host) group: &'groups Path,
    /// CPU seconds used by this group and its children.
    pub(in crate::host) used: Option<f64>,
    /// Seconds for which its quota delayed tasks, if the quota is the limit.
    pub(in crate::host) throttled: Option<f64>,
}

impl CpuGroups {
    pub(in crate::host) fn find(hierarchies: &Hierarchies) -> Self {
        let Some(hierarchy) = hierarchies.of("cpu") else { return Self::default() };
        let accounts = hierarchies.of("cpuacct").filter(|found| found.version == Version::V1);
        let level = |level: &PathBuf| Level::new(&hierarchy, accounts.as_ref(), level);
        Self { levels: hierarchy.levels.iter().map(level).collect(), set: find_set(hierarchies) }
    }

    /// Returns the lowest limit below the machine's CPUs. Of two equal limits the outer one counts, because
    /// its group uses more.
    pub(in crate::host) fn limit(&mut self, machine: f64, buffer: &mut Buffer) -> Option<CpuLimit<'_>> {
        let set = self.set.as_mut().and_then(|set| set.read(buffer)).and_then(cpus_of_list);
        let mut tightest = set.filter(|&cpus| cpus < machine).map(|cpus| (cpus, 0, false));
        for (index, level) in self.levels.iter_mut().enumerate() {
            let Some(cores) = level.quota.cores(buffer) else { continue };
            let tighter = tightest.map_or(cores < machine, |(bound, ..)| cores <= bound);
            if tighter {
                tightest = Some((cores, index, true));
            }
        }
        let (cores, index, quota) = tightest?;
        let level = self.levels.get_mut(index)?;
        let (used, throttled) = level.used_and_throttled(buffer);
        Some(CpuLimit { cores, group: &level.directory, used, throttled: throttled.filter(|_| quota) })
    }
}

impl Level {
    fn new(hierarchy: &Hierarchy, accounts: Option<&Hierarchy>, level: &Path) -> Self {
        let directory = hierarchy.mount.join(level);
        let file = |name| Watched::new(directory.join(name));
        let quota = match hierarchy.version {
            Version::V1 => Quota::V1(file("cpu.cfs_quota_us"), file("cpu.cfs_period_us")),
            Version::V2 => Quota::V2(file("cpu.max")),
        };
        let accounts = accounts.filter(|accounts| accounts.levels.iter().any(|known| known == level));
        let usage = accounts.map(|accounts| Watched::new(accounts.mount.join(level).join("cpuacct.usage")));
        Self { quota, stat: file("cpu.stat"), usage, version: hierarchy.version, directory }
    }

    fn used_and_throttled(&mut self, buffer: &mut Buffer) -> (Option<f64>, Option<f64>) {
        let (micro, nano) = (|value| value as f64 / 1e6, |value| value as f64 / 1e9);
        let stat = self.stat.read(buffer);
        match self.version {
            Version::V2 => {
                let value = |key| stat.and_then(|text| keyed(text, key)).map(micro);
                (value("usage_usec"), value("throttled_usec"))
            }
            Version::V1 => {
                let throttled = stat.and_then(|text| keyed(text, "throttled_time")).map(nano);
                let used = self.usage.as_mut().and_then(|usage| usage.read(buffer));
                (used.and_then(only_number).map(nano), throttled)
            }
        }
    }
}

impl Quota {
    /// Returns the cores of the quota; `None` without one.
    fn cores(&mut self, buffer: &mut Buffer) -> Option<f64> {
        let (quota, period) = match self {
            Self::V2(max) => {
                let mut words = words(lines(max.read(buffer)?).next()?);
                (number(words.next()?)?, words.next().map_or(Some(DEFAULT_PERIOD), number)?)
            }
            Self::V1(quota, period) => {
                let quota = quota.read(buffer).and_then(only_number)?;
                (quota, period.read(buffer).and_then(only_number)?)
            }
        };
        (quota > 0 && period > 0).then_some(quota as f64 / period as f64)
    }
}

fn find_set(hierarchies: &Hierarchies) -> Option<Watched> {
    let hierarchy = hierarchies.of("cpuset")?;
    let names: &[&str] = match hierarchy.version {
        Version::V1 => &["cpuset.effective_cpus", "cpuset.cpus"],
        Version::V2 => &["cpuset.cpus.effective"],
    };
    let files = hierarchy.directories().flat_map(|group| names.iter().map(move |name| group.join(name)));
    files.map(Watched::new).find_map(Watched::opened)
}

/// Counts the CPUs in a list such as `0-3,8,10-11`.
fn cpus_of_list(text: &[u8]) -> Option<f64> {
    let line = lines(text).next()?.trim_ascii();
    let mut cpus = 0u64;
    for range in line.split(|&byte| byte == b',') {
        let mut ends = range.splitn(2, |&byte| byte == b'-').map(number);
        let first = ends.next()??;
        let last = ends.next().unwrap_or(Some(first))?;
        cpus = cpus.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(cpus as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_list_of_cpus() {
        for (list, cpus) in [("0\n", 1.0), ("0-1\n", 2.0), ("0-3,8,10-11\n", 7.0)] {
            assert_eq!(cpus_of_list(list.as_bytes()), Some(cpus), "{list:?}");
        }
        for wrong in ["", "\n", "0-3", "3-0\n", "0-\n", "a\n", "0,,1\n", "0-18446744073709551615\n"] {
            assert_eq!(cpus_of_list(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
