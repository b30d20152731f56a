#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

/// A step of a version to come.
const NEXT: &str = "ALTER TABLE stored_calls RENAME COLUMN chunks TO parts; \
                    ALTER TABLE stored_calls ADD COLUMN chunks INTEGER NOT NULL DEFAULT 0";

fn created() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, Path::new("a store")).unwrap();
    connection
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_older_file_is_migrated_with_its_rows() {
    let mut connection = created();
    connection.execute("INSERT INTO host_samples (time, load1) VALUES (7, 100)", []).unwrap();
    bring_up_to_date(&mut connection, VERSION, &[STEPS.as_slice(), &[NEXT]].concat()).unwrap();
    assert_eq!(number(&connection, "PRAGMA user_version"), VERSION + 1);
    assert_eq!(number(&connection, "SELECT count(*) FROM vitals_host WHERE load1 = 1"), 1);
    assert_eq!(number(&connection, "SELECT count(parts) FROM stored_calls"), 0);
    // For the file, this program is the older one now.
    assert!(version(&connection, Path::new("a store")).is_err_and(|error| error.is_newer()));
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let mut connection = created();
    let steps = [STEPS.as_slice(), &[NEXT, "DROP TABLE nothing"]].concat();
    assert!(bring_up_to_date(&mut connection, VERSION, &steps).is_err());
    assert_eq!(version(&connection, Path::new("a store")).unwrap(), VERSION);
    assert!(connection.prepare("SELECT parts FROM stored_calls").is_err());
    assert!(connection.prepare("SELECT * FROM vitals").is_ok());
}

#[test]
fn a_file_without_a_column_gets_it() {
    let mut connection = created();
    let without = "DROP VIEW calls; ALTER TABLE stored_calls DROP COLUMN chunks; \
                   DROP VIEW vitals; DROP VIEW vitals_gpu; ALTER TABLE gpu_samples DROP COLUMN gpu_fan_ratio";
    connection.execute_batch(without).unwrap();
    let reader = |connection: &Connection| {
        adapt(connection, VERSION).unwrap();
        connection.prepare(&format!("SELECT {} FROM stored_calls", CALLS.names())).unwrap();
        connection.execute_batch("DROP VIEW temp.stored_calls; DROP VIEW temp.gpu_samples").unwrap();
    };
    reader(&connection);
    migrate(&mut connection, Path::new("a store")).unwrap();
    assert_eq!(missing(&connection).unwrap(), []);
    connection.prepare("SELECT chunks, gpu_fan_ratio FROM calls, vitals").unwrap();
    assert_eq!(number(&connection, "PRAGMA user_version"), VERSION);
}

/// Rows of older files have no value for a column that is added.
#[test]
fn every_column_can_be_added_to_rows() {
    let first_version = ["outcome", "request_id", "duration", "level"];
    for (name, sql_type) in definitions().flat_map(|table| table.columns) {
        let has_default = !sql_type.contains("NOT NULL") || sql_type.contains("DEFAULT");
        assert!(has_default || first_version.contains(&name), "{name} {sql_type}");
    }
}

#[test]
fn columns_added_after_checksums_are_marked() {
    let unmarked =
        |table: Definition| table.columns.iter().filter(|(name, _)| !table::ADDED.contains(name)).count();
    assert_eq!(
        [CALLS.definition(), EVENTS.definition()].map(unmarked),
        [28, 12],
        "name the new column in ADDED"
    );
}

#[test]
fn column_names_occur_once() {
    let mut names: Vec<_> = CALL_COLUMNS.iter().map(RecordColumn::name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}
