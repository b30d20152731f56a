//! Whose memory it is, and when nobody can say.

use auscult_vitals::{Source, Which};

use super::sim::{CONTAINER, Sim, lines, of};

const GIB: u64 = 1 << 30;
const DEVICE: &str = "device GPU-1\nmemory_total 24GiB\nmemory_used 20GiB\n";

/// Memory of processes that is exposed, as `(pid, GiB)`, and own memory of the cheap way.
fn shares(sim: &Sim, own: &[u32]) -> (Vec<(String, u64)>, Option<u64>) {
    let mut gpus = sim.gpus(Which::All);
    gpus.set_pids(own);
    let lines = lines(&mut gpus);
    let share = |line: &&str| {
        let (labels, value) = line.rsplit_once(' ').unwrap();
        let pid = labels.split("pid=\"").nth(1).unwrap().trim_end_matches("\"}").to_owned();
        (pid, value.parse::<u64>().unwrap() / GIB)
    };
    let mut memory = Vec::new();
    gpus.memory(&mut memory).unwrap();
    let cheap = memory[0].own.map(|own| own / GIB);
    (of(&lines, "gpu_process_memory_bytes").iter().map(share).collect(), cheap)
}

fn script(processes: &[&str]) -> String {
    DEVICE.to_owned() + &processes.iter().map(|process| format!("process {process}\n")).collect::<String>()
}

fn named(shares: &[(&str, u64)]) -> Vec<(String, u64)> {
    shares.iter().map(|(pid, memory)| ((*pid).to_owned(), *memory)).collect()
}

#[test]
fn on_the_host() {
    let sim =
        Sim::new(&script(&["11 compute 4GiB", "12 compute 1GiB", "98 compute 2GiB", "99 graphics 3GiB"]));
    let expected = named(&[("11", 4), ("12", 1), ("other", 5)]);
    assert_eq!(shares(&sim, &[11, 12, 13]), (expected, Some(5)));
    assert_eq!(shares(&sim, &[]), (named(&[("other", 10)]), None));
    let sim = Sim::new(DEVICE);
    assert_eq!(shares(&sim, &[11]), (named(&[("other", 0)]), Some(0)), "the list is whole, and empty");
}

#[test]
fn a_process_in_both_lists_counts_once() {
    let sim = Sim::new(&script(&["11 compute 4GiB", "11 graphics 4GiB", "99 graphics 1GiB"]));
    assert_eq!(shares(&sim, &[11]), (named(&[("11", 4), ("other", 1)]), Some(4)));
}

#[test]
fn no_memory_is_absent() {
    let sim = Sim::new(&script(&["11 compute none", "12 compute 1GiB", "99 compute 2GiB"]));
    assert_eq!(shares(&sim, &[11, 12]), (named(&[("12", 1), ("other", 2)]), None));
    let sim = Sim::new(&script(&["11 compute 1GiB", "98 compute none", "99 compute 2GiB"]));
    assert_eq!(shares(&sim, &[11]), (named(&[("11", 1)]), Some(1)));
    let sim = Sim::new(&script(&["11 compute 0", "99 compute 0"]));
    assert_eq!(shares(&sim, &[11]), (vec![], None));
}

#[test]
fn host_pids_in_a_container_are_absent() {
    let sim = Sim::new(&script(&["40011 compute 4GiB", "40099 compute 2GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/nvidiactl"]);
    assert_eq!(shares(&sim, &[11]), (vec![], None));

    // A pid of the host that happens to be one of ours, beside one that is not.
    let sim = Sim::new(&script(&["11 compute 4GiB", "40099 compute 2GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/nvidiactl"]);
    assert_eq!(shares(&sim, &[11]), (vec![], None));

    // And alone, but ours uses no GPU.
    let sim = Sim::new(&script(&["11 compute 4GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/null"]);
    assert_eq!(shares(&sim, &[11]), (vec![], None));
}

#[test]
fn own_pids_in_a_container() {
    let sim = Sim::new(&script(&["11 compute 4GiB", "12 compute 2GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/null", "/dev/nvidia0"]);
    sim.process(12, &["/dev/nvidia0"]);
    let other_unknown = named(&[("11", 4)]);
    assert_eq!(shares(&sim, &[11]), (other_unknown, Some(4)), "neighbours may be hidden");
}

#[test]
fn an_empty_list_in_a_container_says_nothing() {
    let sim = Sim::new(DEVICE);
    sim.namespace(CONTAINER);
    assert_eq!(shares(&sim, &[11]), (vec![], None));
}

#[test]
fn more_processes_than_expected() {
    let many: Vec<String> = (1000..1300).map(|pid| format!("{pid} compute 16MiB")).collect();
    let sim = Sim::new(&script(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(shares(&sim, &[11]).0, named(&[("other", 4)]));
}
