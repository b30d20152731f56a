//! Every value of a device: there, absent, impossible.

use soundpost_vitals::{GpuSelection, Gpus, Readings, Source};

use super::common::until;
use super::sim::{CONTAINER, FULL, Sim, lines, of, sample};

const LABELS: &str = r#"gpu="0",uuid="GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",name="NVIDIA L4""#;

#[test]
fn all_values_of_a_device() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(&[11, 12]);
    let expected = [
        r#"gpu_clock_hertz{L,clock="graphics"} 2040000000"#,
        r#"gpu_clock_hertz{L,clock="memory"} 6251000000"#,
        r#"gpu_clock_hertz{L,clock="sm"} 2040000000"#,
        r#"gpu_clock_hertz{L,clock="video"} 1770000000"#,
        r#"gpu_ecc_errors_total{L,kind="corrected"} 3"#,
        r#"gpu_ecc_errors_total{L,kind="uncorrected"} 1"#,
        r#"gpu_energy_joules_total{L} 123456.789"#,
        r#"gpu_fan_ratio{L} 0.4"#,
        r#"gpu_memory_total_bytes{L} 25769803776"#,
        r#"gpu_memory_used_bytes{L} 6442450944"#,
        r#"gpu_memory_utilization_ratio{L} 0.3"#,
        r#"gpu_pcie_bytes_per_second{L,direction="receive"} 2500000"#,
        r#"gpu_pcie_bytes_per_second{L,direction="send"} 1500000"#,
        r#"gpu_power_limit_watts{L} 72"#,
        r#"gpu_power_watts{L} 71.5"#,
        r#"gpu_process_memory_bytes{gpu="0",pid="11"} 4294967296"#,
        r#"gpu_process_memory_bytes{gpu="0",pid="12"} 1073741824"#,
        r#"gpu_process_memory_bytes{gpu="0",pid="other"} 2147483648"#,
        r#"gpu_process_utilization_ratio{gpu="0",pid="11"} 0.4"#,
        r#"gpu_process_utilization_ratio{gpu="0",pid="12"} 0"#,
        r#"gpu_process_utilization_ratio{gpu="0",pid="other"} 0.25"#,
        r#"gpu_temperature_celsius{L} 61"#,
        r#"gpu_throttled_seconds_total{L,reason="power"} 1.5"#,
        r#"gpu_throttled_seconds_total{L,reason="thermal"} 0.25"#,
        r#"gpu_throttled{L,reason="hardware_slowdown"} 0"#,
        r#"gpu_throttled{L,reason="hardware_thermal"} 0"#,
        r#"gpu_throttled{L,reason="power_brake"} 0"#,
        r#"gpu_throttled{L,reason="power_cap"} 1"#,
        r#"gpu_throttled{L,reason="sync_boost"} 0"#,
        r#"gpu_throttled{L,reason="thermal"} 0"#,
        r#"gpu_utilization_ratio{L} 0.75"#,
        r#"gpu_xid_errors_total{L} 0"#,
    ];
    assert_eq!(lines(&mut gpus), expected.map(|line| line.replace("{L", &format!("{{{LABELS}"))));
}

#[test]
fn each_value_is_read_on_its_own() {
    let whole = {
        let sim = Sim::new(FULL);
        lines(&mut sim.gpus(GpuSelection::All))
    };
    let functions = [
        ("nvmlDeviceGetUtilizationRates", &["gpu_utilization_ratio", "gpu_memory_utilization_ratio"][..]),
        ("nvmlDeviceGetPowerUsage", &["gpu_power_watts"]),
        ("nvmlDeviceGetClockInfo", &["gpu_clock_hertz"]),
        ("nvmlDeviceGetPcieThroughput", &["gpu_pcie_bytes_per_second"]),
        ("nvmlDeviceGetTotalEnergyConsumption", &["gpu_energy_joules_total"]),
        ("nvmlDeviceGetTotalEccErrors", &["gpu_ecc_errors_total"]),
        ("nvmlDeviceGetViolationStatus", &["gpu_throttled_seconds_total"]),
        ("nvmlDeviceRegisterEvents", &["gpu_xid_errors_total"]),
        ("nvmlDeviceGetComputeRunningProcesses_v3", &["gpu_process_memory_bytes"]),
    ];
    for (function, names) in functions {
        for code in ["not_supported", "no_permission", "unknown", "timeout", "77"] {
            let sim = Sim::new(&format!("error {function} {code}\n{FULL}"));
            let mut gpus = sim.gpus(GpuSelection::All);
            let mut expected = whole.clone();
            expected.retain(|line| !names.contains(&line.split('{').next().unwrap()));
            assert!(expected.len() < whole.len());
            assert_eq!(lines(&mut gpus), expected, "{function} {code}");
            assert_eq!(lines(&mut gpus), expected, "{function} {code}, the second time");
        }
    }
}

