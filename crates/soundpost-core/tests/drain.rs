//! Records that a ring reader takes out of the event rings: finished calls and log events whole, in order and once, and calls
//! that died.
#![allow(clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::*;
use soundpost_core::snapshot::{EventBatch, RingEvent, RingReader};
use soundpost_core::{
    Calls, FieldRef, FieldValue, FinishedCall, Level, Log, LogEvent, LogFields, Options, Outcome, Registry,
    Seconds, ServiceIdentity,
};

const ROOT: &str = "SOUNDPOST_TEST_DRAIN_ROOT";
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
                    let call = operation.begin().request_id(&format!("{thread}-{index}")).start();
                    call.field("index", index);
                    drop(call.stage("llm"));
                    call.finish();
                    returned.write_all_at(&index.to_le_bytes(), thread * 8).expect("written");
                    registry.beat();
                    // Drops of a full ring have a test of their own.
                    while registry.events_recorded() > registry.events_stored() + 100_000 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
}

fn attach(drain: &mut RingReader) {
    drain.attach(|_| Ok::<_, ()>(None)).expect("nothing is asked");
}

fn drain_all(drain: &mut RingReader) -> EventBatch {
    attach(drain);
    drain.read(usize::MAX, |_| true)
}

/// The finished calls among what was drained.
fn calls_of(drained: &EventBatch) -> Vec<&FinishedCall> {
    drained.records.iter().filter_map(RingEvent::call).collect()
}

/// A service of one process, and its drain.
fn service(home: &Home) -> (std::sync::Arc<Registry>, std::sync::Arc<Calls>, RingReader) {
    let registry = home.registry();
    let calls = Calls::new(&registry).expect("request metrics");
    let drain = RingReader::new(home.place("svc"), registry.clone());
    registry.beat();
    (registry, calls, drain)
}

#[test]
fn a_finished_call_has_everything_that_was_said_of_it() {
    let home = Home::new();
    let (registry, calls, mut drain) = service(&home);
    let operation = calls.operation("synthesize").labels(["voice", "emotion"]).expect("labels");
    let call = operation
        .begin_with(["anna", "sad"])
        .request_id("req-7d8e9f")
        .queued(Duration::from_millis(30))
        .start();
    call.field("bird", "ein Käuzchen");
    call.field("char_count", 12);
    call.field("speed", 1.25);
    call.field("warm", false);
    call.field("bird", "zwei");
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
    let [call] = calls_of(&drained)[..] else { panic!("one call: {drained:?}") };
    assert_eq!((call.request_id.as_str(), call.operation.as_str()), ("req-7d8e9f", "synthesize"));
    assert_eq!(call.labels, [("emotion".into(), "sad".into()), ("voice".into(), "anna".into())]);
    assert_eq!((call.outcome, call.pid), (Outcome::Oom, std::process::id()));
    let text = |text: &str| FieldValue::from(text);
    let fields = [
        ("bird".to_owned(), text("zwei")),
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
    assert_eq!(value(&home.snapshot(&registry), "soundpost_events", &[]), Some(1.0));
}

#[test]
fn damaged_stored_position_skips_no_record() {
    let home = Home::new();
    let (_registry, calls, mut drain) = service(&home);
    for round in 0..2 {
        calls.operation("op").begin().request_id(&round.to_string()).start().finish();
        for position in [u64::MAX, 1 << 40] {
            drain.attach(|_| Ok::<_, ()>(Some(position))).expect("attached");
        }
        let drained = drain.read(usize::MAX, |_| true);
        let ids: Vec<_> = calls_of(&drained).iter().map(|call| call.request_id.clone()).collect();
        assert_eq!(ids, [round.to_string()]);
    }
}

#[test]
fn unready_and_unstored_records_stay_in_the_ring() {
    let home = Home::new();
    let (registry, calls, mut drain) = service(&home);
    let operation = calls.operation("op");
    for index in 0..6 {
        operation.begin().request_id(&index.to_string()).start().finish();
    }
    let ids = |drained: &EventBatch| {
        calls_of(drained).iter().map(|call| call.request_id.clone()).collect::<Vec<_>>()
    };
    attach(&mut drain);
    let first = drain.read(2, |_| true);
    assert_eq!((ids(&first), first.more), (vec!["0".to_owned(), "1".into()], true));
    let second = drain.read(100, |call| call.request_id != "4");
    assert_eq!(ids(&second), ["2", "3"]);
    // Another reporter, after this one was killed: of the first it knows from the store.
    let mut next = RingReader::new(home.place("svc"), registry.clone());
    let known = |segment| first.positions.iter().find(|(id, _)| *id == segment).map(|(_, at)| *at);
    next.attach(|segment| Ok::<_, ()>(known(segment))).expect("known");
    assert_eq!(ids(&next.read(100, |_| true)), ["2", "3", "4", "5"]);
}

#[test]
fn a_full_ring_drops_the_newest_and_counts_them() {
    let home = Home::new();
    let registry = home.registry_with(small());
    let calls = Calls::new(&registry).expect("request metrics");
    let mut drain = RingReader::new(home.place("svc"), registry.clone());
    let operation = calls.operation("op");
    let record = |index: u64| {
        let call = operation.begin().request_id(&index.to_string()).start();
        call.field("filler", "x".repeat(1000));
        call.finish();
    };
    let dropped = |reason| {
        value(&home.snapshot(&registry), "soundpost_events_dropped", &[("reason", reason)])
            .expect("a counter")
    };
    let altered =
        |reason| value(&home.snapshot(&registry), "soundpost_events_altered", &[("reason", reason)]);
    (0..300).for_each(record);
    let drained = drain_all(&mut drain);
    let taken = drained.records.len() as u64;
    assert!(taken > 50 && dropped("ring_full") == (300 - taken) as f64);
    assert!(calls_of(&drained).iter().enumerate().all(|(index, call)| call.request_id == index.to_string()));
    drain.stored(&drained.positions);
    record(300);
    assert_eq!(calls_of(&drain_all(&mut drain))[0].request_id, "300");
    // A call is kept without the fields that do not fit.
    let call = operation.start();
    call.field("small", 1);
    call.field("large", "x".repeat(4096));
    call.field("larger", "y".repeat(8192));
    call.finish();
    let drained = drain_all(&mut drain);
    let names: Vec<_> = calls_of(&drained)[0].fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, altered("too_many_fields")), (vec!["small", "large"], Some(1.0)));
}

