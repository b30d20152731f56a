//! No library, no driver, no permission, devices that are lost, hang or come late.

use std::time::{Duration, Instant};

use soundpost_vitals::{GpuSelection, Gpus};

use super::common::until;
use super::sim::{FULL, Sim, lines, of, reason, sample};

#[test]
fn no_library() {
    let mut gpus = Gpus::with_library("/nowhere/libnvidia-ml.so.1", GpuSelection::All);
    let problem = sample(&mut gpus).unwrap_err();
    assert_eq!(problem.reason, "no_library");
    assert!(problem.message.contains("SOUNDPOST_NVML_PATH"), "{problem}");
}

#[test]
fn a_library_that_is_not_nvml() {
    let sim = Sim::new(FULL);
    std::fs::write(sim.path("libnvidia-ml.so.1"), "no library").unwrap();
    assert_eq!(reason(&mut sim.gpus(GpuSelection::All)), "no_library");
    let sim = Sim::without(&["nvmlInit_v2"], FULL);
    assert_eq!(reason(&mut sim.gpus(GpuSelection::All)), "version_mismatch");
}

#[test]
fn errors_of_the_start() {
    for (code, expected) in [
        ("driver_not_loaded", "no_driver"),
        ("no_permission", "no_permission"),
        ("operating_system", "no_permission"),
        ("lib_rm_version_mismatch", "version_mismatch"),
        ("library_not_found", "no_library"),
        ("gpu_is_lost", "lost"),
        ("unknown", "failed"),
        ("12345", "failed"),
    ] {
        let sim = Sim::new(&format!("error nvmlInit_v2 {code}\n{FULL}"));
        assert_eq!(reason(&mut sim.gpus(GpuSelection::All)), expected, "{code}");
    }
}

#[test]
fn a_failed_start_is_retried_but_not_at_each_sample() {
    let sim = Sim::new("error nvmlInit_v2 driver_not_loaded");
    let mut gpus = sim.gpus(GpuSelection::All).retry(Duration::from_secs(2));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(100) {
        assert_eq!(reason(&mut gpus), "no_driver");
    }
    assert_eq!(sim.calls("nvmlInit_v2"), 1);
    sim.write(FULL);
    assert_eq!(reason(&mut gpus), "no_driver");
    until(|| sample(&mut gpus).is_ok());
    assert!(start.elapsed() >= Duration::from_secs(2), "not before the time");
    assert_eq!(lines(&mut gpus).len(), 28);
    assert_eq!(sim.calls("nvmlInit_v2"), 2);
}

#[test]
fn no_device() {
    let sim = Sim::new("");
    assert_eq!(reason(&mut sim.gpus(GpuSelection::All)), "no_device");
    let sim = Sim::new(&format!("{FULL}error * no_permission"));
    assert_eq!(reason(&mut sim.gpus(GpuSelection::All)), "no_permission");
}

#[test]
fn a_device_is_lost_and_comes_back() {
    let two = FULL.to_owned() + &FULL.replace("GPU-8932f937", "GPU-b0000000");
    let sim = Sim::new(&two);
    let mut gpus = sim.gpus(GpuSelection::All).retry(Duration::from_secs(2));
    assert_eq!(lines(&mut gpus).len(), 56);

    sim.write(&(two.clone() + "error * gpu_is_lost"));
    let left = lines(&mut gpus);
    assert_eq!(left.len(), 28 + 1, "the other device stays, and the XID errors of the lost one");
    // Started again at once, and then not at each sample while the device stays lost.
    for _ in 0..5 {
        assert_eq!(lines(&mut gpus), left);
    }
    assert_eq!(sim.calls("nvmlInit_v2"), 2);
    assert_eq!(sim.calls("nvmlShutdown"), 1);

    sim.write(&two);
    until(|| lines(&mut gpus).len() == 56);
    assert_eq!(sim.calls("nvmlInit_v2"), 3);
}

#[test]
fn the_only_device_is_lost_and_comes_back() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(lines(&mut gpus).len(), 28);
    sim.write(&(FULL.to_owned() + "error * gpu_is_lost"));
    for _ in 0..3 {
        assert_eq!(reason(&mut gpus), "lost");
    }
    sim.write(FULL);
    assert_eq!(lines(&mut gpus).len(), 28);
}

#[test]
fn the_library_is_shut_down_by_someone_else() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(lines(&mut gpus).len(), 28);
    sim.write(&("error * uninitialized\n".to_owned() + FULL));
    assert_eq!(reason(&mut gpus), "lost");
    sim.write(FULL);
    assert_eq!(lines(&mut gpus).len(), 28);
}

#[test]
fn a_device_appears_and_vanishes() {
    let second = FULL.replace("GPU-8932f937", "GPU-b0000000");
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 1);
    sim.write(&format!("{FULL}{second}appears 1"));
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 1);
    until(|| of(&lines(&mut gpus), "gpu_memory_used_bytes").len() == 2);
    let both = lines(&mut gpus);
    let used = of(&both, "gpu_memory_used_bytes");
    assert!(used[1].contains(r#"gpu="1",uuid="GPU-b0000000"#), "{used:?}");
    sim.write(&format!("{FULL}{second}vanishes 0"));
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 1);
    assert_eq!(sim.calls("nvmlInit_v2"), 1);
}

#[test]
fn a_device_that_only_the_kernel_knows_of_starts_nvml_again() {
    let sim = Sim::new(FULL);
    let bus = |name: &str| std::fs::create_dir_all(sim.path("proc/driver/nvidia/gpus").join(name)).unwrap();
    bus("0000:01:00.0");
    let mut gpus = sim.gpus(GpuSelection::All).refresh(Duration::ZERO);
    lines(&mut gpus);
    lines(&mut gpus);
    assert_eq!(sim.calls("nvmlInit_v2"), 1);
    bus("0000:02:00.0");
    lines(&mut gpus);
    assert_eq!(sim.calls("nvmlInit_v2"), 2);
}

#[test]
fn the_first_device_appears() {
    let sim = Sim::new("");
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(reason(&mut gpus), "no_device");
    sim.write(FULL);
    assert_eq!(lines(&mut gpus).len(), 28);
}

#[test]
fn a_hang_ends() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(lines(&mut gpus).len(), 28);
    sim.write(&format!("hang nvmlDeviceGetMemoryInfo_v2 0.5\n{FULL}"));
    let start = Instant::now();
    assert_eq!(lines(&mut gpus).len(), 28);
    assert!(start.elapsed() >= Duration::from_millis(500));
    sim.write(FULL);
    assert_eq!(lines(&mut gpus).len(), 28);
}

#[test]
fn a_script_that_means_nothing() {
    let sim = Sim::new("device GPU-1\ntemprature 3");
    assert_eq!(reason(&mut sim.gpus(GpuSelection::All)), "failed");
}
