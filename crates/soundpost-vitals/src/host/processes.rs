//! The processes of the service.

use std::path::{Path, PathBuf};

use nix::unistd::SysconfVar;

use crate::host::cpu::boot_time;
use crate::host::file::{Buffer, read_once};
use crate::host::parse::{lines, number};
use crate::host::process::{Figures, Process};
use crate::host::quantity::{
    ANONYMOUS, CPU_SECONDS, MAJOR_FAULTS, OPEN_FDS, RESIDENT, RUN_DELAY, START_TIME, SWAPPED, THREADS,
};
use crate::host::sysconf::positive;
use crate::reading::Readings;
use crate::source::{Problem, Source};

/// Maximum memory: 4 PiB, the address space of x86-64.
const MOST_MEMORY: f64 = (1u64 << 52) as f64;
/// `PID_MAX_LIMIT`: every thread has an id of its own.
const MOST_THREADS: f64 = 4_194_304.0;
/// Maximum of `fs.nr_open` in the kernel.
const MOST_DESCRIPTORS: f64 = 2_147_483_647.0;
/// The end of the year 9999.
const LATEST: f64 = 253_402_300_800.0;

/// Memory, CPU time, waiting time, threads, open files and start of every process of the service.
///
/// A process that ended is absent, even if its pid was reused; a zombie counts as ended. Unreadable values of
/// another user's process are absent. With a single process the label `pid` is empty.
#[derive(Debug)]
pub struct Processes {
    root: PathBuf,
    processes: Vec<Process>,
    machine: Machine,
    buffer: Buffer,
}

/// Values that all processes share and that stay constant while the machine runs.
#[derive(Debug)]
struct Machine {
    ticks_per_second: Option<f64>,
    page: Option<f64>,
    /// Kept from the first read: it changes when the clock is set, and a process's start does not.
    boot: Option<f64>,
    /// Whether `/proc/<pid>/fd` reports the number of descriptors as its size.
    sizes: bool,
}

impl Processes {
    /// Makes a source of processes of this machine, without any yet.
    pub fn new() -> Self {
        Self::at("/")
    }

    /// Makes a source of processes with `proc` below a directory.
    pub fn at(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref().to_path_buf();
        let release = read_once(&root.join("proc/sys/kernel/osrelease"));
        let machine = Machine {
            ticks_per_second: positive(SysconfVar::CLK_TCK),
            page: positive(SysconfVar::PAGE_SIZE),
            boot: None,
            sizes: tells_descriptors(&release),
        };
        Self { root, processes: Vec::new(), machine, buffer: Buffer::default() }
    }

    /// Sets the processes. A known pid remains the same process; to accept a reused pid, omit it once.
    pub fn set_pids(&mut self, pids: &[u32]) {
        self.processes.retain(|process| pids.contains(&process.pid));
        for &pid in pids {
            if self.processes.iter().all(|known| known.pid != pid) {
                self.processes.push(Process::new(&self.root, pid));
            }
        }
    }
}

impl Default for Processes {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn set_pids(&mut self, pids: &[u32]) {
        Self::set_pids(self, pids);
    }

    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        if self.machine.boot.is_none() {
            self.machine.boot = boot_time(&read_once(&self.root.join("proc/stat"))).map(|boot| boot as f64);
        }
        let several = self.processes.len() > 1;
        let mut read = 0;
        for process in &mut self.processes {
            if let Some(figures) = process.read(self.machine.sizes, &mut self.buffer) {
                let label = if several { process.label.as_str() } else { "" };
                self.machine.put(&figures, label, readings);
                read += 1;
            }
        }
        if read == 0 && !self.processes.is_empty() && !self.root.join("proc/stat").exists() {
            let message = format!("no process below {}: is /proc mounted?", self.root.join("proc").display());
            return Err(Problem { reason: "no_procfs", message });
        }
        Ok(())
    }
}

impl Machine {
    fn put(&self, figures: &Figures, label: &str, readings: &mut Readings) {
        let seconds = |ticks: u64| self.ticks_per_second.map(|rate| ticks as f64 / rate);
        let stat = figures.stat;
        let resident = self.page.map(|page| stat.pages as f64 * page);
        let start = self.boot.zip(seconds(stat.started)).map(|(boot, after)| boot + after);
        let cpu = seconds(stat.ticks);
        let descriptors = figures.descriptors.map(|count| count as f64);
        for (quantity, value, most) in [
            (&RESIDENT, resident, MOST_MEMORY),
            (&ANONYMOUS, figures.memory.anonymous, MOST_MEMORY),
            (&SWAPPED, figures.memory.swapped, MOST_MEMORY),
            (&MAJOR_FAULTS, Some(stat.major_faults as f64), f64::MAX),
            (&RUN_DELAY, figures.run_delay, LATEST),
            (&CPU_SECONDS, cpu, LATEST),
            (&THREADS, Some(stat.threads as f64), MOST_THREADS),
            (&OPEN_FDS, descriptors, MOST_DESCRIPTORS),
            (&START_TIME, start, LATEST),
        ] {
            readings.push_within(quantity, &[label], value, &(0.0..=most));
        }
    }
}

/// Linux 6.2 and later report the number of descriptors as the size of `/proc/<pid>/fd`.
fn tells_descriptors(release: &[u8]) -> bool {
    let mut parts = lines(release).next().unwrap_or_default().split(|&byte| byte == b'.').map(number);
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    major.zip(minor).is_some_and(|version| version >= (6, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_tell_descriptors() {
        for (release, tells) in [("6.2.0-x\n", true), ("6.18.44-fc\n", true), ("10.0.0\n", true)] {
            assert_eq!(tells_descriptors(release.as_bytes()), tells, "{release:?}");
        }
        for release in ["6.1.99\n", "5.15.0\n", "4.4.0\n", "", "\n", "6.18", "six.two\n"] {
            assert!(!tells_descriptors(release.as_bytes()), "{release:?}");
        }
    }
}