fn log<'a>(message: &'a str, fields: &'a LogFields) -> Log<'a> {
    Log {
        unix_nanos: None,
        level: Level::Info,
        message,
        logger: "",
        file: "",
        line: None,
        thread: "",
        request_id: "",
        operation: "",
        fields,
    }
}

#[test]
fn a_log_event_has_everything_that_was_said_and_its_place_among_the_calls() {
    let home = Home::new();
    let (registry, calls, mut drain) = service(&home);
    let call = calls.operation("synthesize").begin().request_id("req-1").start();
    let mut fields = LogFields::new();
    fields.push("voice", FieldRef::Text("Käthe"));
    fields.push("seed", FieldRef::Int(-7));
    fields.push("speed", FieldRef::Float(1.5));
    fields.push("warm", FieldRef::Bool(true));
    fields.push("voice", FieldRef::Text("another"));
    let event = Log {
        unix_nanos: Some(1_767_323_045_678_901_234),
        level: Level::Critical,
        logger: "tts.engine",
        file: "engine.py",
        line: Some(47),
        thread: "worker-1",
        request_id: call.request_id(),
        operation: call.operation(),
        ..log("CUDA error: \u{1F525}", &fields)
    };
    event.record(&registry);
    call.finish();
    fields.clear();
    log("", &fields).record(&registry);
    let drained = drain_all(&mut drain);
    let [RingEvent::Log(first), RingEvent::Call(_), RingEvent::Log(second)] = &drained.records[..] else {
        panic!("event, call, event: {drained:?}")
    };
    let expected = LogEvent {
        unix_nanos: 1_767_323_045_678_901_234,
        level: Level::Critical,
        message: "CUDA error: \u{1F525}".into(),
        logger: "tts.engine".into(),
        file: "engine.py".into(),
        line: Some(47),
        thread: "worker-1".into(),
        request_id: "req-1".into(),
        operation: "synthesize".into(),
        origin: first.origin.clone(),
        pid: std::process::id(),
        segment: first.segment,
        fields: vec![
            ("voice".into(), "Käthe".into()),
            ("seed".into(), FieldValue::Int(-7)),
            ("speed".into(), 1.5.into()),
            ("warm".into(), true.into()),
        ],
    };
    assert_eq!(*first, expected);
    assert!(second.message.is_empty() && second.line.is_none() && second.fields.is_empty());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert!(now.as_nanos().abs_diff(u128::from(second.unix_nanos)) < 60_000_000_000);
    assert_eq!(value(&home.snapshot(&registry), "soundpost_events", &[]), Some(3.0));
}

