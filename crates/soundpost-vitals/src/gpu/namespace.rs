//! Test whether pids mean the same processes to NVML as in this pid namespace.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// `PROC_PID_INIT_INO` of the kernel's `include/linux/proc_ns.h`: the initial pid namespace.
const HOST: &str = "pid:[4026531836]";

/// The pid namespace of this process, through `/proc`.
#[derive(Debug)]
pub(super) struct Namespace {
    root: PathBuf,
    host: bool,
    /// Pids known to hold a GPU, until [`Namespace::forget`].
    holders: BTreeSet<u32>,
}

impl Namespace {
    /// Reads the namespace of a mounted `proc` file system.
    pub(super) fn at(root: &Path) -> Self {
        let link = fs::read_link(root.join("self/ns/pid")).unwrap_or_default();
        Self { root: root.to_owned(), host: link.as_os_str() == HOST, holders: BTreeSet::new() }
    }

    /// Reports whether this is the initial namespace, whose pids the driver uses.
    pub(super) fn is_host(&self) -> bool {
        self.host
    }

    pub(super) fn exists(&self, pid: u32) -> bool {
        pid != 0 && self.root.join(pid.to_string()).exists()
    }

    /// Reports whether the process has an NVIDIA device (or WSL's equivalent) open, as every CUDA process has.
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

    /// Forgets the holders of GPUs, because pids are reused.
    pub(super) fn forget(&mut self) {
        self.holders.clear();
    }
}
