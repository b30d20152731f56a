//! What the drain takes out of the event rings: finished calls whole, in order and once, and calls that died.
#![allow(clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use auscult_core::snapshot::{Drain, Drained};
use auscult_core::{Calls, FieldValue, FinishedCall, Options, Outcome, Registry, Seconds};
use common::*;

const ROOT: &str = "AUSCULT_TEST_DRAIN_ROOT";
const THREADS: usize = 4;

/// Plays the recorder when run by another test; by itself it does nothing.
#[test]
fn child_process() {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else { return };
    let registry = registry_at(&root, Options::default());
    let calls = Calls::new(&registry).expect("request metrics");
    let returned = std::fs::File::options().write(true).open(root.join("returned")).expect("a file");
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (calls, returned, registry) = (&calls, &returned, &registry);
            scope.spawn(move || {
                let operation = calls.operation("op");
                for index in 1_u64.. {
                    let call = operation.begin::<&str>([]).request_id(&format!("{thread}-{index}")).start();
                    call.field("index", index);
                    drop(call.stage("llm"));
                    call.finish();
                    returned.write_all_at(&index.to_le_bytes(), thread * 8).expect("written");
                    registry.beat();
                    // What a full ring drops is another test's.
                    while registry.events_recorded() > registry.events_stored() + 100_000 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
}

fn attach(drain: &mut Drain) {
    drain.attach(|_| Ok::<_, ()>(None)).expect("nothing is asked");
}

fn drain_all(drain: &mut Drain) -> Drained {
    attach(drain);
    drain.read(usize::MAX, |_| true)
}

/// A service of one process, and its drain.
fn service(home: &Home) -> (std::sync::Arc<Registry>, std::sync::Arc<Calls>, Drain) {
    let registry = home.registry();
    let calls = Calls::new(&registry).expect("request metrics");
    let drain = Drain::new(home.place("svc"), registry.clone());
    registry.beat();
    (registry, calls, drain)
}

#[test]
fn a_finished_call_has_everything_that_was_said_of_it() {
    let home = Home::new();
    let (registry, calls, mut drain) = service(&home);
    let operation = calls.operation("synthesize").labels(["voice", "emotion"]);
    let call =
        operation.begin(["anna", "sad"]).request_id("req-7d8e9f").queued(Duration::from_millis(30)).start();
    call.field("text", "ein Käuzchen");
    call.field("char_count", 12);
    call.field("speed", 1.25);
    call.field("warm", false);
    call.field("text", "zwei");
    drop(call.stage("frontend"));
    for failed in [false, true] {
        let stage = call.stage("vocoder");
        if failed {
            stage.fail();
        }
    }
    call.chunk(Seconds(0.0));
    call.chunk(Seconds(0.5));
    call.chunk(Seconds(0.25));
    call.end_with(Outcome::Oom, "OutOfMemoryError", "CUDA out of memory");
    let drained = drain_all(&mut drain);
    let [call] = &drained.calls[..] else { panic!("one call: {drained:?}") };
    assert_eq!((call.request_id.as_str(), call.operation.as_str()), ("req-7d8e9f", "synthesize"));
    assert_eq!(call.labels, [("emotion".into(), "sad".into()), ("voice".into(), "anna".into())]);
    assert_eq!((call.outcome, call.pid), (Outcome::Oom, std::process::id()));
    let text = |text: &str| FieldValue::from(text);
    let fields = [
        ("text".to_owned(), text("zwei")),
        ("char_count".into(), 12.into()),
        ("speed".into(), 1.25.into()),
        ("warm".into(), false.into()),
        ("error_type".into(), text("OutOfMemoryError")),
        ("error".into(), text("CUDA out of memory")),
    ];
    assert_eq!(call.fields, fields);
    let stages: Vec<_> = call.stages.iter().map(|s| (s.name.as_str(), s.count, s.failures)).collect();
    assert_eq!(stages, [("frontend", 1, 0), ("vocoder", 2, 1)]);
    assert!(call.stages.iter().all(|stage| stage.nanos <= call.duration()));
    assert_eq!((call.chunks, call.audio_seconds, call.characters), (3, 0.75, 12));
    assert_eq!(call.queued, Some(30_000_000));
    assert!(call.first_audio.is_some_and(|first| first <= call.duration()) && call.underrun == Some(0));
    assert!(call.busy <= call.duration() && call.streaming && call.died_in.is_none() && call.gpu.is_none());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert!(now.as_nanos().abs_diff(u128::from(call.ended_unix)) < 60_000_000_000);
    assert!(registry.events_stored() < registry.events_recorded());
    drain.stored(&drained.positions);
    assert_eq!(registry.events_stored(), registry.events_recorded());
    assert!(drain_all(&mut drain).is_empty(), "once");
    assert_eq!(value(&home.snapshot(&registry), "auscult_events", &[]), Some(1.0));
}

#[test]
fn what_is_not_ready_waits_with_all_behind_it_and_what_is_not_stored_stays() {
    let home = Home::new();
    let (registry, calls, mut drain) = service(&home);
    let operation = calls.operation("op");
    for index in 0..6 {
        operation.begin::<&str>([]).request_id(&index.to_string()).start().finish();
    }
    let ids =
        |drained: &Drained| drained.calls.iter().map(|call| call.request_id.clone()).collect::<Vec<_>>();
    attach(&mut drain);
    let first = drain.read(2, |_| true);
    assert_eq!((ids(&first), first.more), (vec!["0".to_owned(), "1".into()], true));
    let second = drain.read(100, |call| call.request_id != "4");
    assert_eq!(ids(&second), ["2", "3"]);
    // Another reporter, after this one was killed: of the first it knows from the store.
    let mut next = Drain::new(home.place("svc"), registry.clone());
    let known = |segment| first.positions.iter().find(|(id, _)| *id == segment).map(|(_, at)| *at);
    next.attach(|segment| Ok::<_, ()>(known(segment))).expect("known");
    assert_eq!(ids(&next.read(100, |_| true)), ["2", "3", "4", "5"]);
}

#[test]
fn a_full_ring_drops_the_newest_and_counts_them() {
    let home = Home::new();
    let registry = home.registry_with(small());
    let calls = Calls::new(&registry).expect("request metrics");
    let mut drain = Drain::new(home.place("svc"), registry.clone());
    let operation = calls.operation("op");
    let record = |index: u64| {
        let call = operation.begin::<&str>([]).request_id(&index.to_string()).start();
        call.field("filler", "x".repeat(1000));
        call.finish();
    };
    let dropped = |reason| {
        value(&home.snapshot(&registry), "auscult_events_dropped", &[("reason", reason)]).expect("a counter")
    };
    (0..300).for_each(record);
    let drained = drain_all(&mut drain);
    let taken = drained.calls.len() as u64;
    assert!(taken > 50 && dropped("ring_full") == (300 - taken) as f64);
    assert!(drained.calls.iter().enumerate().all(|(index, call)| call.request_id == index.to_string()));
    drain.stored(&drained.positions);
    record(300);
    assert_eq!(drain_all(&mut drain).calls[0].request_id, "300");
    // A call is kept without the fields that do not fit.
    let call = operation.start::<&str>([]);
    call.field("small", 1);
    call.field("large", "x".repeat(4096));
    call.field("larger", "y".repeat(8192));
    call.finish();
    let drained = drain_all(&mut drain);
    let names: Vec<_> = drained.calls[0].fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, dropped("too_many_fields")), (vec!["small", "large"], 1.0));
}

/// Kills a process that records in four threads, while it is drained by reporters that are killed between the
/// store's commit and the freeing, and before the commit.
#[test]
fn a_killed_process_loses_no_call_that_had_returned() {
    for round in 0..8 {
        let home = Home::new();
        kill_recorder(home.path(), round);
    }
}

fn kill_recorder(root: &Path, round: u64) {
    let returned = std::fs::File::create_new(root.join("returned")).expect("a file");
    returned.set_len(8 * THREADS as u64).expect("its size");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child_process", "--nocapture"])
        .env(ROOT, root)
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let registry = registry_at(root, small());
    let new_drain = || Drain::new(place_at(root, "svc"), registry.clone());
    let (mut drain, mut store, mut cursors) = (new_drain(), Vec::<FinishedCall>::new(), HashMap::new());
    let (mut died, mut dead, mut lost, mut kill_at) = (Vec::new(), false, 0, 2000 + 500 * round as usize);
    for turn in 0_u64.. {
        drain.attach(|segment| Ok::<_, ()>(cursors.get(&segment).copied())).expect("known");
        let drained = drain.read(1000, |_| true);
        if turn % 7 == 3 {
            drain = new_drain();
            continue;
        }
        lost += drained.lost;
        store.extend(drained.calls);
        died.extend(drained.died);
        cursors.extend(drained.positions.iter().copied());
        if turn % 7 == 5 {
            drain = new_drain();
        } else {
            drain.stored(&drained.positions);
        }
        if store.len() >= kill_at {
            kill_at = usize::MAX;
            child.kill().expect("killed");
            child.wait().expect("waited");
            dead = true;
        }
        if dead && !drained.finished.is_empty() {
            break;
        }
    }
    child.wait().expect("it is dead");
    let mut seen: HashMap<(u64, u64), u64> = HashMap::new();
    for call in store.iter().chain(died.iter().map(|(_, call)| call)) {
        let (thread, index) = call.request_id.split_once('-').expect("our id");
        *seen.entry((thread.parse().expect("a number"), index.parse().expect("a number"))).or_default() += 1;
    }
    assert!(seen.values().all(|times| *times == 1), "round {round}: something is there twice");
    // A record that its writer did not finish is of a call that is found in its slot.
    assert!(died.len() <= THREADS && lost <= THREADS as u64, "one a thread at most: {lost}, {died:?}");
    assert!(died.iter().all(|(_, call)| call.outcome == Outcome::Died));
    for thread in 0..THREADS as u64 {
        let mut bytes = [0; 8];
        returned.read_exact_at(&mut bytes, thread * 8).expect("read");
        for index in 1..=u64::from_le_bytes(bytes) {
            assert!(seen.contains_key(&(thread, index)), "round {round}: call {thread}-{index} had returned");
        }
    }
    assert!(store.iter().all(|call| call.stages.len() == 1 && call.fields.len() == 1));
}
