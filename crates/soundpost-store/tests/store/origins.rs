//! Version and instance of records: stored with each, and read from it.

use rusqlite::Connection;
use soundpost_core::{FinishedCall, LogEvent, RecordOrigin};
use soundpost_store::{
    Batch, CallFilter, Entity, LogFilter, Reader, Record, RecordKinds, RingEvent, Store, VitalsSample,
};

use super::support::*;

/// Stores a call, a log event and vitals, all with this origin.
fn write(store: &mut Store, version: Option<&str>, unix_nanos: u64) {
    let origin = version.and_then(origin);
    let records = [
        RingEvent::Call(FinishedCall { origin: origin.clone(), ended_unix: unix_nanos, ..call("call") }),
        RingEvent::Log(LogEvent { origin: origin.clone(), unix_nanos, ..event("event") }),
    ];
    let vitals = [VitalsSample { unix_nanos, entity: Entity::Host, values: vec![("load1", 1.0)] }];
    let batch =
        Batch { records: &records, vitals: &vitals, vitals_origin: origin.as_deref(), ..Batch::default() };
    store.write(&batch).unwrap();
}

/// Returns the versions of all records, in the order of the store.
fn versions(reader: &Reader) -> Vec<Option<String>> {
    let batch = reader.records(0, RecordKinds::ALL, usize::MAX).unwrap();
    assert_eq!(batch.damaged, 0);
    let version = |record: &Record| {
        let origin = match record {
            Record::Call(row) => &row.call.origin,
            Record::Event(row) => &row.event.origin,
            Record::Vitals(row) => &row.origin,
        };
        origin.as_deref().map(|RecordOrigin { version, instance }| {
            assert_eq!(instance, "gpu-7");
            version.clone()
        })
    };
    batch.records.iter().map(version).collect()
}

fn some(version: &str) -> Option<String> {
    Some(version.to_owned())
}

#[test]
fn each_record_keeps_the_origin_it_was_stored_with() {
    let place = directory();
    let mut store = open(place.path());
    for version in ["V1", "V2", "", "V1"] {
        write(&mut store, Some(version), NOW);
        store = open(place.path());
    }
    let reader = reader(place.path());
    let all = ["V1", "V2", "", "V1"].map(|version| [some(version), some(version)]).concat();
    let found = versions(&reader);
    assert_eq!(found.iter().filter(|version| **version == some("V1")).count(), 6);
    assert!(all.iter().all(|version| found.contains(version)));
    let calls = reader.calls(&CallFilter::default()).unwrap();
    assert_eq!(calls.iter().filter(|row| row.call.origin == origin("V2")).count(), 1);
    let events = reader.events(&LogFilter::default()).unwrap();
    assert_eq!(events.iter().filter(|row| row.event.origin == origin("V2")).count(), 1);
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM origins"), 3, "each is stored once");
    for view in ["calls", "events"] {
        assert_eq!(
            count(&format!("SELECT count(*) FROM {view} WHERE version = 'V1' AND instance = 'gpu-7'")),
            2
        );
    }
}

#[test]
fn a_store_from_before_origins_is_read_and_extended() {
    let place = directory();
    write(&mut open(place.path()), None, NOW);
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    let older = "DROP VIEW calls; DROP VIEW events; ALTER TABLE stored_calls DROP COLUMN origin; \
                 ALTER TABLE stored_events DROP COLUMN origin; ALTER TABLE vitals_samples DROP COLUMN origin; \
                 DROP TABLE origins";
    connection.execute_batch(older).unwrap();
    drop(connection);
    assert_eq!(versions(&reader(place.path())), [None, None, None], "before the migration");
    write(&mut open(place.path()), Some("V2"), NOW);
    let reader = reader(place.path());
    assert_eq!(versions(&reader), [None, None, None, some("V2"), some("V2"), some("V2")]);
    assert_eq!((reader.calls(&CallFilter::default()).unwrap().len(), reader.damaged()), (2, 0));
}

#[test]
fn an_origin_is_removed_with_its_last_record() {
    let place = directory();
    let clock = Clock::new();
    let mut store = open_with(place.path(), clock.limits());
    write(&mut store, Some("V1"), NOW - 40 * 24 * 3600 * SECOND);
    write(&mut store, Some("V2"), NOW);
    while store.retain().unwrap().more {}
    assert_eq!(versions(&reader(place.path())), [some("V2"), some("V2"), some("V2")]);
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    let left: String =
        connection.query_row("SELECT group_concat(version) FROM origins", [], |row| row.get(0)).unwrap();
    assert_eq!(left, "V2");
}

#[test]
fn a_lost_origin_damages_no_record() {
    let place = directory();
    write(&mut open(place.path()), Some("V1"), NOW);
    Connection::open(place.path().join("store.sqlite")).unwrap().execute("DELETE FROM origins", []).unwrap();
    assert_eq!(versions(&reader(place.path())), [None, None, None]);
}
