//! A machine made of files: `/proc` and `/sys/fs/cgroup` below a directory of its own.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use soundpost_vitals::{Host, Problem, Readings};
use tempfile::TempDir;

pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const V2_MOUNT: &str =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

pub(crate) struct Machine {
    directory: TempDir,
}

impl Machine {
    /// 4 CPUs, 16 GiB of which 12 are available, no cgroups.
    pub(crate) fn new() -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap() };
        machine.stat(100, 900).write(
            "proc/meminfo",
            "MemTotal:       16777216 kB\nMemFree:         1000000 kB\nMemAvailable:   12582912 kB\n",
        );
        machine.write("proc/loadavg", "1.50 2.00 2.50 3/456 7890\n");
        machine
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn stat(&self, busy: u64, idle: u64) -> &Self {
        let cpus = "cpu0 1 0 0 0\ncpu1 1 0 0 0\ncpu2 1 0 0 0\ncpu3 1 0 0 0\n";
        let text =
            format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n{cpus}intr 1 2 3\nctxt 5\nbtime 1700000000\n");
        self.write("proc/stat", text)
    }

    /// In this group of the v2 hierarchy, of which the part from `shown` is mounted.
    pub(crate) fn v2(&self, group: &str, shown: &str) -> &Self {
        let mount = V2_MOUNT.replacen(" / ", &format!(" {shown} "), 1);
        self.write("proc/self/cgroup", format!("0::{group}\n")).write("proc/self/mountinfo", mount)
    }

    /// Limits and usage of a group of the v2 hierarchy.
    pub(crate) fn v2_group(
        &self,
        group: &str,
        memory: &str,
        current: u64,
        cache: u64,
        cpu: &str,
        usage: u64,
    ) -> &Self {
        let file = |name| format!("sys/fs/cgroup{group}/{name}");
        self.write(&file("memory.max"), format!("{memory}\n"));
        self.write(&file("memory.current"), format!("{current}\n"));
        self.write(
            &file("memory.stat"),
            format!("anon 1\nfile {cache}\ninactive_file {cache}\nactive_file 7\n"),
        );
        self.write(&file("cpu.max"), format!("{cpu}\n"));
        self.write(&file("cpu.stat"), format!("usage_usec {usage}\nuser_usec 1\nthrottled_usec 2500000\n"))
    }
}

/// A host that is sampled by the second, whatever the time is.
pub(crate) struct Sampled {
    host: Host,
    now: Instant,
    pub(crate) readings: Readings,
}

impl Sampled {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self { host: Host::at(machine.path()), now: Instant::now(), readings: Readings::default() }
    }

    pub(crate) fn try_sample(&mut self) -> Result<&mut Self, Problem> {
        self.readings.clear();
        self.now += Duration::from_secs(1);
        self.host.sample_at(self.now, &mut self.readings)?;
        Ok(self)
    }

    pub(crate) fn sample(&mut self) -> &mut Self {
        self.try_sample().unwrap()
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        get(&self.readings, name, "")
    }

    /// Memory used and total.
    pub(crate) fn memory(&self) -> (Option<u64>, Option<u64>) {
        let bytes = |name| self.get(name).map(|value| value as u64);
        (bytes("host_memory_used_bytes"), bytes("host_memory_total_bytes"))
    }

    /// CPU usage and limit.
    pub(crate) fn cpu(&self) -> (Option<f64>, Option<f64>) {
        // Differences of binary fractions are a little off.
        let ratio = self.get("cpu_usage_ratio").map(|ratio| (ratio * 1e9).round() / 1e9);
        (ratio, self.get("cpu_limit_cores"))
    }
}

/// The value of a quantity, by its label if it has one.
pub(crate) fn get(readings: &Readings, name: &str, label: &str) -> Option<f64> {
    let mut found = readings.readings.iter().filter(|reading| {
        reading.quantity.name == name && reading.labels.first().map_or("", String::as_str) == label
    });
    let value = found.next().map(|reading| reading.value);
    assert!(found.next().is_none(), "{name} occurs twice");
    value
}
