//! Several processes of one service: births, kills, forks, folds. The child processes are this test's own
//! binary, run again.
#![allow(clippy::expect_used)]

mod common;
#[path = "common/processes/mod.rs"]
mod processes;

use common::*;
use processes::*;
use proptest::prelude::*;
use soundpost_core::Spec;
use soundpost_core::snapshot::Snapshot;

/// Plays a role when run by another test; by itself it does nothing.
#[test]
fn child_process() {
    play_role();
}

#[test]
fn a_killed_process_loses_nothing_that_was_recorded() {
    let figures = kill_recorders(10);
    assert_eq!(figures.kills, 10);
    assert!(figures.recorded > 0 && figures.died > 0, "{figures:?}");
}

#[test]
fn a_killed_fold_loses_nothing_and_counts_nothing_twice() {
    assert!(kill_folders(12) >= 12);
}

#[test]
fn forks_from_recording_threads_hang_and_lose_nothing() {
    for _ in 0..2 {
        fork_storm(40);
    }
}

#[test]
fn inherited_call_is_ended_by_the_parent() {
    let home = Home::new();
    let registry = home.registry();
    let mut puppet = Puppet::start(home.path());
    let mut collector = home.collector(&registry);
    puppet.tell("begin");
    puppet.tell("fork-and-drop");
    let snapshot = collector.snapshot();
    assert_eq!(in_flight(&snapshot), 1.0, "the parent's call goes on");
    assert_eq!(finished(&snapshot, "ok"), 0.0);
    let stage = [("operation", "op"), ("stage", "s")];
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &stage).count(), 1);
    puppet.tell("finish");
    assert_eq!(finished(&collector.snapshot(), "ok"), 1.0);
    assert_eq!(finished(&collector.snapshot(), "died"), 0.0);
}

#[test]
fn gauges_of_forked_children_are_their_own_and_end_with_them() {
    let home = Home::new();
    let registry = home.registry();
    let mut puppet = Puppet::start(home.path());
    let mut collector = home.collector(&registry);
    puppet.tell("gauge 10");
    assert_eq!(value(&collector.snapshot(), "level", &[]), Some(10.0));
    assert_eq!(value(&collector.snapshot(), "each", &[]), Some(10.0), "one process has no pid");
    for round in 0..3 {
        let one = puppet.tell("fork-and-stay 3");
        let other = puppet.tell("fork-and-stay 4");
        let snapshot = collector.snapshot();
        assert_well_formed(&snapshot);
        assert_eq!(value(&snapshot, "level", &[]), Some(17.0), "round {round}");
        assert_eq!(value(&snapshot, "each", &[("pid", &one)]), Some(3.0));
        assert_eq!(value(&snapshot, "each", &[("pid", &other)]), Some(4.0));
        assert_eq!(total(&snapshot, "each", &[]), 17.0);
        assert_eq!(in_flight(&snapshot), 2.0);
        puppet.tell("kill-child");
        assert_eq!(value(&collector.snapshot(), "level", &[]), Some(13.0), "round {round}");
        puppet.tell("kill-child");
        assert_eq!(value(&collector.snapshot(), "level", &[]), Some(10.0), "round {round}");
        assert_eq!(finished(&collector.snapshot(), "died"), 2.0 * f64::from(round + 1));
    }
    puppet.kill();
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "level", &[]), None, "with the last process the gauge is gone");
    assert_eq!(finished(&snapshot, "died"), 6.0);
    assert_eq!(collector.merge_dead(), 1);
    assert_eq!(finished(&collector.snapshot(), "died"), 6.0);
    assert_eq!(value(&collector.snapshot(), "done", &[]), Some(21.0));
}

