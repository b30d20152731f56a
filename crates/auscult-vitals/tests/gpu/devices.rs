//! Several devices, and which belong to the service.

use auscult_vitals::{DeviceMemory, Source, Visible, Which};

use super::sim::{FULL, Sim, lines, of, reason, until};

const GIB: u64 = 1 << 30;

/// Eight devices, of which the n-th has n GiB in use.
fn eight() -> String {
    let device = |n: usize| {
        let uuid = format!("GPU-{n}{n}{n}{n}f937");
        FULL.replace("GPU-8932f937", &uuid).replace("memory_used 6GiB", &format!("memory_used {n}GiB"))
    };
    (1..=8).map(device).collect()
}

fn visible(devices: &str) -> Which {
    Which::Visible(vec![Visible { devices: Some(devices.to_owned()), by_bus: false }])
}

fn used(sim: &Sim, which: Which) -> Vec<u64> {
    let mut memory = Vec::new();
    sim.gpus(which).memory(&mut memory).unwrap();
    memory.iter().map(|memory| memory.used / GIB).collect()
}

#[test]
fn eight_devices() {
    let sim = Sim::new(&eight());
    let all = lines(&mut sim.gpus(Which::All));
    assert_eq!(all.len(), 8 * 25);
    assert_eq!(of(&all, "gpu_memory_used_bytes").len(), 8);
}

#[test]
fn the_environment_chooses() {
    let sim = Sim::new(&eight());
    let unset = Which::Visible(vec![Visible::default()]);
    assert_eq!(used(&sim, unset), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(used(&sim, visible("2,0")), [1, 3]);
    assert_eq!(used(&sim, visible("1,9,2")), [2]);
    assert_eq!(used(&sim, visible("GPU-3333,GPU-55")), [3, 5]);
    let two = [visible("0,1"), visible("1,2")].map(|which| match which {
        Which::Visible(visible) => visible,
        Which::All => Vec::new(),
    });
    assert_eq!(used(&sim, Which::Visible(two.concat())), [1, 2, 3], "workers with different devices");
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
    // One that this container may not use has none.
    let sim = Sim::new(&format!("{FULL}error * no_permission\n{}", eight()));
    assert_eq!(used(&sim, visible("2")), [3]);
}

#[test]
fn the_choice_can_change() {
    let sim = Sim::new(&eight());
    let mut gpus = sim.gpus(visible("0"));
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 1);
    gpus.set_which(Which::All);
    assert_eq!(of(&lines(&mut gpus), "gpu_memory_used_bytes").len(), 8);
    assert_eq!(of(&lines(&mut gpus), "gpu_xid_errors_total").len(), 8);
    assert_eq!(sim.calls("nvmlInit_v2"), 1);
}

#[test]
fn numbers_of_unlike_devices_are_doubtful() {
    let unlike = FULL.to_owned() + &FULL.replace("GPU-8932", "GPU-b000").replace("NVIDIA L4", "NVIDIA T4");
    let note = |script: &str, which: Which| {
        let sim = Sim::new(script);
        let mut gpus = sim.gpus(which);
        lines(&mut gpus);
        gpus.note()
    };
    assert!(note(&unlike, visible("0")).unwrap().contains("PCI_BUS_ID"));
    assert_eq!(note(&unlike, visible("GPU-8932")), None);
    assert_eq!(note(&eight(), visible("0")), None);
    let by_bus = Which::Visible(vec![Visible { devices: Some("0".to_owned()), by_bus: true }]);
    assert_eq!(note(&unlike, by_bus), None);
}

#[test]
fn memory_alone_is_cheap() {
    let sim = Sim::new(FULL);
    let mut gpus = sim.gpus(Which::All);
    let mut memory = Vec::new();
    gpus.memory(&mut memory).unwrap();
    let expected = DeviceMemory { gpu: 0, mig: None, used: 6 * GIB, total: 24 * GIB, own: None };
    assert_eq!(memory, [expected]);
    let before = sim.all_calls();
    gpus.memory(&mut memory).unwrap();
    assert_eq!(sim.all_calls() - before, 3, "count, handle, memory");
    gpus.set_pids(&[11, 12, 13]);
    gpus.memory(&mut memory).unwrap();
    assert_eq!(memory, [DeviceMemory { own: Some(5 * GIB), ..expected }]);
    assert_eq!(sim.all_calls() - before, 3 + 5, "and two lists of processes");
    gpus.set_pids(&[13]);
    gpus.memory(&mut memory).unwrap();
    assert_eq!(memory, [DeviceMemory { own: Some(0), ..expected }]);
    sim.write(&FULL.replace("memory_used 6GiB", "memory_used 60GiB"));
    gpus.memory(&mut memory).unwrap();
    assert_eq!(memory, []);
}

#[test]
fn memory_over_time() {
    let sim = Sim::new(&FULL.replace("memory_used 6GiB", "memory_used 1GiB 1:9GiB"));
    let mut gpus = sim.gpus(Which::All);
    let mut memory = Vec::new();
    gpus.memory(&mut memory).unwrap();
    assert_eq!(memory[0].used, GIB);
    until(|| {
        gpus.memory(&mut memory).unwrap();
        memory[0].used == 9 * GIB
    });
}
