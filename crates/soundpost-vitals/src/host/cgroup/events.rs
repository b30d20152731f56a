//! Events of the memory limit of this process's cgroup.

use std::path::Path;

use crate::host::cgroup::hierarchy::{Hierarchies, Version};
use crate::host::file::{Buffer, Watched, read_once};
use crate::host::parse::{keyed, only_number};

/// The files of the own group, with the key and the name of each event; a file without keys contains one number.
#[derive(Debug, Default)]
pub(in crate::host) struct MemoryEvents {
    files: Vec<(Watched, &'static [(&'static str, &'static str)])>,
}

impl MemoryEvents {
    pub(in crate::host) fn find(hierarchies: &Hierarchies) -> Self {
        let Some(hierarchy) = hierarchies.of("memory") else { return Self::default() };
        let names: &[(&str, &[(&str, &str)])] = match hierarchy.version {
            Version::V1 => {
                &[("memory.oom_control", &[("oom_kill", "oom_kill")]), ("memory.failcnt", &[("", "max")])]
            }
            Version::V2 => {
                &[("memory.events", &[("high", "high"), ("max", "max"), ("oom_kill", "oom_kill")])]
            }
        };
        let Some(own) = hierarchy.directories().next() else { return Self::default() };
        let open =
            |(name, keys): &(&str, &'static [_])| Some((Watched::new(own.join(name)).opened()?, *keys));
        Self { files: names.iter().filter_map(open).collect() }
    }

    /// Calls `event` with the name and the count of each event since the group was made.
    pub(in crate::host) fn read(&mut self, buffer: &mut Buffer, mut event: impl FnMut(&'static str, u64)) {
        for (file, keys) in &mut self.files {
            let Some(text) = file.read(buffer) else { continue };
            for (key, name) in *keys {
                let count = if key.is_empty() { only_number(text) } else { keyed(text, key) };
                count.into_iter().for_each(|count| event(name, count));
            }
        }
    }
}

/// Returns how often the OOM killer ended a process of this process's cgroup, or of the machine if no group limits
/// its memory.
pub fn oom_kills() -> Option<u64> {
    oom_kills_at(Path::new("/"))
}

fn oom_kills_at(root: &Path) -> Option<u64> {
    let hierarchies = Hierarchies::read(root);
    let mut kills = None;
    MemoryEvents::find(&hierarchies).read(&mut Buffer::default(), |name, count| {
        kills = (name == "oom_kill").then_some(count).or(kills);
    });
    // Only a group that is not the machine accounts its usage; the machine's kills are mostly those of others.
    let usage = ["memory.current", "memory.usage_in_bytes"];
    let own = hierarchies.of("memory").and_then(|hierarchy| hierarchy.directories().next());
    let is_group = own.is_some_and(|own| usage.iter().any(|name| own.join(name).exists()));
    kills.or_else(|| keyed(&read_once(&root.join("proc/vmstat")), "oom_kill").filter(|_| !is_group))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    fn kills(mounts: &str, groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        let system =
            [("proc/self/mountinfo", mounts), ("proc/self/cgroup", groups), ("proc/vmstat", "oom_kill 9\n")];
        for (path, text) in system.iter().chain(files) {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        oom_kills_at(root.path())
    }

    #[test]
    fn kills_of_the_own_group_count() {
        let control =
            [("sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")];
        assert_eq!(kills(V1, "4:memory:/a\n0::/\n", &control), Some(2));
        let events = [("sys/fs/cgroup/a/memory.events", "low 0\nhigh 1\nmax 5\noom 3\noom_kill 3\n")];
        assert_eq!(kills(V2, "0::/a\n", &events), Some(3));
        // In a container with a namespace of its own the group is the mount.
        let events = [("sys/fs/cgroup/memory.events", "oom_kill 4\n")];
        assert_eq!(kills(V2, "0::/\n", &events), Some(4));
    }

    #[test]
    fn kills_of_the_machine_count_outside_of_groups_only() {
        assert_eq!(kills("", "", &[]), Some(9));
        assert_eq!(kills(V2, "0::/\n", &[]), Some(9));
        // A kernel whose group does not count kills.
        let control = [
            ("sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1\n"),
        ];
        assert_eq!(kills(V1, "4:memory:/a\n0::/\n", &control), None);
    }
}
