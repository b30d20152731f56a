//! A store of version 1: it is read as it is, and migrated with its records.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;

use rusqlite::Connection;
use rusqlite::types::Value;
use soundpost_core::{FinishedCall, LogEvent};
use soundpost_store::{
    Batch, CALL_COLUMNS, CallFilter, EVENT_COLUMNS, Entity, Place, RecordKinds, Rejected, RingEvent, Store,
    VERSION, VitalsSample, vitals_columns,
};
use tempfile::TempDir;

use super::support::*;

const VIEWS: [&str; 7] =
    ["calls", "events", "vitals", "vitals_host", "vitals_process", "vitals_gpu", "vitals_gpu_process"];

/// Number of records of the store.
const RECORDS: u64 = 95;

/// Returns a directory with a store that the build e791b38 wrote.
fn version_1() -> TempDir {
    let mut file = Vec::new();
    let compressed: &[u8] = include_bytes!("../data/version-1.sqlite.gz");
    flate2::read::GzDecoder::new(compressed).read_to_end(&mut file).unwrap();
    let place = directory();
    fs::write(place.path().join("store.sqlite"), file).unwrap();
    place
}

fn connect(place: &TempDir) -> Connection {
    Connection::open(place.path().join("store.sqlite")).unwrap()
}

fn columns(connection: &Connection, view: &str) -> Vec<String> {
    let statement = connection.prepare(&format!("SELECT * FROM {view}")).unwrap();
    statement.column_names().map(str::to_owned).collect()
}

