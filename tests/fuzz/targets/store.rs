//! Foreign values in the rows of a store: each reader skips what it cannot read, and no reader fails.
#![no_main]

use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use rusqlite::Connection;
use rusqlite::types::Value;
use soundpost_core::{FinishedCall, LogEvent};
use soundpost_fuzz::Home;
use soundpost_store::{
    Batch, CallFilter, Entity, Limits, LogFilter, Reader, RecordKinds, RingEvent, Store, VitalsSample,
};

struct Bench {
    home: Home,
    connection: Connection,
    /// Tables and columns.
    columns: Vec<(String, String)>,
}

static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| {
    let home = Home::new();
    let (mut store, _) = Store::open(home.path(), Limits::default()).expect("a store");
    let records = [RingEvent::Call(FinishedCall::default()), RingEvent::Log(LogEvent::default())];
    let vitals =
        [VitalsSample { unix_nanos: 1, entity: Entity::Host, values: vec![("host_cpu_ratio", 0.5)] }];
    store.write(&Batch { records: &records, vitals: &vitals, ..Batch::default() }).expect("written");
    drop(store);
    let connection = Connection::open(home.path().join("store.sqlite")).expect("the file");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON").expect("set");
    let columns = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
                   WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'";
    let columns = connection
        .prepare(columns)
        .and_then(|mut statement| {
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()
        })
        .expect("columns");
    Mutex::new(Bench { home, connection, columns })
});

/// Returns the value that bytes encode: a type, then its contents.
fn value(bytes: &[u8]) -> Value {
    let number = || {
        let mut number = [0; 8];
        let length = bytes.len().saturating_sub(1).min(8);
        number[..length].copy_from_slice(&bytes[1..1 + length]);
        number
    };
    match bytes.first().map(|kind| kind % 5) {
        Some(1) => Value::Integer(i64::from_le_bytes(number())),
        Some(2) => Value::Real(f64::from_le_bytes(number())),
        Some(3) => Value::Text(String::from_utf8_lossy(&bytes[1..]).into_owned()),
        Some(4) => Value::Blob(bytes[1..].to_vec()),
        _ => Value::Null,
    }
}

fuzz_target!(|input: &[u8]| {
    let bench = BENCH.lock().expect("a lock");
    bench.connection.execute_batch("SAVEPOINT edit").expect("a savepoint");
    for edit in input.split(|byte| *byte == 0xFF) {
        let [column, rest @ ..] = edit else { continue };
        let (table, column) = &bench.columns[usize::from(*column) % bench.columns.len()];
        let sql = format!("UPDATE \"{table}\" SET \"{column}\" = ?1");
        // A value may break a constraint, such as that of a key.
        let _ = bench.connection.execute(&sql, [value(rest)]);
    }
    bench.connection.execute_batch("RELEASE edit").expect("committed");
    if let Ok(Some(reader)) = Reader::open(bench.home.path()) {
        let _ = reader.calls(&CallFilter::default());
        let _ = reader.events(&LogFilter::default());
        let _ = reader.records(0, RecordKinds::ALL, 100);
        let _ = reader.vitals(0..u64::MAX, &[]);
        let _ = (reader.summary(&CallFilter::default()), reader.sinks(), reader.last_sequence());
    }
});
