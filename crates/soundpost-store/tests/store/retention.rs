//! Retention removes old and excess records, oldest first, in small steps.

use std::time::Duration;

use soundpost_core::FinishedCall;
use soundpost_store::{
    Batch, CallFilter, DeathKey, Dropped, Entity, Limits, Progress, Record, RecordKinds, Rejected, Store,
    VitalsSample,
};

use super::support::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs all steps of retention. Returns the removed records.
fn retain(store: &mut Store) -> Progress {
    let mut done = Progress::default();
    loop {
        let step = store.retain().unwrap();
        done.records += step.records;
        done.samples += step.samples;
        if !step.more {
            return done;
        }
    }
}

fn calls_at(unix_nanos: u64, count: usize) -> Vec<FinishedCall> {
    let call = |number| FinishedCall { ended_unix: unix_nanos, ..call(&format!("{unix_nanos}-{number}")) };
    (0..count).map(call).collect()
}

fn sample(unix_nanos: u64, entity: Entity) -> VitalsSample {
    let column = match entity {
        Entity::Host => "load1",
        Entity::Process { .. } => "process_threads",
        Entity::Gpu(_) => "gpu_power_watts",
        Entity::GpuProcess { .. } => "gpu_process_memory_bytes",
    };
    VitalsSample { unix_nanos, entity, values: vec![(column, 1.0)] }
}

#[test]
fn removed_records_stay_counted_as_dropped() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    store.add_sink("loki", RecordKinds::LOGS).unwrap();
    write_calls(&mut store, &calls_at(clock.now(), 3));
    // The records of a batch are removed while it is delivered.
    let sent = reader(place.path()).records(0, RecordKinds::LOGS, 2).unwrap();
    clock.advance(31 * DAY);
    assert_eq!(retain(&mut store).records, 3);
    write_calls(&mut store, &calls_at(clock.now(), 4));
    let missed = |store: &mut Store| {
        let state = store.sinks().unwrap().remove(0);
        assert_eq!(state.accepted, accounted(&state));
        (state.dropped, state.pending)
    };
    let three = Dropped { retention: 3, ..Dropped::default() };
    assert_eq!(missed(&mut store), (three, 4));
    store.acknowledge("loki", sent.acknowledgement(2, 2, Rejected::default(), 0)).unwrap();
    assert_eq!(missed(&mut store), (three, 4));
    // Another version of the service selects other kinds.
    store.add_sink("loki", RecordKinds::POINTS).unwrap();
    assert_eq!(missed(&mut store), (three, 4));
    clock.advance(31 * DAY);
    assert_eq!(retain(&mut store).records, 4);
    write_calls(&mut store, &[call("last")]);
    store.add_sink("loki", RecordKinds::ALL).unwrap();
    let seven = Dropped { retention: 7, ..Dropped::default() };
    assert_eq!(missed(&mut store), (seven, 1));
    // Records of a removed file are dropped too.
    write_calls(&mut store, &calls_at(clock.now(), 1));
    clock.advance(31 * DAY);
    while store.retain().unwrap().more {}
    let before = missed(&mut store);
    std::fs::remove_file(place.path().join("store.sqlite")).unwrap();
    store.sync().unwrap();
    let after = missed(&mut store);
    assert_eq!((after.0.retention, after.0.damage, after.1), (before.0.retention, before.1, 0));
}

#[test]
fn old_calls_are_removed() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    write_calls(&mut store, &calls_at(clock.now(), 5_000));
    clock.advance(DAY);
    write_calls(&mut store, &calls_at(clock.now(), 10));
    assert_eq!(retain(&mut store), Progress::default());
    clock.advance(29 * DAY + Duration::from_nanos(1));
    assert_eq!(store.retain().unwrap().records, 1024, "a step is small");
    assert_eq!(retain(&mut store).records, 5_000 - 1024);
    assert_eq!(reader(place.path()).summary(&CallFilter::default()).unwrap().total(), 10);
    clock.advance(DAY);
    assert_eq!(retain(&mut store).records, 10);
    drop(store);
    // Sequence numbers continue.
    write_calls(&mut open_with(place.path(), clock.limits()), &[call("next")]);
    assert_eq!(all_calls(place.path())[0].sequence, 5_011);
}

