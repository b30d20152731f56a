//! The host on machines made of files, and on this one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
#[path = "host/fixture.rs"]
mod fixture;

use std::fs;

use common::until;
use fixture::{GIB, Machine, Sampled, V2_MOUNT, get};
use proptest::prelude::*;
use soundpost_vitals::{Host, Places, Readings, Source};

#[test]
fn without_cgroups_it_is_the_machine() {
    let machine = Machine::new();
    let mut host = Sampled::new(&machine);
    host.sample();
    assert_eq!(host.cpu(), (None, Some(4.0)));
    assert_eq!(host.memory(), (Some(4 * GIB), Some(16 * GIB)));
    assert_eq!(host.get("load1"), Some(1.5));
    machine.stat(130, 970);
    assert_eq!(host.sample().cpu(), (Some(0.3), Some(4.0)));
    // Nothing has passed by the kernel's account.
    assert_eq!(host.sample().cpu(), (None, Some(4.0)));
    assert!(host.readings.dropped.is_empty());
}

#[test]
fn the_tightest_limit_of_v2_counts_wherever_it_is() {
    let machine = Machine::new();
    machine.v2("/pod/box/worker", "/");
    machine.v2_group("/pod", "8589934592", 3 * GIB, GIB, "300000 100000", 9_000_000);
    machine.v2_group("/pod/box", "2147483648", 2 * GIB, GIB / 2, "150000 100000", 5_000_000);
    machine.v2_group("/pod/box/worker", "max", GIB, 0, "max 100000", 1_000_000);
    let mut host = Sampled::new(&machine);
    host.sample();
    assert_eq!(host.memory(), (Some(GIB * 3 / 2), Some(2 * GIB)));
    assert_eq!(host.cpu(), (None, Some(1.5)));
    assert_eq!(host.get("cpu_throttled_seconds"), Some(2.5));
    machine.v2_group("/pod/box", "2147483648", 2 * GIB, GIB / 2, "150000 100000", 5_600_000);
    assert_eq!(host.sample().cpu(), (Some(0.4), Some(1.5)));

    // The limits change while it runs: now the pod's is the tightest, and its figures count.
    machine.v2_group("/pod", "1073741824", GIB, GIB / 4, "50000 100000", 9_000_000);
    host.sample();
    assert_eq!(host.memory(), (Some(GIB * 3 / 4), Some(GIB)));
    assert_eq!(host.cpu(), (None, Some(0.5)));
    machine.v2_group("/pod", "1073741824", GIB, GIB / 4, "50000 100000", 9_500_000);
    assert_eq!(host.sample().cpu(), (Some(1.0), Some(0.5)));
}

#[test]
fn no_limit_and_limits_above_the_machine_are_no_limits() {
    for (memory, cpu) in [("max", "max 100000"), ("17179869184", "400000 100000"), ("0", "0 0")] {
        let machine = Machine::new();
        machine.v2("/a", "/").v2_group("/a", memory, GIB, 0, cpu, 1);
        let mut host = Sampled::new(&machine);
        host.sample();
        machine.stat(150, 950);
        host.sample();
        assert_eq!(host.cpu(), (Some(0.5), Some(4.0)), "{cpu}");
        assert_eq!(host.memory(), (Some(4 * GIB), Some(16 * GIB)), "{memory}");
        assert_eq!(host.get("cpu_throttled_seconds"), None);
    }
}

#[test]
fn a_container_sees_its_group_as_the_mount() {
    // With a namespace of its own; with none, and the group mounted; with none, in a group that is not shown; moved
    // out of the namespace; and gone.
    let cases =
        [("/", "/"), ("/docker/abc", "/docker/abc"), ("/x", "/docker/abc"), ("/../x", "/"), ("/gone", "/")];
    for (group, shown) in cases {
        let machine = Machine::new();
        machine.v2(group, shown).v2_group("", "1073741824", GIB / 2, 0, "100000 100000", 1_000_000);
        let mut host = Sampled::new(&machine);
        host.sample();
        assert_eq!(host.memory(), (Some(GIB / 2), Some(GIB)), "{group} {shown}");
        assert_eq!(host.cpu(), (None, Some(1.0)), "{group} {shown}");
    }
}

