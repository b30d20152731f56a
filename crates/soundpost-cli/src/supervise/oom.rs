//! Kills by the kernel's OOM killer.

use std::path::PathBuf;

/// OOM kills in this process's control group since a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OomCounter {
    before: Option<u64>,
}

impl OomCounter {
    pub(super) fn start() -> Self {
        Self { before: kills() }
    }

    /// Whether there was a kill since the start.
    pub(super) fn has_kills(self) -> bool {
        matches!((self.before, kills()), (Some(before), Some(now)) if now > before)
    }
}

/// Reads `oom_kill` of `memory.events` (cgroup v2), else that of the whole machine.
fn kills() -> Option<u64> {
    let group = std::fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("0::/")));
    let events = group.map(|group| PathBuf::from("/sys/fs/cgroup").join(group).join("memory.events"));
    let files =
        events.into_iter().chain([PathBuf::from("/sys/fs/cgroup/memory.events"), "/proc/vmstat".into()]);
    files.filter_map(|file| std::fs::read_to_string(file).ok()).find_map(|text| {
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
        count.trim().parse().ok()
    })
}