#[test]
fn a_clock_ahead_for_less_than_a_day_removes_nothing() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    let samples =
        || -> Vec<_> { (0..120).map(|second| sample(clock.now() + second * SECOND, Entity::Host)).collect() };
    let write = |store: &mut Store| {
        let calls = recorded(&calls_at(clock.now(), 10));
        store.write(&Batch { records: &calls, vitals: &samples(), ..Batch::default() }).unwrap();
    };
    let left = || {
        let reader = reader(place.path());
        let calls = reader.summary(&CallFilter::default()).unwrap().total();
        (calls, reader.vitals(0..u64::MAX, &[]).unwrap().len())
    };
    write(&mut store);
    let right = clock.now();
    clock.set(right + 365 * DAY.as_nanos() as u64);
    assert_eq!(retain(&mut store), Progress::default());
    // The next process finds records of that time.
    write(&mut store);
    drop(store);
    let mut store = open_with(place.path(), clock.limits());
    assert_eq!(retain(&mut store), Progress::default());
    clock.set(right);
    clock.advance(DAY);
    assert_eq!(retain(&mut store), Progress::default());
    assert_eq!(left(), (20, 240));
    // A clock that stays ahead is trusted.
    clock.set(right + 365 * DAY.as_nanos() as u64);
    assert_eq!(retain(&mut store), Progress::default());
    clock.advance(DAY);
    assert_eq!(retain(&mut store).records, 10);
    assert_eq!(left().0, 10);
    clock.advance(30 * DAY);
    assert_eq!(retain(&mut store).records, 10);
    assert_eq!(left(), (0, 0));
}

#[test]
fn a_death_is_stored_as_long_as_its_call() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    let died = [(DeathKey { segment: 1, slot: 2, sequence: 3 }, call("a"))];
    let batch = Batch { died: &died, ..Batch::default() };
    for _ in 0..2 {
        store.write(&batch).unwrap();
        clock.advance(29 * DAY);
        retain(&mut store);
    }
    assert_eq!(all_request_ids(place.path()), [] as [&str; 0]);
    store.write(&batch).unwrap();
    assert_eq!(all_request_ids(place.path()), ["a"]);
}

#[test]
fn old_vitals_are_thinned_and_removed() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    let start = NOW / (60 * SECOND) * 60 * SECOND;
    let entities = |second: u64| {
        let gpu = || Entity::GpuProcess { gpu: "0".to_owned(), pid: None };
        let process = |pid| Entity::Process { pid };
        // The second process starts in the middle of the second minute.
        let young = (second >= 90).then_some(process(2));
        [Some(Entity::Host), Some(process(1)), young, Some(gpu())].into_iter().flatten()
    };
    let samples: Vec<_> = (0..20 * 60)
        .flat_map(|second| entities(second).map(move |entity| sample(start + second * SECOND, entity)))
        .collect();
    store.write(&Batch { vitals: &samples, ..Batch::default() }).unwrap();
    assert_eq!(retain(&mut store), Progress::default());
    clock.advance(DAY + Duration::from_secs(20 * 60));
    retain(&mut store);
    let left = reader(place.path()).vitals(0..u64::MAX, &[]).unwrap();
    let seconds = |entity: &Entity| -> Vec<u64> {
        left.iter()
            .filter(|sample| sample.entity == *entity)
            .map(|sample| (sample.unix_nanos - start) / SECOND)
            .collect()
    };
    let minutes: Vec<u64> = (0..20).map(|minute| minute * 60).collect();
    assert_eq!(seconds(&Entity::Host), minutes);
    assert_eq!(seconds(&Entity::Process { pid: 1 }), minutes);
    assert_eq!(seconds(&Entity::GpuProcess { gpu: "0".to_owned(), pid: None }), minutes);
    let young: Vec<u64> = std::iter::once(90).chain((2..20).map(|minute| minute * 60)).collect();
    assert_eq!(seconds(&Entity::Process { pid: 2 }), young);
    clock.advance(30 * DAY);
    retain(&mut store);
    assert_eq!(reader(place.path()).vitals(0..u64::MAX, &[]).unwrap(), []);
}

/// Returns a sample a second, from the start of a minute.
fn seconds(count: u64, entities: u32) -> Vec<VitalsSample> {
    let start = NOW / (60 * SECOND) * 60 * SECOND;
    let at = |second| (0..entities).map(move |pid| sample(start + second * SECOND, Entity::Process { pid }));
    (0..count).flat_map(at).collect()
}