/// Returns the rows of a view.
fn rows(connection: &Connection, view: &str, columns: &[String]) -> Vec<Vec<Value>> {
    let sql = format!("SELECT {} FROM {view} ORDER BY unix, sequence", columns.join(", "));
    let sql = if view.starts_with("vitals") { sql.replace(", sequence", "") } else { sql };
    let mut statement = connection.prepare(&sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|place| row.get(place)).collect();
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_store_of_version_1_keeps_its_rows() {
    let place = version_1();
    let old = connect(&place);
    let before = VIEWS.map(|view| (view, columns(&old, view)));
    let wanted = before.clone().map(|(view, columns)| rows(&old, view, &columns));
    drop(old);
    drop(open(place.path()));
    let new = connect(&place);
    assert_eq!(new.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(VERSION));
    for ((view, columns), wanted) in before.iter().zip(&wanted) {
        assert!(!wanted.is_empty(), "{view}");
        assert!(rows(&new, view, columns) == *wanted, "{view}");
    }
}

#[test]
fn a_store_of_version_1_is_read_without_migration() {
    let place = version_1();
    let file = fs::read(place.path().join("store.sqlite")).unwrap();
    let read = || {
        let reader = reader(place.path());
        let records = reader.records(0, RecordKinds::ALL, usize::MAX).unwrap();
        let labelled = CallFilter {
            operation: Some("synthesize".to_owned()),
            labels: vec![("emotion".to_owned(), "sad".to_owned())],
            ..CallFilter::default()
        };
        let calls = reader.calls(&labelled).unwrap();
        let summary = reader.summary(&CallFilter::default()).unwrap();
        (records, calls, summary, reader.vitals(0..u64::MAX, &[]).unwrap(), reader.sinks().unwrap())
    };
    let before = read();
    assert_eq!((before.0.records.len() as u64, before.0.through), (RECORDS, RECORDS));
    assert!(!before.1.is_empty() && before.1.len() < before.2.total() as usize);
    assert_eq!(before.4[0].accepted, accounted(&before.4[0]));
    assert!(fs::read(place.path().join("store.sqlite")).unwrap() == file, "a reader changes nothing");
    drop(open(place.path()));
    assert_eq!(read(), before);
}

#[test]
fn a_store_of_version_1_is_extended() {
    let place = version_1();
    let mut store = open(place.path());
    let records = [
        RingEvent::Call(call("new")),
        RingEvent::Log(LogEvent { request_id: "new".to_owned(), ..event("new") }),
    ];
    let host = VitalsSample { unix_nanos: NOW, entity: Entity::Host, values: vec![("load1", 1.0)] };
    store.write(&Batch { records: &records, vitals: &[host], ..Batch::default() }).unwrap();
    let reader = reader(place.path());
    assert_eq!(reader.last_sequence().unwrap(), RECORDS + 3);
    let known = CallFilter { request_id: Some("new".to_owned()), ..CallFilter::default() };
    assert_eq!(reader.calls(&known).unwrap(), [row(RECORDS + 1, &call("new"))]);
    let sink = store.sinks().unwrap().remove(0);
    assert_eq!(sink.accepted, accounted(&sink));
    let rest = reader.records(sink.cursor, RecordKinds::LOGS, usize::MAX).unwrap();
    let count = rest.records.len();
    store.acknowledge(&sink.sink, rest.acknowledgement(count, count as u64, Rejected::default(), 0)).unwrap();
    assert_eq!(store.sinks().unwrap()[0].pending, 0);
}

/// Tables that have checksums from version 3 on.
const CHECKED: [&str; 11] = [
    "vitals_samples",
    "host_samples",
    "process_samples",
    "gpu_samples",
    "gpu_process_samples",
    "call_series",
    "origins",
    "gpus",
    "sink_cursors",
    "segment_cursors",
    "state",
];

/// A store without checksums beside those of calls and events is extended, and its new rows have them.
#[test]
fn a_store_of_version_2_gets_checksums() {
    let place = directory();
    let mut store = open(place.path());
    store.add_sink("all", RecordKinds::ALL).unwrap();
    let host = |seconds| VitalsSample {
        unix_nanos: NOW + seconds * SECOND,
        entity: Entity::Host,
        values: vec![("load1", 1.0)],
    };
    let write = |store: &mut Store, name: &str, seconds| {
        let (records, vitals) = ([RingEvent::Call(call(name))], [host(seconds)]);
        let batch =
            Batch { records: &records, vitals: &vitals, cursors: &[(1, seconds)], ..Batch::default() };
        store.write(&batch).unwrap();
    };
    write(&mut store, "old", 1);
    drop(store);
    let old = connect(&place);
    for table in CHECKED {
        let without = format!("DROP TRIGGER {table}_edited; ALTER TABLE {table} DROP COLUMN checksum");
        old.execute_batch(&without).unwrap();
    }
    old.pragma_update(None, "user_version", 2).unwrap();
    drop(old);
    let read = || {
        let reader = reader(place.path());
        let records = reader.records(0, RecordKinds::ALL, usize::MAX).unwrap();
        (records, reader.sinks().unwrap(), reader.vitals(0..u64::MAX, &[]).unwrap())
    };
    let before = read();
    assert_eq!((before.0.records.len(), before.1[0].pending, before.2.len()), (2, 2, 1));
    let mut store = open(place.path());
    assert_eq!((read(), store.segment_cursor(1).unwrap()), (before, Some(1)));
    write(&mut store, "new", 2);
    let labels: Vec<_> = all_calls(place.path()).into_iter().map(|row| row.call.labels).collect();
    assert_eq!(labels, [call("old").labels, call("new").labels]);
    assert_eq!((store.sinks().unwrap()[0].pending, read().2.len()), (4, 2));
    drop(store);
    let checked = "SELECT sum(checksum IS NULL), sum(checksum > 0) FROM host_samples";
    let counts = connect(&place).query_row(checked, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(counts, Ok((1, 1)));
}

#[test]
fn views_have_all_columns() {
    for place in [version_1(), directory()] {
        drop(open(place.path()));
        let connection = connect(&place);
        let names = |view| columns(&connection, view);
        let call = CALL_COLUMNS.iter().filter(|column| column.is_in(Place::View)).map(|column| column.name());
        assert_eq!(names("calls"), call.collect::<Vec<_>>());
        let event =
            EVENT_COLUMNS.iter().filter(|column| column.is_in(Place::View)).map(|column| column.name());
        assert_eq!(names("events"), event.collect::<Vec<_>>());
        let all: Vec<&str> =
            ["time", "unix", "entity", "gpu", "pid"].into_iter().chain(vitals_columns()).collect();
        assert_eq!(names("vitals"), all);
        let views = VIEWS[3..].iter().flat_map(|view| names(view)).collect::<BTreeSet<_>>();
        assert!(vitals_columns().all(|column| views.contains(column)));
    }
}

/// Values that JSON, CSV and sinks show are those of the view.
#[test]
fn columns_show_the_values_of_the_view() {
    use soundpost_store::ColumnValue;
    let place = directory();
    let failed = FinishedCall { died_in: Some("llm".to_owned()), underrun: Some(5), ..call("a") };
    write_calls(&mut open(place.path()), &[failed]);
    let row = reader(place.path()).calls(&CallFilter::default()).unwrap().remove(0);
    let connection = connect(&place);
    for column in CALL_COLUMNS.iter().filter(|column| column.is_in(Place::View)) {
        let sql = format!("SELECT {} FROM calls", column.name());
        let viewed: Value = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        match (column.value(&row.call), viewed) {
            (ColumnValue::Text(shown), Value::Text(viewed)) => assert_eq!(shown, viewed),
            (ColumnValue::Int(shown), Value::Integer(viewed)) => assert_eq!(shown, viewed),
            (ColumnValue::Float(shown), Value::Real(viewed)) => assert!((shown - viewed).abs() < 1e-9),
            (ColumnValue::Bool(shown), Value::Integer(viewed)) => assert_eq!(i64::from(shown), viewed),
            (ColumnValue::None, Value::Null) => {}
            (ColumnValue::None, _) => {
                assert!(["sequence", "unix", "stage_counts", "stage_failures"].contains(&column.name()))
            }
            (
                ColumnValue::Time(_)
                | ColumnValue::Labels(_)
                | ColumnValue::Fields(_)
                | ColumnValue::Stages(_),
                Value::Text(_),
            ) => {}
            (shown, viewed) => panic!("{}: {shown:?}, {viewed:?}", column.name()),
        }
    }
}
