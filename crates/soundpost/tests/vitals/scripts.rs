//! Tests of scripts of the simulated driver.

use std::path::Path;
use std::time::{Duration, Instant};

use super::common::Directory;
use super::sim::{HOST, Sim};
use super::worker::Worker;

const AVAILABLE: &str = "soundpost_gpu_available{reason=\"\"} 1";
const REJECTED: &str = "soundpost_observations_rejected_total{reason=\"implausible\"} ";

/// Returns a device with few values.
const SMALL: &str = "device GPU-1
name NVIDIA L4
memory_total 24GiB
memory_used 6GiB
utilization 75
xid 3600:31
";
const SAID: [&str; 5] = [
    r#"svc_gpu_memory_total_bytes{gpu="0",mig="",name="NVIDIA L4",uuid="GPU-1"} 25769803776"#,
    r#"svc_gpu_memory_used_bytes{gpu="0",mig="",name="NVIDIA L4",uuid="GPU-1"} 6442450944"#,
    r#"svc_gpu_memory_utilization_ratio{gpu="0",mig="",name="NVIDIA L4",uuid="GPU-1"} 0"#,
    r#"svc_gpu_utilization_ratio{gpu="0",mig="",name="NVIDIA L4",uuid="GPU-1"} 0.75"#,
    r#"svc_gpu_xid_errors_total{gpu="0",name="NVIDIA L4",uuid="GPU-1"} 0"#,
];

fn all(lines: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [lines, more].concat()
}

fn start(sim: &Sim, directory: &Directory) -> Worker {
    Worker::start(directory, &sim.path("libnvidia-ml.so.1"), &[])
}

fn none_rejected() -> &'static str {
    "soundpost_observations_rejected_total{reason=\"implausible\"} 0"
}