#[test]
fn a_set_of_cpus_is_a_limit() {
    let machine = Machine::new();
    machine.v2("/a", "/").v2_group("/a", "max", 1, 0, "max 100000", 1_000_000);
    machine.write("sys/fs/cgroup/a/cpuset.cpus.effective", "0,2\n");
    let mut host = Sampled::new(&machine);
    host.sample();
    machine.v2_group("/a", "max", 1, 0, "max 100000", 1_500_000);
    assert_eq!(host.sample().cpu(), (Some(0.25), Some(2.0)));
    assert_eq!(host.get("cpu_throttled_seconds"), None);
    machine.v2_group("/a", "max", 1, 0, "100000 100000", 2_000_000);
    assert_eq!(host.sample().cpu(), (Some(0.5), Some(1.0)));
}

const V1_MOUNTS: &str = "32 31 0:29 / /sys/fs/cgroup/cpu\\040acct rw - cgroup cgroup rw,cpu,cpuacct\n\
     33 31 0:32 /docker/abc /sys/fs/cgroup/memory rw master:2 - cgroup cgroup rw,memory\n\
     34 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

fn v1() -> Machine {
    let machine = Machine::new();
    machine.write(
        "proc/self/cgroup",
        "9:name=systemd:/\n4:memory:/docker/abc/inner\n2:cpu,cpuacct:/docker\n0::/\n",
    );
    machine.write("proc/self/mountinfo", V1_MOUNTS);
    let memory = "sys/fs/cgroup/memory";
    machine.write(&format!("{memory}/memory.limit_in_bytes"), "4294967296\n");
    machine.write(&format!("{memory}/memory.usage_in_bytes"), "3221225472\n");
    machine.write(&format!("{memory}/memory.stat"), "inactive_file 5\ntotal_inactive_file 1073741824\n");
    machine.write(&format!("{memory}/inner/memory.limit_in_bytes"), "9223372036854771712\n");
    for (group, quota) in [("", "-1"), ("/docker", "200000")] {
        let group = format!("sys/fs/cgroup/cpu acct{group}");
        machine.write(&format!("{group}/cpu.cfs_quota_us"), format!("{quota}\n"));
        machine.write(&format!("{group}/cpu.cfs_period_us"), "100000\n");
        machine
            .write(&format!("{group}/cpu.stat"), "nr_periods 1\nnr_throttled 1\nthrottled_time 500000000\n");
        machine.write(&format!("{group}/cpuacct.usage"), "7000000000\n");
    }
    machine
}

#[test]
fn v1_hierarchies_together_and_apart() {
    let machine = v1();
    let mut host = Sampled::new(&machine);
    host.sample();
    assert_eq!(host.memory(), (Some(2 * GIB), Some(4 * GIB)));
    assert_eq!(host.cpu(), (None, Some(2.0)));
    assert_eq!(host.get("cpu_throttled_seconds"), Some(0.5));
    machine.write("sys/fs/cgroup/cpu acct/docker/cpuacct.usage", "7500000000\n");
    assert_eq!(host.sample().cpu(), (Some(0.25), Some(2.0)));

    // The accounts are elsewhere, and then nowhere: then no ratio, and not the machine's.
    machine.write("proc/self/mountinfo", V1_MOUNTS.replace("rw,cpu,cpuacct", "rw,cpu"));
    let mut host = Sampled::new(&machine);
    host.sample().sample();
    machine.stat(500, 900);
    assert_eq!(host.sample().cpu(), (None, Some(2.0)));
}

#[test]
fn steal_and_swap_are_those_of_the_host() {
    let machine = Machine::new();
    machine.write("proc/stat", "cpu  100 0 0 900 0 0 0 250 0 0\ncpu0 1 0 0 0\nbtime 1\n");
    machine.write("proc/meminfo", "MemTotal: 4 kB\nMemAvailable: 1 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n");
    let mut host = Sampled::new(&machine);
    host.sample();
    assert_eq!(host.get("cpu_steal_seconds"), Some(2.5));
    assert_eq!(host.get("host_swap_used_bytes"), Some(6144.0));
}

