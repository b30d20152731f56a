//! Several devices, and which belong to the service.

use soundpost_vitals::{GpuSelection, Source, Visible};

use super::common::until;
use super::sim::{FULL, Sim, fast_sample, lines, of, reason};

const GIB: u64 = 1 << 30;

/// Eight devices, of which the n-th has n GiB in use.
fn eight() -> String {
    let device = |n: usize| {
        let uuid = format!("GPU-{n}{n}{n}{n}f937");
        FULL.replace("GPU-8932f937", &uuid).replace("memory_used 6GiB", &format!("memory_used {n}GiB"))
    };
    (1..=8).map(device).collect()
}

fn visible(devices: &str) -> GpuSelection {
    GpuSelection::Visible(vec![Visible { devices: Some(devices.to_owned()), by_bus: false }])
}

/// The value of a line, in GiB.
fn gib(line: &str) -> u64 {
    line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap() / GIB
}

fn used(sim: &Sim, which: GpuSelection) -> Vec<u64> {
    of(&lines(&mut sim.gpus(which)), "gpu_memory_used_bytes").into_iter().map(gib).collect()
}

#[test]
fn eight_devices() {
    let sim = Sim::new(&eight());
    let all = lines(&mut sim.gpus(GpuSelection::All));
    assert_eq!(all.len(), 8 * 28);
    assert_eq!(of(&all, "gpu_memory_used_bytes").len(), 8);
}

#[test]
fn the_environment_chooses() {
    let sim = Sim::new(&eight());
    let unset = GpuSelection::Visible(vec![Visible::default()]);
    assert_eq!(used(&sim, unset), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(used(&sim, visible("2,0")), [1, 3]);
    assert_eq!(used(&sim, visible("1,9,2")), [2]);
    assert_eq!(used(&sim, visible("GPU-3333,GPU-55")), [3, 5]);
    let two = [visible("0,1"), visible("1,2")].map(|which| match which {
        GpuSelection::Visible(visible) => visible,
        GpuSelection::All => Vec::new(),
    });
    assert_eq!(used(&sim, GpuSelection::Visible(two.concat())), [1, 2, 3], "workers with different devices");
}

#[test]
fn no_device_is_visible() {
    for value in ["", "-1", "none", "-1,0"] {
        let sim = Sim::new(FULL);
        assert_eq!(reason(&mut sim.gpus(visible(value))), "no_device", "{value}");
        assert_eq!(sim.all_calls(), 0, "nothing is loaded for {value:?}");
    }
    let sim = Sim::new(FULL);
    assert_eq!(reason(&mut sim.gpus(visible("7"))), "no_device");
}

#[test]
fn a_lost_device_keeps_its_number() {
    let sim = Sim::new(&format!("{FULL}error * gpu_is_lost\n{}", eight()));
    assert_eq!(used(&sim, visible("2")), [2]);
    // A device that this container may not use has no values.
    let sim = Sim::new(&format!("{FULL}error * no_permission\n{}", eight()));
    assert_eq!(used(&sim, visible("2")), [3]);
}

#[test]
fn the_choice_can_change() {
    let sim = Sim::new(&eight());
    let mut gpus = sim.gpus(visible("0"));
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 1);
    gpus.set_which(GpuSelection::All);
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 8);
    assert_eq!(of(&lines(&mut gpus), "gpu_xid_errors_total").len(), 8);
    assert_eq!(sim.calls("nvmlInit_v2"), 1);
}

#[test]
fn numbers_of_unlike_devices_are_doubtful() {
    let unlike = FULL.to_owned() + &FULL.replace("GPU-8932", "GPU-b000").replace("NVIDIA L4", "NVIDIA T4");
    let warning = |script: &str, which: GpuSelection| {
        let sim = Sim::new(script);
        let mut gpus = sim.gpus(which);
        lines(&mut gpus);
        gpus.warning()
    };
    assert!(warning(&unlike, visible("0")).unwrap().contains("PCI_BUS_ID"));
    assert_eq!(warning(&unlike, visible("GPU-8932")), None);
    assert_eq!(warning(&eight(), visible("0")), None);
    let by_bus = GpuSelection::Visible(vec![Visible { devices: Some("0".to_owned()), by_bus: true }]);
    assert_eq!(warning(&unlike, by_bus), None);
}

#[test]
fn a_glance_is_a_few_values_and_cheap() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(GpuSelection::All);
    assert_eq!(fast_sample(&mut gpus).unwrap(), (vec![], vec![]), "nothing is started by it");
    assert_eq!(sim.all_calls(), 0);
    gpus.set_pids(&[11, 13]);
    let whole = lines(&mut gpus);
    let before = sim.all_calls();
    let (fast, aside) = fast_sample(&mut gpus).unwrap();
    assert_eq!(sim.all_calls() - before, 5, "handle, memory, utilization, two lists of processes");
    assert!(fast.iter().all(|line| whole.contains(line)), "{fast:#?}");
    let names = ["gpu_memory_used_bytes", "gpu_utilization_ratio", "gpu_process_memory_bytes"];
    assert_eq!(names.map(|name| of(&fast, name).len()), [1, 1, 2]);
    assert_eq!(aside, [r#"gpu_process_memory_bytes{gpu="0",pid="13"} 0"#]);
    sim.write(&(FULL.to_owned() + "error * gpu_is_lost"));
    assert_eq!(fast_sample(&mut gpus).unwrap_err().reason, "lost");
}

#[test]
fn memory_over_time() {
    let sim = Sim::new(&FULL.replace("memory_used 6GiB", "memory_used 1GiB 1:9GiB"));
    let mut gpus = sim.gpus(GpuSelection::All);
    lines(&mut gpus);
    let mut used = || gib(of(&fast_sample(&mut gpus).unwrap().0, "gpu_memory_used_bytes")[0]);
    assert_eq!(used(), 1);
    until(|| used() == 9);
}

#[test]
fn processes_with_different_devices() {
    let sim = Sim::new(&eight());
    let of_process = |pid: u32, devices: Option<&str>| {
        (pid, Visible { devices: devices.map(str::to_owned), by_bus: false })
    };
    let mut gpus = sim.gpus(visible("0"));
    gpus.set_visible(&[of_process(11, Some("0")), of_process(12, Some("0"))]);
    let seen = |gpus: &mut _| {
        let all = lines(gpus);
        let (_, aside) = fast_sample(gpus).unwrap();
        let seen: Vec<String> = of(&aside, "gpu_visible").into_iter().map(str::to_owned).collect();
        (of(&all, "gpu_memory_used_bytes").len(), seen)
    };
    assert_eq!(seen(&mut gpus), (1, vec![]), "all see what is sampled");
    gpus.set_visible(&[
        of_process(11, Some("0,2")),
        of_process(12, Some("GPU-4444")),
        of_process(13, Some("")),
    ]);
    let line = |gpu: u32, pid: u32| format!("gpu_visible{{gpu=\"{gpu}\",pid=\"{pid}\"}} 1");
    assert_eq!(seen(&mut gpus), (3, vec![line(0, 11), line(2, 11), line(3, 12)]));
    gpus.set_visible(&[of_process(11, None), of_process(12, Some("1"))]);
    let (sampled, pairs) = seen(&mut gpus);
    assert_eq!((sampled, pairs.len()), (8, 9), "one sees all, the other one");
    assert_eq!(sim.calls("nvmlInit_v2"), 1);

    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_visible(&[of_process(11, Some("1"))]);
    assert_eq!(seen(&mut gpus), (8, vec![line(1, 11)]), "more is sampled than it sees");
}
