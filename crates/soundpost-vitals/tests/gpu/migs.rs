//! A device split into MIG devices.

use soundpost_vitals::{GpuSelection, Source, Visible};

use super::sim::{Sim, fast_sample, lines, of};

const GIB: u64 = 1 << 30;

/// As with MIG on: no utilization of the device or its parts.
const SPLIT: &str = "
device GPU-aaaa
name NVIDIA A100-SXM4-40GB
memory_total 40GiB
memory_used 14GiB
temperature 40
power 90000
mig MIG-1111 3 0
name NVIDIA A100-SXM4-40GB MIG 3g.20gb
memory_total 20GiB
memory_used 12GiB
process 11 compute 8GiB
process 99 compute 2GiB
mig MIG-2222 5 1
name NVIDIA A100-SXM4-40GB MIG 1g.5gb
memory_total 5GiB
memory_used 2GiB
process 11 compute 1GiB
";

fn visible(devices: &str) -> GpuSelection {
    GpuSelection::Visible(vec![Visible { devices: Some(devices.to_owned()), by_bus: false }])
}

#[test]
fn a_split_device_and_its_parts() {
    let sim = Sim::new(SPLIT);
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(&[11]);
    let device = r#"gpu="0",uuid="GPU-aaaa",name="NVIDIA A100-SXM4-40GB""#;
    let first = r#"gpu="0",uuid="MIG-1111",name="NVIDIA A100-SXM4-40GB MIG 3g.20gb",mig="0""#;
    let second = r#"gpu="0",uuid="MIG-2222",name="NVIDIA A100-SXM4-40GB MIG 1g.5gb",mig="1""#;
    let mut expected = vec![
        format!("gpu_memory_total_bytes{{{device}}} {}", 40 * GIB),
        format!("gpu_memory_total_bytes{{{first}}} {}", 20 * GIB),
        format!("gpu_memory_total_bytes{{{second}}} {}", 5 * GIB),
        format!("gpu_memory_used_bytes{{{device}}} {}", 14 * GIB),
        format!("gpu_memory_used_bytes{{{first}}} {}", 12 * GIB),
        format!("gpu_memory_used_bytes{{{second}}} {}", 2 * GIB),
        format!("gpu_power_watts{{{device}}} 90"),
        format!("gpu_process_memory_bytes{{gpu=\"0\",pid=\"11\"}} {}", 9 * GIB),
        format!("gpu_process_memory_bytes{{gpu=\"0\",pid=\"other\"}} {}", 2 * GIB),
        format!("gpu_temperature_celsius{{{device}}} 40"),
    ];
    expected.sort_unstable();
    assert_eq!(lines(&mut gpus), expected);
    assert_eq!(lines(&mut gpus), expected);
}

#[test]
fn one_part_is_visible() {
    let sim = Sim::new(SPLIT);
    for value in ["MIG-2222", "MIG-22", "MIG-GPU-aaaa/5/1"] {
        let mut gpus = sim.gpus(visible(value));
        gpus.set_pids(&[11]);
        let all = lines(&mut gpus);
        let used = of(&all, "gpu_memory_used_bytes");
        assert_eq!(used.len(), 2, "the part and, for what only it can say, the device: {value}");
        assert!(used[1].contains(r#"uuid="MIG-2222""#), "{used:?}");
        let (fast, _) = fast_sample(&mut gpus).unwrap();
        assert_eq!(of(&fast, "gpu_memory_used_bytes"), used, "{value}");
        let own = format!("gpu_process_memory_bytes{{gpu=\"0\",pid=\"11\"}} {GIB}");
        assert!(fast.contains(&own), "{fast:#?}");
    }
}

#[test]
fn parts_change_while_running() {
    let sim = Sim::new(SPLIT);
    let mut gpus = sim.gpus(GpuSelection::All).refresh(std::time::Duration::ZERO);
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 3);
    sim.write(SPLIT.split("mig MIG-2222").next().unwrap());
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 2);
    sim.write(SPLIT.split("mig MIG-1111").next().unwrap());
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 1);
}

#[test]
fn a_part_without_a_list_leaves_the_sum_unknown() {
    let sim = Sim::new(&format!("{SPLIT}error nvmlDeviceGetComputeRunningProcesses_v3 no_permission"));
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(&[11]);
    let all = lines(&mut gpus);
    assert_eq!(of(&all, "gpu_process_memory_bytes"), [""; 0]);
    assert_eq!(of(&all, "gpu_memory_used_bytes").len(), 3);
}