#[test]
fn a_device_that_supports_nothing() {
    let lists = ["Compute", "Graphics"].map(|kind| {
        let fault = |version| format!("error nvmlDeviceGet{kind}RunningProcesses{version} not_supported\n");
        ["", "_v2", "_v3"].map(fault).concat()
    });
    let sim = Sim::new(&format!("{}device GPU-1\nname Old", lists.concat()));
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(lines(&mut gpus), [""; 0]);
    let before = sim.all_calls();
    assert_eq!(lines(&mut gpus), [""; 0]);
    assert_eq!(sim.all_calls() - before, 2, "the count and the handle, nothing that had no answer");
}

#[test]
fn impossible_values_are_dropped_and_counted() {
    let cases = [
        ("temperature", "644245923", "gpu_temperature_celsius"),
        ("utilization", "101", "gpu_utilization_ratio"),
        ("utilization", "4294967295", "gpu_utilization_ratio"),
        ("memory_utilization", "65535", "gpu_memory_utilization_ratio"),
        ("power", "0", "gpu_power_watts"),
        ("power", "4294967295", "gpu_power_watts"),
        ("power_limit", "0", "gpu_power_limit_watts"),
        ("clock_video", "4294967295", "gpu_clock_hertz"),
        ("fan", "4294967295", "gpu_fan_ratio"),
        ("pcie_rx", "4294967295", "gpu_pcie_bytes_per_second"),
        ("energy", "18446744073709551615", "gpu_energy_joules"),
        ("ecc_corrected", "18446744073709551615", "gpu_ecc_errors"),
        ("memory_used", "25GiB", "gpu_memory_used_bytes"),
        ("memory_total", "0", "gpu_memory_used_bytes"),
    ];
    for (value, garbage, name) in cases {
        let line = |line: &str| match line.split(' ').next() == Some(value) {
            true => format!("{value} {garbage}\n"),
            false => format!("{line}\n"),
        };
        let script: String = FULL.lines().map(line).collect();
        let sim = Sim::new(&script);
        let (lines, dropped) = sample(&mut sim.gpus(GpuSelection::All)).unwrap();
        assert_eq!(dropped, [name], "{value} {garbage}");
        assert!(lines.len() >= 22, "{value} {garbage}: {lines:#?}");
    }
    let idle = FULL.replace("utilization 75", "utilization 0").replace("power 71500", "power 0");
    let sim = Sim::new(&idle);
    assert_eq!(of(&lines(&mut sim.gpus(GpuSelection::All)), "gpu_power_watts").len(), 1, "nothing is drawn");
}

#[test]
fn memory_of_more_than_the_device_is_no_process() {
    let sim = Sim::new(&FULL.replace("compute 4GiB", "compute 400GiB"));
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(&[11]);
    let (lines, dropped) = sample(&mut gpus).unwrap();
    assert_eq!(dropped, ["gpu_process_memory_bytes"]);
    assert_eq!(of(&lines, "gpu_process_memory_bytes").len(), 1);
}

#[test]
fn old_drivers_have_older_functions() {
    let newer = [
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetComputeRunningProcesses_v2",
        "nvmlDeviceGetGraphicsRunningProcesses_v2",
        "nvmlDeviceGetFanSpeed_v2",
        "nvmlDeviceGetNumFans",
        "nvmlDeviceGetEnforcedPowerLimit",
    ];
    let faults: String = newer.iter().map(|name| format!("error {name} function_not_found\n")).collect();
    let absent = Sim::without(&newer, FULL);
    let failing = Sim::new(&(faults + FULL));
    for sim in [absent, failing] {
        let mut gpus = sim.gpus(GpuSelection::All);
        gpus.set_pids(&[11]);
        for _ in 0..2 {
            let lines = lines(&mut gpus);
            assert_eq!(lines.len(), 30);
            // Version 1 counts what the driver reserves.
            assert_eq!(
                of(&lines, "gpu_memory_used_bytes"),
                [format!("gpu_memory_used_bytes{{{LABELS}}} {}", 6_979_321_856_u64)]
            );
            assert_eq!(of(&lines, "gpu_fan_ratio").len(), 1);
            assert_eq!(of(&lines, "gpu_process_memory_bytes").len(), 2);
        }
        assert_eq!(sim.calls("nvmlDeviceGetMemoryInfo"), 2);
        assert_eq!(sim.calls("nvmlDeviceGetComputeRunningProcesses"), 2);
    }
    let second = Sim::without(&newer[1..3], FULL);
    assert_eq!(of(&lines(&mut second.gpus(GpuSelection::All)), "gpu_process_memory_bytes").len(), 1);
    assert_eq!(second.calls("nvmlDeviceGetComputeRunningProcesses_v2"), 1);
}

