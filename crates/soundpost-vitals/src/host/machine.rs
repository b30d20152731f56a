//! The machine, or the part of it that the process's cgroup may use.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::unistd::SysconfVar;

use crate::host::cgroup::{CpuGroups, Hierarchies, MemoryEvents, MemoryGroups};
use crate::host::cpu::{GroupShare, Share, Ticks};
use crate::host::file::{Buffer, Watched};
use crate::host::parse::{decimal, keyed, lines, words};
use crate::host::pressure::Pressure;
use crate::host::quantity::{
    CPU_LIMIT, CPU_STEAL, CPU_THROTTLED, CPU_USAGE, LOAD1, MEMORY_EVENTS, MEMORY_TOTAL, MEMORY_USED,
    SWAP_USED,
};
use crate::host::sysconf::positive;
use crate::reading::Readings;
use crate::source::{Problem, Source};

/// Number of samples between two lookups of the cgroup: a process can be moved, and a group can get a controller.
const LOOK_AGAIN: u32 = 60;
/// Maximum number of tasks (`PID_MAX_LIMIT` is 2^22).
const MOST_LOAD: f64 = 4_194_304.0;

/// CPU, memory and load of the host; in a container, those of its limits.
///
/// - `cpu_usage_ratio`: CPU time since the last sample, 0 to 1 of the host's CPUs, or of the lowest CPU limit among the
///   cgroups of this process. Absent in the first sample.
/// - `cpu_limit_cores`: cores that a ratio of 1 stands for.
/// - `cpu_throttled_seconds_total`: time for which a CPU quota delayed tasks; absent without one.
/// - `host_memory_used_bytes`, `host_memory_total_bytes`: of the host, total less available; or of the group with the
///   lowest limit, usage less inactive page cache.
/// - `cpu_steal_seconds_total`, `host_swap_used_bytes`, `load1`: always of the host.
/// - `pressure_waiting_seconds_total`, `pressure_stalled_seconds_total`: of the v2 group of this process, or of the host.
/// - `memory_events_total`: of the group of this process; absent without one.
///
/// It keeps its files open and its last values, so the sampling process makes it.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
    stat: Watched,
    meminfo: Watched,
    loadavg: Watched,
    memory_groups: MemoryGroups,
    memory_events: MemoryEvents,
    cpu_groups: CpuGroups,
    pressure: Pressure,
    ticks_per_second: Option<f64>,
    until_look: u32,
    last: Option<Ticks>,
    group_share: GroupShare,
    buffer: Buffer,
}

impl Host {
    /// Makes the source of this host.
    pub fn new() -> Self {
        Self::at("/")
    }

    /// Makes a source with `proc` and `sys` below a directory, for tests and for a host mounted in a container.
    pub fn at(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref().to_path_buf();
        let file = |name| Watched::new(root.join(name));
        Self {
            stat: file("proc/stat"),
            meminfo: file("proc/meminfo"),
            loadavg: file("proc/loadavg"),
            memory_groups: MemoryGroups::default(),
            memory_events: MemoryEvents::default(),
            cpu_groups: CpuGroups::default(),
            pressure: Pressure::default(),
            ticks_per_second: positive(SysconfVar::CLK_TCK),
            until_look: 0,
            last: None,
            group_share: GroupShare::default(),
            buffer: Buffer::default(),
            root,
        }
    }

    /// Samples at a time of the monotonic clock, see [`Source::sample`].
    ///
    /// # Errors
    /// When nothing can be read.
    pub fn sample_at(&mut self, now: Instant, readings: &mut Readings) -> Result<(), Problem> {
        self.look_for_groups();
        let before = readings.readings.len();
        self.cpu(now, readings);
        self.memory(readings);
        self.load(readings);
        self.pressure.sample(readings, &mut self.buffer);
        self.memory_events
            .read(&mut self.buffer, |event, count| readings.push(&MEMORY_EVENTS, &[event], count as f64));
        if readings.readings.len() > before {
            return Ok(());
        }
        let message =
            format!("nothing can be read below {}: is /proc mounted?", self.root.join("proc").display());
        Err(Problem { reason: "no_procfs", message })
    }

