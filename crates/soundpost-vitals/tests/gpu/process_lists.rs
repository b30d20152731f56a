//! Whose memory it is, and when nobody can say.

use soundpost_vitals::{GpuSelection, Source};

use super::sim::{CONTAINER, Sim, fast_sample, lines, of};

const GIB: u64 = 1 << 30;
const DEVICE: &str = "device GPU-1\nmemory_total 24GiB\nmemory_used 20GiB\n";

/// Pids and GiB.
type Shares = Vec<(String, u64)>;

/// Memory of processes: what is exposed, and own processes that are known to use none.
fn shares(sim: &Sim, own: &[u32]) -> (Shares, Shares) {
    let mut gpus = sim.gpus(GpuSelection::All);
    gpus.set_pids(own);
    let lines = lines(&mut gpus);
    let share = |line: &str| {
        let (labels, value) = line.rsplit_once(' ').unwrap();
        let pid = labels.split("pid=\"").nth(1).unwrap().trim_end_matches("\"}").to_owned();
        (pid, value.parse::<u64>().unwrap() / GIB)
    };
    let (fast, aside) = fast_sample(&mut gpus).unwrap();
    let shares = |lines: &[String]| of(lines, "gpu_process_memory_bytes").into_iter().map(share).collect();
    let sampled: Vec<_> = shares(&lines);
    assert_eq!(shares(&fast), sampled, "a fast sample says the same");
    (sampled, shares(&aside))
}

fn script(processes: &[&str]) -> String {
    DEVICE.to_owned() + &processes.iter().map(|process| format!("process {process}\n")).collect::<String>()
}

fn named(shares: &[(&str, u64)]) -> Shares {
    shares.iter().map(|(pid, memory)| ((*pid).to_owned(), *memory)).collect()
}

#[test]
fn on_the_host() {
    let sim =
        Sim::new(&script(&["11 compute 4GiB", "12 compute 1GiB", "98 compute 2GiB", "99 graphics 3GiB"]));
    let expected = named(&[("11", 4), ("12", 1), ("other", 5)]);
    assert_eq!(shares(&sim, &[11, 12, 13]), (expected, named(&[("13", 0)])));
    assert_eq!(shares(&sim, &[]), (named(&[("other", 10)]), vec![]));
    let sim = Sim::new(DEVICE);
    assert_eq!(
        shares(&sim, &[11]),
        (named(&[("other", 0)]), named(&[("11", 0)])),
        "the list is whole, and empty"
    );
}

#[test]
fn a_process_in_both_lists_counts_once() {
    let sim = Sim::new(&script(&["11 compute 4GiB", "11 graphics 4GiB", "99 graphics 1GiB"]));
    assert_eq!(shares(&sim, &[11]), (named(&[("11", 4), ("other", 1)]), vec![]));
}

#[test]
fn no_memory_is_absent() {
    let sim = Sim::new(&script(&["11 compute none", "12 compute 1GiB", "99 compute 2GiB"]));
    assert_eq!(shares(&sim, &[11, 12]), (named(&[("12", 1), ("other", 2)]), vec![]));
    let sim = Sim::new(&script(&["11 compute 1GiB", "98 compute none", "99 compute 2GiB"]));
    assert_eq!(shares(&sim, &[11]), (named(&[("11", 1)]), vec![]));
    let sim = Sim::new(&script(&["11 compute 0", "99 compute 0"]));
    assert_eq!(shares(&sim, &[11]), (vec![], vec![]));
}

#[test]
fn host_pids_in_a_container_are_absent() {
    let sim = Sim::new(&script(&["40011 compute 4GiB", "40099 compute 2GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/nvidiactl"]);
    assert_eq!(shares(&sim, &[11]), (vec![], vec![]));

    // A pid of the host that happens to be one of ours, beside one that is not.
    let sim = Sim::new(&script(&["11 compute 4GiB", "40099 compute 2GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/nvidiactl"]);
    assert_eq!(shares(&sim, &[11]), (vec![], vec![]));

    // And alone, but ours uses no GPU.
    let sim = Sim::new(&script(&["11 compute 4GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/null"]);
    assert_eq!(shares(&sim, &[11]), (vec![], vec![]));
}

#[test]
fn own_pids_in_a_container() {
    let sim = Sim::new(&script(&["11 compute 4GiB", "12 compute 2GiB"]));
    sim.namespace(CONTAINER);
    sim.process(11, &["/dev/null", "/dev/nvidia0"]);
    sim.process(12, &["/dev/nvidia0"]);
    let other_unknown = named(&[("11", 4)]);
    assert_eq!(shares(&sim, &[11]), (other_unknown.clone(), vec![]), "neighbours may be hidden");
    assert_eq!(shares(&sim, &[11, 13]), (other_unknown, vec![]), "the list may be a filtered one");
}

#[test]
fn an_empty_list_in_a_container_says_nothing() {
    let sim = Sim::new(DEVICE);
    sim.namespace(CONTAINER);
    assert_eq!(shares(&sim, &[11]), (vec![], vec![]));
}

#[test]
fn more_processes_than_expected() {
    let many: Vec<String> = (1000..1300).map(|pid| format!("{pid} compute 16MiB")).collect();
    let sim = Sim::new(&script(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(shares(&sim, &[11]).0, named(&[("other", 4)]));
}
