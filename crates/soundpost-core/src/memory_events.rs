//! Kills by the kernel for want of memory.

use std::path::PathBuf;

/// Returns how often the OOM killer ended a process of this process's control group (v2), else of the whole machine.
pub fn oom_kills() -> Option<u64> {
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
