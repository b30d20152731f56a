//! Whether a pid means the same process to NVML as to us.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// `PROC_PID_INIT_INO` of the kernel's `include/linux/proc_ns.h`: the pid namespace that is nobody's child.
const HOST: &str = "pid:[4026531836]";

/// The pid namespace of this process, through `/proc`.
#[derive(Debug)]
pub(super) struct Namespace {
    root: PathBuf,
    host: bool,
    /// Pids that were seen to hold a GPU, until [`Namespace::forget`].
    holders: BTreeSet<u32>,
}

impl Namespace {
    /// As it is seen in a mounted `proc` file system.
    pub(super) fn at(root: &Path) -> Self {
        let link = fs::read_link(root.join("self/ns/pid")).unwrap_or_default();
        Self { root: root.to_owned(), host: link.as_os_str() == HOST, holders: BTreeSet::new() }
    }

    /// Whether this is the host's own namespace, in which pids are what the driver calls processes.
    pub(super) fn is_host(&self) -> bool {
        self.host
    }

    /// Whether there is such a process here.
    pub(super) fn exists(&self, pid: u32) -> bool {
        pid != 0 && self.root.join(pid.to_string()).exists()
    }

    /// Whether the process has an NVIDIA device open (or WSL's door to it), as each that uses CUDA has.
    pub(super) fn holds_gpu(&mut self, pid: u32) -> bool {
        if self.holders.contains(&pid) {
            return true;
        }
        let Ok(entries) = fs::read_dir(self.root.join(pid.to_string()).join("fd")) else { return false };
        let is_gpu = |path: PathBuf| {
            path.to_str().is_some_and(|path| path.starts_with("/dev/nvidia") || path == "/dev/dxg")
        };
        let holds = entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(is_gpu));
        if holds {
            self.holders.insert(pid);
        }
        holds
    }

    /// Looks again at who holds a GPU: pids are used anew.
    pub(super) fn forget(&mut self) {
        self.holders.clear();
    }
}
