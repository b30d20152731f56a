//! A simulated driver library of a test's own, built once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use soundpost_vitals::{GpuSelection, Gpus, Problem, Reading, Readings, Source};
use tempfile::TempDir;

/// Namespaces of a fake `/proc`.
pub(crate) const HOST: &str = "pid:[4026531836]";
pub(crate) const CONTAINER: &str = "pid:[4026532441]";

/// A device that has everything.
pub(crate) const FULL: &str = "
device GPU-8932f937-d72c-4106-c12f-20bd9faed9f6
name NVIDIA L4
memory_total 24GiB
memory_used 6GiB
memory_reserved 512MiB
utilization 75
memory_utilization 30
temperature 61
power 71500
power_limit 72000
clock_graphics 2040
clock_sm 2040
clock_memory 6251
clock_video 1770
fans 2
fan 40
pcie_tx 1500
pcie_rx 2500
throttle 4
energy 123456789
ecc_corrected 3
ecc_uncorrected 1
violation_power 1500000000
violation_thermal 250000000
xid 3600:79
process 11 compute 4GiB sm 40
process 12 graphics 1GiB
process 99 compute 2GiB sm 25
";

/// A library with its script and a fake `/proc`, in a directory of its own.
pub(crate) struct Sim {
    directory: TempDir,
}

impl Sim {
    pub(crate) fn new(script: &str) -> Self {
        Self::without(&[], script)
    }

    /// A library that lacks functions: their names are overwritten, so that `dlsym` does not find them.
    pub(crate) fn without(functions: &[&str], script: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut library = fs::read(library()).unwrap();
        for function in functions {
            let name = format!("\0{function}\0").into_bytes();
            let places: Vec<usize> =
                (0..library.len() - name.len()).filter(|at| library[*at..].starts_with(&name)).collect();
            assert!(!places.is_empty(), "no function {function}");
            places.iter().for_each(|at| library[at + 1] = b'x');
        }
        fs::write(directory.path().join("libnvidia-ml.so.1"), library).unwrap();
        let sim = Self { directory };
        sim.write(script);
        sim.namespace(HOST);
        sim
    }

    /// Replaces the script, as a whole and at once.
    pub(crate) fn write(&self, script: &str) {
        let calls = self.path("calls");
        let text = format!("driver 550.54.14\nnvml 12.550.54.14\ncalls {}\n{script}", calls.display());
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path("nvml-sim.script")).unwrap();
    }

    /// The pid namespace that `/proc` tells of.
    pub(crate) fn namespace(&self, namespace: &str) {
        let link = self.path("proc/self/ns/pid");
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&link);
        symlink(namespace, link).unwrap();
    }

    /// A process in `/proc`, and what it has open.
    pub(crate) fn process(&self, pid: u32, open: &[&str]) {
        let fd = self.path(&format!("proc/{pid}/fd"));
        fs::create_dir_all(&fd).unwrap();
        for (number, path) in open.iter().enumerate() {
            symlink(path, fd.join(number.to_string())).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A source that is impatient.
    pub(crate) fn gpus(&self, which: GpuSelection) -> Gpus {
        Gpus::with_library(self.path("libnvidia-ml.so.1"), which)
            .proc_root(&self.path("proc"))
            .retry(Duration::ZERO)
    }

    /// How often a function was called.
    pub(crate) fn calls(&self, function: &str) -> usize {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().filter(|line| line.split(' ').nth(1) == Some(function)).count()
    }

    /// How often any function was called.
    pub(crate) fn all_calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }
}

/// Returns a sample as lines of an exposition, in order.
pub(crate) fn lines(gpus: &mut Gpus) -> Vec<String> {
    let (lines, dropped) = sample(gpus).unwrap();
    assert_eq!(dropped, [""; 0]);
    lines
}

/// Lines, and the names of what was dropped.
pub(crate) fn sample(gpus: &mut Gpus) -> Result<(Vec<String>, Vec<&'static str>), Problem> {
    let mut readings = Readings::default();
    gpus.sample(&mut readings)?;
    readings.dropped.sort_unstable();
    Ok((text(&readings.readings), readings.dropped))
}

fn text(readings: &[Reading]) -> Vec<String> {
    let line = |reading: &Reading| {
        assert_eq!(reading.quantity.labels.len(), reading.labels.len(), "{reading:?}");
        let labels = reading.quantity.labels.iter().zip(&reading.labels);
        let labels: Vec<String> =
            labels.filter(|(_, v)| !v.is_empty()).map(|(n, v)| format!("{n}={v:?}")).collect();
        let total = if reading.quantity.counter { "_total" } else { "" };
        format!("{}{total}{{{}}} {}", reading.quantity.name, labels.join(","), reading.value)
    };
    let mut lines: Vec<String> = readings.iter().map(line).collect();
    lines.sort_unstable();
    let unique = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0);
    assert_eq!(unique.collect::<std::collections::BTreeSet<_>>().len(), lines.len(), "{lines:#?}");
    lines
}

/// Returns a fast sample as lines in order, and the values for the history alone.
pub(crate) fn fast_sample(gpus: &mut Gpus) -> Result<(Vec<String>, Vec<String>), Problem> {
    let mut readings = Readings::default();
    gpus.fast_source().unwrap().fast_sample(&mut readings)?;
    Ok((text(&readings.readings), text(&readings.aside)))
}

/// Why there is no sample.
pub(crate) fn reason(gpus: &mut Gpus) -> &'static str {
    sample(gpus).unwrap_err().reason
}

/// Lines of one quantity.
pub(crate) fn of<'a>(lines: &'a [String], name: &str) -> Vec<&'a str> {
    let named = lines.iter().filter(|line| line.split('{').next() == Some(name));
    named.map(String::as_str).collect()
}

/// The simulated library. Built into a directory of its own, so that it waits for no lock of the build that
/// runs this test.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let target = test.parent().unwrap().with_file_name("nvml-sim");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nvml-sim/Cargo.toml");
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()))
            .args(["build", "--quiet", "--offline", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .env_remove("CARGO_BUILD_TARGET")
            .status()
            .unwrap();
        assert!(status.success(), "nvml-sim does not build");
        target.join("debug/libnvml_sim.so")
    })
}
