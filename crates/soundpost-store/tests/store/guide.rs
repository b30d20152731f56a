//! The guide's page on the store: its queries run, and its table lists the columns of the view.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use soundpost_core::{FieldValue, FinishedCall, GpuUse, LogEvent, Outcome};
use soundpost_store::{Batch, Entity, GpuName, RingEvent, VERSION, VitalsSample};

use super::support::*;
use tempfile::TempDir;

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/store.md");
    fs::read_to_string(path).unwrap()
}

/// Returns a store in which every query of the guide finds a row.
fn filled() -> (TempDir, Connection) {
    let now = soundpost_core::clock::unix_nanos();
    let place = directory();
    let failed = FinishedCall {
        outcome: Outcome::Oom,
        fields: vec![("error".to_owned(), FieldValue::Text("CUDA out of memory".to_owned()))],
        ..call("b")
    };
    let gpu = call("a").gpu.map(|gpu| GpuUse { memory_delta: 100 << 20, shared: false, ..gpu });
    let calls =
        [FinishedCall { gpu, ended_unix: now, ..call("a") }, FinishedCall { ended_unix: now, ..failed }];
    let gpu = GpuName { gpu: "0".to_owned(), ..GpuName::default() };
    let sample = |entity, values| VitalsSample { unix_nanos: now, entity, values };
    let vitals = [
        sample(Entity::Host, vec![("cpu_usage_ratio", 0.5)]),
        sample(Entity::Gpu(gpu), vec![("gpu_memory_used_bytes", 2e9), ("gpu_utilization_ratio", 0.25)]),
    ];
    let mut records = recorded(&calls);
    records.push(RingEvent::Log(LogEvent { request_id: "b".to_owned(), ..event("allocating 2 GiB") }));
    open(place.path()).write(&Batch { records: &records, vitals: &vitals, ..Batch::default() }).unwrap();
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    (place, connection)
}

#[test]
fn queries_of_the_guide_find_rows() {
    let (_place, connection) = filled();
    let guide = guide();
    let queries: Vec<&str> =
        guide.split("\n```sql\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(queries.len() >= 6, "{queries:?}");
    for query in queries {
        let mut statement = connection.prepare(query).unwrap();
        assert!(statement.query([]).unwrap().next().unwrap().is_some(), "nothing found by {query}");
    }
}

#[test]
fn the_guide_lists_the_columns_of_the_view() {
    let (_place, connection) = filled();
    let statement = connection.prepare("SELECT * FROM calls").unwrap();
    let guide = guide();
    let table = guide.split("| column | what |").nth(1).unwrap().split("\n\n").next().unwrap();
    let first_cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let documented: Vec<&str> = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(documented, statement.column_names().collect::<Vec<_>>());
    assert!(guide.contains(&format!("`PRAGMA user_version`, which is {VERSION}")));
    for view in ["vitals", "vitals_host", "vitals_process", "vitals_gpu", "vitals_gpu_process"] {
        connection.prepare(&format!("SELECT time, unix FROM {view}")).unwrap();
        assert!(guide.contains(&format!("`{view}`")), "{view}");
    }
}

#[test]
fn the_view_has_the_numbers_of_a_call() {
    let (_place, connection) = filled();
    let row = "SELECT duration_ms, busy_ms, queue_ms, rtf, gpu_memory_peak_mb, gpu_utilization FROM calls";
    let numbers: [f64; 6] = connection
        .query_row(row, [], |row| {
            let number = |column| row.get::<_, f64>(column);
            Ok([number(0)?, number(1)?, number(2)?, number(3)?, number(4)?, number(5)?])
        })
        .unwrap();
    let wanted = [942.345678, 900.000001, 12.0, 0.900000001 / 4.2, 9216.0, 0.75];
    for (number, wanted) in numbers.iter().zip(wanted) {
        assert!((number - wanted).abs() < 1e-9, "{numbers:?}");
    }
}

#[test]
fn the_view_has_the_status_of_each_outcome() {
    let place = directory();
    let calls: Vec<_> =
        Outcome::ALL.iter().map(|outcome| FinishedCall { outcome: *outcome, ..call("a") }).collect();
    write_calls(&mut open(place.path()), &calls);
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    let mut statement = connection.prepare("SELECT outcome, status FROM calls ORDER BY sequence").unwrap();
    let found: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let wanted: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.name().to_owned(), outcome.status().name().to_owned()))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn the_view_has_times_in_rfc_3339() {
    let place = directory();
    write_calls(&mut open(place.path()), &[FinishedCall { ended_unix: NOW + 678_000_000, ..call("a") }]);
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    let time: String = connection.query_row("SELECT time FROM calls", [], |row| row.get(0)).unwrap();
    assert_eq!(time, "2026-01-02T03:04:05.678Z");
}