#[test]
fn pressure_is_that_of_the_group_or_else_of_the_host() {
    let machine = Machine::new();
    let text = |some: u64, full: u64| {
        format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={some}\nfull avg10=0.00 total={full}\n")
    };
    machine.v2("/a", "/").v2_group("/a", "max", GIB, 0, "max 100000", 1);
    for resource in ["cpu", "memory", "io"] {
        machine.write(&format!("proc/pressure/{resource}"), text(9_000_000, 4_000_000));
    }
    machine.write("sys/fs/cgroup/a/memory.pressure", text(1_500_000, 500_000));
    let mut host = Sampled::new(&machine);
    let readings = &host.sample().readings;
    let value = |name: &str, resource: &str| get(readings, name, resource);
    assert_eq!(value("pressure_waiting_seconds", "cpu"), Some(9.0));
    assert_eq!(value("pressure_stalled_seconds", "cpu"), None);
    assert_eq!(value("pressure_waiting_seconds", "memory"), Some(1.5));
    assert_eq!(value("pressure_stalled_seconds", "memory"), Some(0.5));
    assert_eq!(value("pressure_stalled_seconds", "io"), Some(4.0));
    // A kernel without pressure.
    let readings = Machine::new();
    let mut host = Sampled::new(&readings);
    assert_eq!(get(&host.sample().readings, "pressure_waiting_seconds", "memory"), None);
}