#[test]
fn no_library() {
    let directory = Directory::new();
    let mut worker = Worker::start(&directory, Path::new("/nowhere/libnvidia-ml.so.1"), &[]);
    worker.must_say(&[r#"soundpost_gpu_available{reason="no_library"} 0"#, none_rejected()]);
    let notices = worker.tell("notices");
    assert_eq!(notices.matches("GPU off: ").count(), 1, "{notices}");
    assert!(notices.contains("SOUNDPOST_NVML_PATH"), "{notices}");
    worker.end();
}

#[test]
fn an_error_at_the_start() {
    let (sim, directory) = (Sim::new("error nvmlInit_v2 lib_rm_version_mismatch"), Directory::new());
    let mut worker = start(&sim, &directory);
    worker.must_say(&[r#"soundpost_gpu_available{reason="version_mismatch"} 0"#, none_rejected()]);
    worker.end();
}

#[test]
fn lost_while_running_and_back() {
    let (sim, directory) = (Sim::new(SMALL), Directory::new());
    let interval = [("SOUNDPOST_TEST_INTERVAL", "1")];
    let mut worker = Worker::start(&directory, &sim.path("libnvidia-ml.so.1"), &interval);
    worker.must_say(&all(&SAID, &[AVAILABLE, none_rejected()]));
    sim.write(&format!("{}error * gpu_is_lost", SMALL.replace("xid 3600:31", "xid 0.05:79")));
    let lost = r#"soundpost_gpu_available{reason="lost"} 0"#;
    // The loss is an XID error, and exposed while other values are missing.
    let xid = SAID[4].replace("} 0", "} 1");
    let last = SAID[4].replace("xid_errors_total", "last_xid").replace("} 0", "} 79");
    worker.must_say(&[lost, &xid, &last, none_rejected()]);
    sim.write(SMALL);
    let back = Instant::now();
    worker.must_say(&[SAID[0], SAID[1], SAID[2], SAID[3], &xid, &last, AVAILABLE, none_rejected()]);
    assert!(back.elapsed() < Duration::from_millis(5_500), "seen after {:?}", back.elapsed());
    worker.end();
}

#[test]
fn a_device_appears() {
    let (sim, directory) = (Sim::new(""), Directory::new());
    let mut worker = start(&sim, &directory);
    worker.must_say(&[r#"soundpost_gpu_available{reason="no_device"} 0"#, none_rejected()]);
    sim.write(SMALL);
    worker.must_say(&all(&SAID, &[AVAILABLE, none_rejected()]));
    worker.end();
}

#[test]
fn every_field_unsupported() {
    let lists = ["Compute", "Graphics"].map(|kind| {
        let fault = |version| format!("error nvmlDeviceGet{kind}RunningProcesses{version} not_supported\n");
        ["", "_v2", "_v3"].map(fault).concat()
    });
    let sim = Sim::new(&format!("{}device GPU-1\nname Old", lists.concat()));
    let directory = Directory::new();
    let mut worker = start(&sim, &directory);
    worker.must_say(&[AVAILABLE, none_rejected()]);
    worker.end();
}

#[test]
fn a_driver_that_hangs() {
    let (sim, directory) = (Sim::new(&format!("hang nvmlInit_v2 30\n{SMALL}")), Directory::new());
    let mut worker = start(&sim, &directory);
    assert!(worker.started < Duration::from_millis(100), "the start took {:?}", worker.started);
    let asked = Instant::now();
    worker.gpus();
    assert!(asked.elapsed() < Duration::from_millis(500), "a scrape took {:?}", asked.elapsed());
    worker.must_say(&[r#"soundpost_gpu_available{reason="hangs"} 0"#, none_rejected()]);
    worker.end();
}

#[test]
fn a_driver_that_hangs_while_running() {
    let (sim, directory) = (Sim::new(SMALL), Directory::new());
    let mut worker = start(&sim, &directory);
    worker.must_say(&all(&SAID, &[AVAILABLE, none_rejected()]));
    sim.write(&format!("hang nvmlDeviceGetMemoryInfo_v2 7\n{SMALL}"));
    worker.must_say(&[r#"soundpost_gpu_available{reason="hangs"} 0"#, none_rejected()]);
    sim.write(SMALL);
    worker.must_say(&all(&SAID, &[AVAILABLE, none_rejected()]));
    worker.end();
}

#[test]
fn garbage_is_dropped_and_counted() {
    let script = format!("{}temperature 644245923\n", SMALL.replace("utilization 75", "utilization 101"));
    let (sim, directory) = (Sim::new(&script), Directory::new());
    let mut worker = start(&sim, &directory);
    let deadline = Instant::now() + Duration::from_secs(10);
    let said = loop {
        let said = worker.gpus();
        let dropped = said.iter().any(|line| line.starts_with(REJECTED) && !line.ends_with(" 0"));
        if dropped && said.iter().any(|line| line == SAID[1]) {
            break said;
        }
        assert!(Instant::now() < deadline, "{said:#?}");
        std::thread::park_timeout(Duration::from_millis(1));
    };
    let named = |name: &str| said.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(named("svc_gpu_temperature_celsius"), 0, "{said:#?}");
    assert_eq!(named("svc_gpu_utilization_ratio"), 0, "{said:#?}");
    assert!(said.contains(&AVAILABLE.to_owned()), "{said:#?}");
    worker.end();
}

#[test]
fn mig_is_on() {
    let script = "device GPU-1
name NVIDIA A100
memory_total 40GiB
memory_used 14GiB
mig MIG-1111 3 0
name NVIDIA A100 MIG 3g.20gb
memory_total 20GiB
memory_used 12GiB
";
    let (sim, directory) = (Sim::new(script), Directory::new());
    let mut worker = start(&sim, &directory);
    worker.must_say(&[
        r#"svc_gpu_memory_total_bytes{gpu="0",mig="",name="NVIDIA A100",uuid="GPU-1"} 42949672960"#,
        r#"svc_gpu_memory_used_bytes{gpu="0",mig="",name="NVIDIA A100",uuid="GPU-1"} 15032385536"#,
        r#"svc_gpu_memory_total_bytes{gpu="0",mig="0",name="NVIDIA A100 MIG 3g.20gb",uuid="MIG-1111"} 21474836480"#,
        r#"svc_gpu_memory_used_bytes{gpu="0",mig="0",name="NVIDIA A100 MIG 3g.20gb",uuid="MIG-1111"} 12884901888"#,
        AVAILABLE,
        none_rejected(),
    ]);
    worker.end();
}

#[test]
fn eight_devices() {
    let script: String = (0..8).map(|n| SMALL.replace("GPU-1", &format!("GPU-{n}"))).collect();
    let (sim, directory) = (Sim::new(&script), Directory::new());
    let mut worker = start(&sim, &directory);
    let device = |n: usize| {
        SAID.map(|line| {
            line.replace("gpu=\"0\"", &format!("gpu=\"{n}\"")).replace("GPU-1", &format!("GPU-{n}"))
        })
    };
    let lines: Vec<String> = (0..8).flat_map(device).collect();
    let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
    expected.extend([AVAILABLE, none_rejected()]);
    worker.must_say(&expected);
    worker.end();
}

#[test]
fn pids_of_the_host() {
    // No process of this namespace has these pids.
    let script = format!("{SMALL}process 4194301 compute 4GiB\nprocess 4194302 compute 1GiB\n");
    let (sim, directory) = (Sim::new(&script), Directory::new());
    let mut worker = start(&sim, &directory);
    worker.must_say(&all(&SAID, &[AVAILABLE, none_rejected()]));
    let said = worker.gpus();
    let memory: Vec<_> = said.iter().filter(|line| line.starts_with("svc_gpu_process_memory")).collect();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    if namespace == Path::new(HOST) {
        assert_eq!(memory, [r#"svc_gpu_process_memory_bytes{gpu="0",pid="other"} 5368709120"#]);
    } else {
        assert_eq!(memory, Vec::<&String>::new(), "whose they are cannot be told in a container");
    }
    worker.end();
}