#[test]
fn long_parts_of_an_event_are_cut_and_counted() {
    let home = Home::new();
    let (registry, _, mut drain) = service(&home);
    let mut fields = LogFields::new();
    fields.push("traceback", FieldRef::Text(&"é".repeat(5 << 20)));
    (0..10_000).for_each(|index| fields.push(&format!("f{index}"), FieldRef::Int(index)));
    let message = "é".repeat(1 << 20);
    Log { logger: &message, ..log(&message, &fields) }.record(&registry);
    let drained = drain_all(&mut drain);
    let [RingEvent::Log(event)] = &drained.records[..] else { panic!("one event: {drained:?}") };
    assert_eq!((event.message.len(), event.logger.len()), (64 << 10, 1 << 10));
    assert_eq!((event.fields.len(), &event.fields[0].1), (64, &FieldValue::Text("é".repeat(16 << 10))));
    let altered =
        |reason| value(&home.snapshot(&registry), "soundpost_events_altered", &[("reason", reason)]);
    assert_eq!(altered("too_many_fields"), Some(10_001.0 - 64.0));
    assert_eq!(altered("shortened"), Some(3.0));
}

#[test]
fn an_event_fits_a_small_segment_with_a_part_of_message_and_fields() {
    let home = Home::new();
    let registry = home.registry_with(small());
    let mut drain = RingReader::new(home.place("svc"), registry.clone());
    let mut fields = LogFields::new();
    fields.push("small", FieldRef::Int(1));
    fields.push("large", FieldRef::Text(&"x".repeat(30 << 10)));
    log(&"m".repeat(64 << 10), &fields).record(&registry);
    let drained = drain_all(&mut drain);
    let [RingEvent::Log(event)] = &drained.records[..] else { panic!("one event: {drained:?}") };
    assert!(event.message.len() > 1000 && event.fields.len() == 1, "{event:?}");
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
    let new_drain = || RingReader::new(place_at(root, "svc"), registry.clone());
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
        store.extend(drained.records.into_iter().filter_map(|record| record.call().cloned()));
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

#[test]
fn labels_on_everything_are_on_calls_and_log_events_of_those_who_had_them() {
    let home = Home::new();
    let of = |env: &str| {
        let identity = ServiceIdentity::new("svc").label("env", env).expect("a label");
        Registry::open(&home.place("svc"), identity, Options::default()).expect("a registry")
    };
    // The next run drains the remains of another one.
    let left = of("staging");
    Calls::new(&left).expect("request metrics").operation("left").start().finish();
    let registry = of("production");
    let calls = Calls::new(&registry).expect("request metrics");
    calls.operation("labelled").labels(["voice"]).expect("labels").start_with(["alto"]).finish();
    let mut fields = LogFields::new();
    log("bare", &fields).record(&registry);
    fields.push("env", FieldRef::Text("own"));
    log("own", &fields).record(&registry);

    let mut drain = RingReader::new(home.place("svc"), registry.clone());
    let drained = drain_all(&mut drain);
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels: HashMap<_, _> =
        calls_of(&drained).into_iter().map(|call| (call.operation.as_str(), call.labels.clone())).collect();
    assert_eq!(labels["left"], [text("env", "staging")]);
    assert_eq!(labels["labelled"], [text("voice", "alto"), text("env", "production")]);
    let events = drained.records.iter().filter_map(|record| match record {
        RingEvent::Log(event) => Some((event.message.as_str(), event.fields.clone())),
        RingEvent::Call(_) => None,
    });
    let events: HashMap<_, _> = events.collect();
    let env = |value: &str| [("env".to_owned(), FieldValue::Text(value.to_owned()))];
    assert_eq!((&*events["bare"], &*events["own"]), (&env("production")[..], &env("own")[..]));
}