#[test]
fn memory_events_are_those_of_the_own_group() {
    let machine = Machine::new();
    machine.v2("/a/b", "/").v2_group("/a/b", "max", GIB, 0, "max 100000", 1);
    machine.write("sys/fs/cgroup/a/memory.events", "high 9\nmax 9\noom_kill 9\n");
    machine.write("sys/fs/cgroup/a/b/memory.events", "low 0\nhigh 1\nmax 2\noom 4\noom_kill 3\n");
    let mut host = Sampled::new(&machine);
    host.sample();
    let value = |host: &Sampled, event: &str| get(&host.readings, "memory_events", event);
    assert_eq!(
        ["high", "max", "oom_kill"].map(|event| value(&host, event)),
        [Some(1.0), Some(2.0), Some(3.0)]
    );
    let machine = v1();
    let group = "sys/fs/cgroup/memory/inner";
    machine.write(&format!("{group}/memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
    machine.write(&format!("{group}/memory.failcnt"), "8\n");
    let mut host = Sampled::new(&machine);
    host.sample();
    assert_eq!(["high", "max", "oom_kill"].map(|event| value(&host, event)), [None, Some(8.0), Some(5.0)]);
}

#[test]
fn free_space_of_the_places_is_as_the_system_reports() {
    let directory = tempfile::tempdir().unwrap();
    let mut places = Places::new(directory.path());
    let mut readings = Readings::default();
    places.sample(&mut readings).unwrap();
    let value = |readings: &Readings, name: &str, place: &str| get(readings, name, place);
    assert_eq!(value(&readings, "disk_free_bytes", "work"), None);
    let free = value(&readings, "disk_free_bytes", "store").unwrap();
    assert!(free > 0.0 && free <= value(&readings, "disk_total_bytes", "store").unwrap());
    places.set_pids(&[u32::MAX, std::process::id()]);
    readings.clear();
    places.sample(&mut readings).unwrap();
    assert!(value(&readings, "disk_free_bytes", "work").is_some());
    assert!(value(&readings, "disk_free_bytes", "tmp").is_some());
}

#[test]
fn memory_high_is_a_limit() {
    let machine = Machine::new();
    machine.v2("/slice/service", "/");
    machine.v2_group("/slice", "8589934592", 6 * GIB, GIB, "max 100000", 1);
    machine.v2_group("/slice/service", "4294967296", 2 * GIB, GIB, "max 100000", 1);
    machine.write("sys/fs/cgroup/slice/memory.high", format!("{}\n", 3 * GIB));
    machine.write("sys/fs/cgroup/slice/service/memory.high", "max\n");
    let mut host = Sampled::new(&machine);
    assert_eq!(host.sample().memory(), (Some(5 * GIB), Some(3 * GIB)));
}

#[test]
fn limit_of_a_hidden_v1_group_counts() {
    let machine = v1();
    let stat = |limit: u64| format!("total_inactive_file 1073741824\nhierarchical_memory_limit {limit}\n");
    machine.write("sys/fs/cgroup/memory/inner/memory.stat", stat(3 * GIB));
    assert_eq!(Sampled::new(&machine).sample().memory(), (Some(2 * GIB), Some(3 * GIB)));
    // Without `memory.use_hierarchy`, the limit of the outer group does not apply to the inner one.
    machine.write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", format!("{}\n", 8 * GIB));
    machine.write("sys/fs/cgroup/memory/inner/memory.usage_in_bytes", format!("{}\n", 7 * GIB));
    machine.write("sys/fs/cgroup/memory/inner/memory.stat", stat(8 * GIB));
    assert_eq!(Sampled::new(&machine).sample().memory(), (Some(6 * GIB), Some(8 * GIB)));
}

#[test]
fn set_of_cpus_of_an_outer_group_is_a_limit() {
    let machine = Machine::new();
    machine.v2("/pod/box", "/");
    machine.v2_group("/pod/box", "max", GIB, 0, "max 100000", 1);
    machine.write("sys/fs/cgroup/pod/cpuset.cpus.effective", "0-2\n");
    machine.write("sys/fs/cgroup/cpuset.cpus.effective", "0-3\n");
    assert_eq!(Sampled::new(&machine).sample().cpu(), (None, Some(3.0)));
}

#[test]
fn mount_with_most_groups_counts() {
    let machine = Machine::new();
    machine.v2("/pod/box", "/pod/box");
    let host = "44 23 0:26 / /host/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let own = V2_MOUNT.replacen(" / ", " /pod/box ", 1);
    machine.write("proc/self/mountinfo", format!("{own}{host}"));
    machine.write("sys/fs/cgroup/cpu.max", "200000 100000\n");
    machine.write("host/sys/fs/cgroup/pod/box/cpu.max", "200000 100000\n");
    machine.write("host/sys/fs/cgroup/pod/cpu.max", "100000\n");
    assert_eq!(Sampled::new(&machine).sample().cpu(), (None, Some(1.0)));
}

#[test]
fn unreadable_values_are_absent() {
    let machine = Machine::new();
    machine.v2("/a", "/").v2_group("/a", "1073741824", GIB / 2, 0, "100000 100000", 1);
    for file in ["memory.stat", "cpu.stat"] {
        fs::remove_file(machine.path().join("sys/fs/cgroup/a").join(file)).unwrap();
    }
    machine.write("proc/loadavg", "");
    let mut host = Sampled::new(&machine);
    host.sample().sample();
    assert_eq!(host.memory(), (None, Some(GIB)));
    assert_eq!(host.cpu(), (None, Some(1.0)));
    assert_eq!(host.get("load1"), None);

    fs::remove_dir_all(machine.path().join("proc")).unwrap();
    let machine = Machine::new();
    fs::remove_dir_all(machine.path().join("proc")).unwrap();
    let problem = Sampled::new(&machine).try_sample().map(|_| ()).unwrap_err();
    assert_eq!(problem.reason, "no_procfs");
    assert!(problem.message.contains("proc"));
}

#[test]
fn impossible_values_are_dropped() {
    let machine = Machine::new();
    machine.v2("/a", "/").v2_group("/a", "1073741824", 99 * GIB, 0, "100000 100000", 1);
    let mut host = Sampled::new(&machine);
    host.sample();
    machine.v2_group("/a", "1073741824", 99 * GIB, 0, "100000 100000", u64::MAX);
    machine.write("proc/loadavg", "99999999.00 0 0 1/1 1\n");
    host.sample();
    assert_eq!((host.memory(), host.cpu()), ((None, Some(GIB)), (None, Some(1.0))));
    assert_eq!(host.readings.dropped, ["cpu_usage_ratio", "host_memory_used_bytes", "load1"]);

    let machine = Machine::new();
    machine.write("proc/meminfo", "MemTotal: 4 kB\nMemAvailable: 5 kB\n");
    let mut host = Sampled::new(&machine);
    assert_eq!(host.sample().memory(), (None, Some(4096)));
    assert_eq!(host.readings.dropped, ["host_memory_used_bytes"]);
}

#[test]
fn a_process_that_is_moved_is_found_again() {
    let machine = Machine::new();
    machine.v2("/a", "/").v2_group("/a", "1073741824", 1, 0, "max 1", 1);
    machine.v2_group("/b", "2147483648", 1, 0, "max 1", 1);
    let mut host = Sampled::new(&machine);
    assert_eq!(host.sample().memory().1, Some(GIB));
    machine.v2("/b", "/");
    let found = (0..60).any(|_| host.sample().memory().1 == Some(2 * GIB));
    assert!(found);
}

/// Every file that is read, in both versions.
fn files() -> Vec<String> {
    let mut files: Vec<String> =
        ["proc/stat", "proc/meminfo", "proc/loadavg", "proc/self/cgroup", "proc/self/mountinfo"]
            .map(String::from)
            .into();
    for name in [
        "memory.max",
        "memory.current",
        "memory.stat",
        "memory.events",
        "memory.pressure",
        "cpu.max",
        "cpu.stat",
        "cpuset.cpus.effective",
    ] {
        files.push(format!("sys/fs/cgroup/a/{name}"));
    }
    files
}

fn whole() -> Machine {
    let machine = Machine::new();
    machine.v2("/a", "/").v2_group("/a", "1073741824", GIB / 2, 4096, "150000 100000", 1_000_000);
    machine.write("sys/fs/cgroup/a/cpuset.cpus.effective", "0-1\n");
    machine.write("sys/fs/cgroup/a/memory.events", "high 1\nmax 2\noom_kill 3\n");
    machine.write("sys/fs/cgroup/a/memory.pressure", "some total=12345678\nfull total=1234567\n");
    machine
}

#[test]
fn a_file_cut_anywhere_gives_what_it_said_or_nothing() {
    let machine = whole();
    for file in files() {
        let text = fs::read(machine.path().join(&file)).unwrap();
        for end in 0..text.len() {
            machine.write(&file, &text[..end]);
            let mut host = Sampled::new(&machine);
            host.sample();
            // Where a limit is lost the machine's counts, or the CPU set's: nothing made up in between.
            let (used, total) = host.memory();
            assert!(matches!(total, None | Some(GIB)) || total == Some(16 * GIB), "{file} {end}");
            let known = [GIB / 2 - 4096, 4 * GIB].map(Some);
            assert!(used.is_none() || known.contains(&used), "{file} {end}");
            let cores = host.cpu().1;
            // A stat that is cut may show fewer CPUs than there are.
            assert!(
                [None, Some(1.0), Some(1.5), Some(2.0), Some(3.0), Some(4.0)].contains(&cores),
                "{file} {end}"
            );
            assert!([None, Some(1.5)].contains(&host.get("load1")), "{file} {end}");
            let stalled = get(&host.readings, "pressure_stalled_seconds", "memory");
            assert!([None, Some(1.234_567)].contains(&stalled), "{file} {end}");
            assert!(
                [None, Some(3.0)].contains(&get(&host.readings, "memory_events", "oom_kill")),
                "{file} {end}"
            );
        }
        machine.write(&file, text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_in_every_file_never_panics(texts in prop::collection::vec((any::<Vec<u8>>(), "[0-9a-z :\n,.-]{0,40}", any::<bool>()), 26)) {
        let machine = whole();
        let mut host = Sampled::new(&machine);
        let _ = host.try_sample();
        for half in texts.chunks(13) {
            for (file, (bytes, text, binary)) in files().iter().zip(half) {
                machine.write(file, if *binary { bytes } else { text.as_bytes() });
            }
            for host in [&mut host, &mut Sampled::new(&machine)] {
                let _ = host.try_sample();
                for reading in &host.readings.readings {
                    prop_assert!(reading.value.is_finite() && reading.value >= 0.0, "{reading:?}");
                }
                prop_assert!(host.get("cpu_usage_ratio").is_none_or(|ratio| ratio <= 1.0));
            }
        }
    }
}

#[test]
fn this_machine_is_as_proc_says() {
    let mut host = Host::new();
    let mut readings = Readings::default();
    host.sample(&mut readings).unwrap();
    assert_eq!(get(&readings, "cpu_usage_ratio", ""), None);
    // The kernel counts in ticks of 10 ms: a share needs a few.
    until(|| {
        readings.clear();
        host.sample(&mut readings).unwrap();
        get(&readings, "cpu_usage_ratio", "").is_some()
    });
    let get = |name| get(&readings, name, "").unwrap_or_else(|| panic!("no {name}: {readings:?}"));
    assert!((0.0..=1.0).contains(&get("cpu_usage_ratio")));
    assert!(get("load1") >= 0.0);
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap().matches("processor\t").count();
    assert!(get("cpu_limit_cores") > 0.0);
    if cpus > 0 {
        assert!(get("cpu_limit_cores") <= cpus as f64);
    }
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let total: f64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(get("host_memory_total_bytes") <= total * 1024.0);
    assert!((1.0..=get("host_memory_total_bytes") * 1.1).contains(&get("host_memory_used_bytes")));
    assert!(readings.dropped.is_empty());
}