#[test]
fn drivers_to_come_have_newer_functions() {
    let older = ["nvmlDeviceGetTemperature", "nvmlDeviceGetCurrentClocksThrottleReasons"];
    let newer = ["nvmlDeviceGetTemperatureV", "nvmlDeviceGetCurrentClocksEventReasons"];
    let whole = lines(&mut Sim::new(FULL).gpus(GpuSelection::All));
    let sim = Sim::without(&older, FULL);
    assert_eq!(lines(&mut sim.gpus(GpuSelection::All)), whole);
    for function in newer {
        assert_eq!(sim.calls(function), 1, "{function}");
    }
    let sim = Sim::without(&[older, newer].concat(), FULL);
    assert_eq!(lines(&mut sim.gpus(GpuSelection::All)).len(), whole.len() - 1 - 6);
}

#[test]
fn constant_values_are_read_once() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    (0..10).for_each(|_| drop(lines(&mut gpus)));
    let once = ["nvmlInit_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetEnforcedPowerLimit"];
    for function in once {
        assert_eq!(sim.calls(function), 1, "{function}");
    }
    // Each direction takes 20 ms on hardware.
    assert_eq!(sim.calls("nvmlDeviceGetPcieThroughput"), 2);
    let before = sim.all_calls();
    lines(&mut gpus);
    assert_eq!(sim.all_calls() - before, 23);
}

#[test]
fn process_utilization_is_of_new_samples_and_of_known_pids_only() {
    let sim =
        Sim::new(&FULL.replace("compute 2GiB sm 25", "compute 2GiB sm 25\nprocess 98 compute 1GiB sm 200"));
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(&[11]);
    let shares = |gpus: &mut Gpus| {
        let lines = lines(gpus);
        of(&lines, "gpu_process_utilization_ratio").into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let share =
        |pid: &str, ratio: &str| format!("gpu_process_utilization_ratio{{gpu=\"0\",pid=\"{pid}\"}} {ratio}");
    assert_eq!(shares(&mut gpus), [share("11", "0.4"), share("other", "0.25")]);
    // No process used the device.
    sim.write(&FULL.replace("sm 40", "sm 0").replace("sm 25", "sm 0"));
    assert_eq!(shares(&mut gpus), [share("11", "0"), share("other", "0")]);
    // In a container the pids are others'.
    sim.namespace(CONTAINER);
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(&[11]);
    assert!(shares(&mut gpus).is_empty());
}

#[test]
fn xid_errors_are_counted() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    let xids = |gpus: &mut _| of(&lines(gpus), "gpu_xid_errors_total").concat();
    assert!(xids(&mut gpus).ends_with(" 0"));
    sim.write(&FULL.replace("xid 3600:79", "xid 0.05:79 0.06:31"));
    until(|| xids(&mut gpus).ends_with(" 2"));
    assert!(xids(&mut gpus).ends_with(" 2"));
    assert!(of(&lines(&mut gpus), "gpu_last_xid").concat().ends_with(" 31"));
    // The loss of a device is one itself, and shown while nothing else is.
    sim.write(&(FULL.replace("xid 3600:79", "xid 0.05:79") + "error * gpu_is_lost 0.1"));
    let lost = |gpus: &mut Gpus| {
        let mut readings = Readings::default();
        let problem = gpus.sample(&mut readings).err().map(|problem| problem.reason);
        (problem, readings.readings.iter().map(|reading| reading.value).collect::<Vec<_>>())
    };
    until(|| lost(&mut gpus) == (Some("lost"), vec![3.0, 79.0]));
    assert_eq!(lost(&mut gpus), (Some("lost"), vec![3.0, 79.0]), "NVML is started anew, the count stays");
}