#[test]
fn a_segment_lives_as_long_as_a_forked_child() {
    let home = Home::new();
    let registry = home.registry();
    let mut collector = home.collector(&registry);
    let mut puppet = Puppet::start(home.path());
    let child: i32 = puppet.tell("fork-and-stay 2").parse().expect("a pid");
    puppet.kill();
    let snapshot = collector.snapshot();
    assert_eq!(collector.merge_dead(), 0, "the child still records");
    assert_eq!((in_flight(&snapshot), value(&snapshot, "level", &[])), (1.0, Some(2.0)));
    // SAFETY: signals the process that the puppet forked; nothing else ended it.
    unsafe { libc::kill(child, libc::SIGKILL) };
    eventually("the fold", 10, || (collector.merge_dead() == 1).then_some(()));
    let snapshot = collector.snapshot();
    assert_eq!((in_flight_of(&snapshot), finished(&snapshot, "died")), (None, 1.0));
    assert_eq!(value(&snapshot, "done", &[]), Some(2.0));
}

#[test]
fn the_last_process_that_ends_in_good_order_leaves_nothing() {
    let home = Home::new();
    let registry = home.registry();
    let mut collector = home.collector(&registry);
    let mut puppet = Puppet::start(home.path());
    puppet.tell("count 1");
    puppet.kill();
    collector.merge_dead();
    assert_eq!(value(&collector.snapshot(), "done", &[]), Some(1.0));
    collector.end_run();
    assert!(home.segment_files().is_empty());
    drop((collector, registry));
    // The next run begins at nothing.
    let registry = home.registry();
    let mut collector = home.collector(&registry);
    collector.take_over_last_run();
    assert_eq!(value(&collector.snapshot(), "done", &[]), None);
}

#[test]
fn totals_of_a_crashed_run_continue_in_the_next() {
    let home = Home::new();
    let mut puppet = Puppet::start(home.path());
    puppet.tell("count 3");
    puppet.tell("begin");
    puppet.kill();
    let registry = home.registry();
    let mut collector = home.collector(&registry);
    collector.take_over_last_run();
    let snapshot = collector.snapshot();
    assert_eq!(value(&snapshot, "done", &[]), Some(3.0));
    assert_eq!(finished(&snapshot, "died"), 1.0);
    assert_eq!(home.segment_files().len(), 1);
}

#[test]
fn other_buckets_of_a_process_are_counted_in_the_first_ones() {
    let home = Home::new();
    let registry = home.registry();
    let sizes = registry.family(Spec::histogram("sizes", &[5.0, 10.0, 20.0])).expect("a family");
    sizes.histogram(&[]).expect("a histogram").observe(3.0);
    let mut collector = home.collector(&registry);
    collector.snapshot();
    let mut puppet = Puppet::start(home.path());
    // Its buckets end at 1 and 10.
    ["count 0.5", "count 3", "count 40"].into_iter().for_each(|command| drop(puppet.tell(command)));
    let assert_counted = |snapshot: &Snapshot| {
        let sizes = distribution(snapshot, "sizes", &[]);
        assert_eq!((&*sizes.bounds, &*sizes.counts), (&[5.0, 10.0, 20.0][..], &[2, 1, 0, 1][..]));
        assert_eq!(sizes.sum, 46.5);
    };
    assert_counted(&collector.snapshot());
    puppet.kill();
    assert_eq!(collector.merge_dead(), 1);
    assert_counted(&collector.snapshot());
}