    fn look_for_groups(&mut self) {
        if self.until_look == 0 {
            let hierarchies = Hierarchies::read(&self.root);
            self.memory_groups = MemoryGroups::find(&hierarchies);
            self.memory_events = MemoryEvents::find(&hierarchies);
            self.pressure = Pressure::find(&self.root, &hierarchies);
            self.cpu_groups = CpuGroups::find(&hierarchies);
            self.until_look = LOOK_AGAIN;
        }
        self.until_look -= 1;
    }

    fn cpu(&mut self, now: Instant, readings: &mut Readings) {
        let ticks = self.stat.read(&mut self.buffer).and_then(Ticks::parse);
        let last = std::mem::replace(&mut self.last, ticks);
        let cpus = ticks.map(|ticks| ticks.cpus);
        let machine = cpus.map_or(f64::INFINITY, f64::from);
        let stolen = ticks.zip(self.ticks_per_second).map(|(ticks, rate)| ticks.stolen() as f64 / rate);
        readings.push_if(&CPU_STEAL, &[], stolen);
        if let Some(limit) = self.cpu_groups.limit(machine, &mut self.buffer) {
            put(readings, self.group_share.of(&limit, cpus, now));
            readings.push(&CPU_LIMIT, &[], limit.cores);
            readings.push_if(&CPU_THROTTLED, &[], limit.throttled);
        } else {
            self.group_share.forget();
            if let (Some(ticks), Some(last)) = (&ticks, &last) {
                put(readings, ticks.busy_since(last));
            }
            readings.push_if(&CPU_LIMIT, &[], cpus.map(f64::from));
        }
    }

    fn memory(&mut self, readings: &mut Readings) {
        let text = self.meminfo.read(&mut self.buffer);
        let machine = text.and_then(Memory::parse);
        readings.push_if(&SWAP_USED, &[], text.and_then(swap_used).map(|used| used as f64));
        // The value of v1 for "no limit" is above 2^62.
        let most = machine.map_or(1 << 62, |machine| machine.total);
        let (total, used) = match self.memory_groups.limit(most, &mut self.buffer) {
            Some(limit) => (limit.total, limit.used),
            None => match machine {
                Some(Memory { total, available: Some(available) }) if available > total => {
                    readings.reject(&MEMORY_USED);
                    (total, None)
                }
                Some(Memory { total, available }) => (total, available.map(|available| total - available)),
                None => return,
            },
        };
        readings.push(&MEMORY_TOTAL, &[], total as f64);
        readings.push_within(&MEMORY_USED, &[], used.map(|used| used as f64), &(0.0..=most as f64));
    }

    fn load(&mut self, readings: &mut Readings) {
        let text = self.loadavg.read(&mut self.buffer);
        let load = text.and_then(|text| decimal(words(lines(text).next()?).next()?));
        readings.push_within(&LOAD1, &[], load, &(0.0..=MOST_LOAD));
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        self.sample_at(Instant::now(), readings)
    }
}

/// From `/proc/meminfo`, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    total: u64,
    /// The kernel's estimate of the memory available without swapping: free and reclaimable.
    available: Option<u64>,
}

impl Memory {
    fn parse(meminfo: &[u8]) -> Option<Self> {
        let bytes = |key| keyed(meminfo, key).and_then(|kibibytes| kibibytes.checked_mul(1024));
        Some(Self {
            total: bytes("MemTotal:").filter(|&total| total > 0)?,
            available: bytes("MemAvailable:"),
        })
    }
}

fn swap_used(meminfo: &[u8]) -> Option<u64> {
    let kibibytes = |key| keyed(meminfo, key);
    kibibytes("SwapTotal:")?.checked_sub(kibibytes("SwapFree:")?)?.checked_mul(1024)
}

fn put(readings: &mut Readings, share: Share) {
    match share {
        Share::Ratio(ratio) => readings.push(&CPU_USAGE, &[], ratio),
        Share::Absent => {}
        Share::Impossible => readings.reject(&CPU_USAGE),
    }
}
