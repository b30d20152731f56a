//! The library, the script and the devices as the environment names them, in a process of its own.

use std::process::Command;

use soundpost_vitals::{GpuSelection, Gpus, Source};

use super::sim::{Sim, lines, of};

const CHILD: &str = "SOUNDPOST_TEST_CHILD";

/// The script that people begin with, with a second card like it.
fn script() -> String {
    let demo = include_str!("../../../nvml-sim/scripts/demo.script");
    let card = demo.split("cuda 12040").nth(1).unwrap();
    demo.to_owned() + &card.replace("GPU-5e1f", "GPU-b000")
}

/// Returns the output of a child with these additions to its environment.
fn child(environment: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "environment::the_child"])
        .env(CHILD, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut gpus = Gpus::new(GpuSelection::from_environment());
    gpus.set_pids(&[std::process::id()]);
    let mut readings = soundpost_vitals::Readings::default();
    if let Err(problem) = gpus.sample(&mut readings) {
        println!("\noff: {}", problem.reason);
        return;
    }
    println!("\non: {:?}", of(&lines(&mut gpus), "gpu_memory_used_bytes").len());
}

#[test]
fn the_environment_names_library_script_and_devices() {
    let sim = Sim::new("");
    std::fs::write(sim.path("other.script"), script()).unwrap();
    let (library, script) = (sim.path("libnvidia-ml.so.1"), sim.path("other.script"));
    let common =
        [("SOUNDPOST_NVML_PATH", library.to_str().unwrap()), ("NVML_SIM_SCRIPT", script.to_str().unwrap())];
    let with = |devices| child(&[common[0], common[1], ("CUDA_VISIBLE_DEVICES", devices)]);
    assert!(with("0,1").contains("\non: 2\n"));
    assert!(with("GPU-b000").contains("\non: 1\n"));
    assert!(with("-1").contains("\noff: no_device\n"));
    let nowhere = [("SOUNDPOST_NVML_PATH", "/nowhere.so")];
    assert!(child(&nowhere).contains("\noff: no_library\n"));
}