#[test]
fn request_ids_of_forked_children_differ() {
    let make = || soundpost_core::RequestId::random().to_string();
    let mut ids = vec![make()];
    for _ in 0..8 {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let child = fork(|| std::io::Write::write_all(&mut &writer, make().as_bytes()).expect("written"));
        drop(writer);
        let mut id = String::new();
        std::io::Read::read_to_string(&mut reader, &mut id).expect("an id");
        wait(child);
        assert_eq!(id.len(), 32);
        ids.push(id);
        ids.push(make());
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    // A fork elsewhere in this process has the thread's generator begin anew, and the ids differ all the same.
    assert_eq!(ids.len(), count);
}

fn in_flight_of(snapshot: &Snapshot) -> Option<f64> {
    value(snapshot, "svc_requests_in_flight", &[("operation", "op")])
}

fn in_flight(snapshot: &Snapshot) -> f64 {
    in_flight_of(snapshot).unwrap_or(0.0)
}

fn finished(snapshot: &Snapshot, outcome: &str) -> f64 {
    total(snapshot, "svc_request", &[("outcome", outcome)])
}

// --- A model of the totals --------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Step {
    Birth,
    Kill(prop::sample::Index),
    Count(prop::sample::Index, u8),
    Gauge(prop::sample::Index, u8),
    Begin(prop::sample::Index),
    Finish(prop::sample::Index),
    Fork(prop::sample::Index, u8),
    Fold(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => Just(Step::Birth),
        2 => index().prop_map(Step::Kill),
        3 => (index(), any::<u8>()).prop_map(|(at, amount)| Step::Count(at, amount)),
        2 => (index(), any::<u8>()).prop_map(|(at, amount)| Step::Gauge(at, amount)),
        3 => index().prop_map(Step::Begin),
        2 => index().prop_map(Step::Finish),
        1 => (index(), any::<u8>()).prop_map(|(at, amount)| Step::Fork(at, amount)),
        3 => any::<bool>().prop_map(Step::Fold),
    ]
}

#[derive(Default)]
struct Model {
    done: f64,
    records: f64,
    ok: f64,
    died: f64,
}

struct Actor {
    puppet: Puppet,
    running: u32,
    gauge: Option<f64>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_exact_over_any_births_kills_and_folds(steps in prop::collection::vec(step(), 1..30)) {
        let home = Home::new();
        let (registry, other) = (home.registry_with(small()), home.registry_with(small()));
        let mut collectors = [home.collector(&registry), home.collector(&other)];
        let mut model = Model::default();
        let mut actors: Vec<Actor> = Vec::new();
        for step in steps {
            match step {
                Step::Birth if actors.len() < 4 => {
                    actors.push(Actor { puppet: Puppet::start(home.path()), running: 0, gauge: None });
                }
                Step::Fold(second) => drop(collectors[usize::from(second)].merge_dead()),
                Step::Birth => {}
                _ if actors.is_empty() => {}
                Step::Kill(at) => {
                    let actor = actors.swap_remove(at.index(actors.len()));
                    model.died += f64::from(actor.running);
                    actor.puppet.kill();
                }
                Step::Count(at, amount) => {
                    let at = at.index(actors.len());
                    actors[at].puppet.tell(&format!("count {amount}"));
                    model.done += f64::from(amount);
                    model.records += 1.0;
                }
                Step::Gauge(at, amount) => {
                    let at = at.index(actors.len());
                    actors[at].puppet.tell(&format!("gauge {amount}"));
                    actors[at].gauge = Some(f64::from(amount));
                }
                Step::Begin(at) => {
                    let at = at.index(actors.len());
                    actors[at].puppet.tell("begin");
                    actors[at].running += 1;
                }
                Step::Finish(at) => {
                    let at = at.index(actors.len());
                    actors[at].puppet.tell("finish");
                    if actors[at].running > 0 {
                        actors[at].running -= 1;
                        model.ok += 1.0;
                    }
                }
                Step::Fork(at, amount) => {
                    let at = at.index(actors.len());
                    actors[at].puppet.tell(&format!("fork-and-die {amount}"));
                    model.done += f64::from(amount);
                    model.records += 1.0;
                    model.died += 1.0;
                }
            }
            for collector in &mut collectors {
                let snapshot = collector.snapshot();
                assert_well_formed(&snapshot);
                prop_assert_eq!(total(&snapshot, "done", &[]), model.done);
                prop_assert_eq!(total(&snapshot, "sizes", &[]), model.records);
                prop_assert_eq!(finished(&snapshot, "ok"), model.ok);
                prop_assert_eq!(finished(&snapshot, "died"), model.died);
                let running: u32 = actors.iter().map(|actor| actor.running).sum();
                prop_assert_eq!(in_flight(&snapshot), f64::from(running));
                let level: Option<f64> = actors.iter().filter_map(|actor| actor.gauge).reduce(|a, b| a + b);
                prop_assert_eq!(value(&snapshot, "level", &[]).unwrap_or(0.0), level.unwrap_or(0.0));
            }
        }
    }
}