#[test]
fn unshipped_vitals_are_not_thinned() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    store.add_sink("influxdb", RecordKinds::POINTS).unwrap();
    store.add_sink("loki", RecordKinds::LOGS).unwrap();
    store.write(&Batch { vitals: &seconds(20 * 60, 1), ..Batch::default() }).unwrap();
    clock.advance(2 * DAY);
    assert_eq!(retain(&mut store), Progress::default());
    // The sink ships half of them, up to the middle of a minute.
    let read = reader(place.path()).records(0, RecordKinds::POINTS, 10 * 60 + 30).unwrap();
    store.acknowledge("influxdb", read.acknowledgement(630, 630, Rejected::default(), 0)).unwrap();
    assert_eq!(retain(&mut store).samples, 10 * 59);
    let rest = reader(place.path()).records(630, RecordKinds::POINTS, 1000).unwrap();
    let has_samples = |record: &Record| matches!(record, Record::Vitals(row) if !row.samples.is_empty());
    assert_eq!(
        (rest.records.len(), rest.records.iter().filter(|record| has_samples(record)).count()),
        (570, 570)
    );
    // A sink that the service removed keeps no vitals.
    drop(store);
    let mut store = open_with(place.path(), clock.limits());
    store.add_sink("loki", RecordKinds::LOGS).unwrap();
    assert_eq!(retain(&mut store).samples, 10 * 59);
}

#[test]
fn unshipped_vitals_are_thinned_before_calls_are_removed() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), Limits { bytes: 12 << 20, ..clock.limits() });
    store.add_sink("influxdb", RecordKinds::POINTS).unwrap();
    store.write(&Batch { vitals: &seconds(5 * 60, 200), ..Batch::default() }).unwrap();
    clock.advance(2 * DAY);
    assert_eq!(retain(&mut store), Progress::default());
    let (mut written, mut removed) = (0, Progress::default());
    while removed.samples == 0 {
        write_calls(&mut store, &calls_at(clock.now(), 4000));
        written += 4000;
        removed = retain(&mut store);
    }
    assert_eq!((removed.records, all_calls(place.path()).len()), (0, written));
}

#[test]
fn the_file_keeps_its_limit_and_shrinks_with_it() {
    let (place, clock) = (directory(), Clock::new());
    const MIB: u64 = 1 << 20;
    let limits = |bytes| Limits { bytes, ..clock.limits() };
    let mut store = open_with(place.path(), limits(24 * MIB));
    let mut written = 0;
    for round in 0..60 {
        clock.advance(Duration::from_secs(1));
        let samples: Vec<_> =
            (0..50).map(|pid| sample(clock.now(), Entity::Process { pid: round * 50 + pid })).collect();
        let calls = calls_at(clock.now(), 2_000);
        store.write(&Batch { records: &recorded(&calls), vitals: &samples, ..Batch::default() }).unwrap();
        written += calls.len();
        retain(&mut store);
        assert!(store.bytes() < 24 * MIB, "{} bytes after {written} calls", store.bytes());
    }
    let left = all_calls(place.path());
    assert!(left.len() > 10_000 && left.len() < written, "{} of {written}", left.len());
    // Vitals of the rounds before have sequence numbers too.
    assert_eq!(left.last().unwrap().sequence, written as u64 + 59);
    // Vitals older than the oldest call are removed.
    let vitals = reader(place.path()).vitals(0..u64::MAX, &[]).unwrap();
    assert!(vitals[0].unix_nanos >= left[0].call.ended_unix, "vitals are older than the oldest call");
    drop(store);
    let mut store = open_with(place.path(), limits(16 * MIB));
    retain(&mut store);
    drop(store);
    let small = std::fs::metadata(place.path().join("store.sqlite")).unwrap().len();
    assert!(small < 16 * MIB, "{small} bytes");
    assert!(!all_calls(place.path()).is_empty());
}

#[test]
fn damaged_files_are_removed_but_for_two_recent_ones() {
    let (place, clock) = (directory(), Clock::new());
    let aside = || {
        let names = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.contains("damaged-") && !name.ends_with("-shm"));
        names.sort();
        names
    };
    for _ in 0..4 {
        std::fs::write(place.path().join("store.sqlite"), [0xFF; 9000]).unwrap();
        std::fs::write(place.path().join("store.sqlite-wal"), b"its log").unwrap();
        drop(Store::open(place.path(), clock.limits()).unwrap());
        clock.advance(DAY);
    }
    let all = aside();
    assert_eq!(all.len(), 8, "each with its log: {all:?}");
    std::fs::write(place.path().join("store.sqlite.damaged-of-mine"), b"kept").unwrap();
    let mut store = open_with(place.path(), clock.limits());
    retain(&mut store);
    let kept = aside();
    assert_eq!(kept[..4], all[4..], "the last two");
    clock.advance(28 * DAY + Duration::from_secs(1));
    retain(&mut store);
    assert_eq!(aside()[..2], all[6..], "one is too old");
    clock.advance(DAY);
    retain(&mut store);
    assert_eq!(aside(), ["store.sqlite.damaged-of-mine"]);
}
