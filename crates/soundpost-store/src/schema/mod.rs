//! The schema: tables that follow from columns, versions, and migration.

mod checked;
mod checksum;
mod column;
mod columns;
mod json;
mod request_id;
mod samples;
mod state;
mod stored;
mod table;

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{About as _, StoreError};

pub(crate) use checked::{CALL_SERIES, CheckedTable, GPUS, ORIGINS, SEGMENT_CURSORS, SINK_CURSORS};
pub(crate) use checksum::{Checksum, check_row};
pub use column::{ColumnValue, Place, RecordColumn};
pub(crate) use columns::SampleTime;
pub use columns::{CALL_COLUMNS, EVENT_COLUMNS};
pub(crate) use json::{labels as labels_text, read as read_json, read_labels};
pub(crate) use request_id::stored as stored_request_id;
pub(crate) use samples::{SampleColumn, SampleTable};
pub(crate) use state::{REMAINS, set_state, state};
pub(crate) use table::{CALLS, ERASED_PID, EVENTS, NOT_ERASED, RecordTable, SAMPLE_TIMES};

use checked::CHECKED;
use checksum::CHECKSUM;
use table::{Definition, SchemaObject};

/// Tables and indexes that do not follow from columns.
const TABLES: &str = include_str!("tables.sql");
/// Statements that make a version of the one before, from version 1 on. A missing column needs no version.
/// Version 3 has checksums of all rows and overwrites removed ones.
const STEPS: [&str; 2] = [include_str!("version_2.sql"), ""];
/// First version whose files hold nothing of removed records.
const OVERWRITING_VERSION: i64 = 3;
/// `PRAGMA application_id` of a store: `Ausc`.
const APPLICATION: i64 = 0x4175_7363;
/// Version that this program writes.
pub const VERSION: i64 = 1 + STEPS.len() as i64;

/// Tables that a file of any version gets when it is opened. Versions and instances of records; last: the newest record.
const ADDED_TABLES: &str = "CREATE TABLE IF NOT EXISTS origins (id INTEGER PRIMARY KEY, version TEXT NOT NULL, \
    instance TEXT NOT NULL, last INTEGER NOT NULL, checksum INTEGER DEFAULT 0, UNIQUE (version, instance)) STRICT";

/// Columns of [`TABLES`] that the statements prepared at the start do not name.
const WRITTEN: [&str; 3] = [
    "SELECT last FROM call_series",
    "SELECT last FROM origins",
    "SELECT segment, slot, sequence, call FROM deaths",
];

/// Checks that tables have the columns of this version; otherwise the file is damaged.
pub(crate) fn check(connection: &Connection) -> rusqlite::Result<()> {
    WRITTEN.iter().try_for_each(|written| connection.prepare(written).map(drop))?;
    CHECKED.iter().try_for_each(|table| connection.prepare(&table.select("")).map(drop))
}

fn definitions() -> impl Iterator<Item = Definition> {
    let samples = SampleTable::ALL.map(SampleTable::definition);
    [CALLS.definition(), EVENTS.definition(), SAMPLE_TIMES.definition()].into_iter().chain(samples)
}

/// Returns the views and triggers, each after those that it reads.
fn objects() -> impl Iterator<Item = SchemaObject> {
    let sql = format!("CREATE VIEW vitals AS {}", samples::all_vitals());
    let all = SchemaObject { name: "vitals".to_owned(), kind: "view", sql };
    let triggers = CHECKED.iter().map(|table| table.trigger());
    definitions().flat_map(|table| table.objects()).chain([all]).chain(triggers)
}

/// Returns the version of a store; 0 for an empty file.
///
/// # Errors
/// When the version is newer than [`VERSION`], or the file is not a store.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    // One transaction, because a writer may be creating the file.
    let _transaction = connection.unchecked_transaction().about(path)?;
    let number =
        |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).about(path);
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == APPLICATION && version > VERSION {
        // Checked before the tables are read: this SQLite may take their definitions for damage.
        return Err(StoreError::newer(path, version, VERSION));
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).about(path)?;
    match (tables, application, version) {
        (0, 0 | APPLICATION, 0) => Ok(0),
        (1.., APPLICATION, version @ 1..) => match foreign_object(connection).about(path)? {
            Some(name) => {
                Err(StoreError::damaged(path, &format!("{name:?} is no view or trigger of a store")))
            }
            None => Ok(version),
        },
        _ => Err(StoreError::damaged(path, "is no store")),
    }
}

/// Returns the name of a view or trigger that no version creates. Its statements would run with those of the store.
fn foreign_object(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let own: Vec<(&str, String)> = objects().map(|object| (object.kind, object.name)).collect();
    let mut found =
        connection.prepare("SELECT type, name FROM main.sqlite_master WHERE type IN ('view', 'trigger')")?;
    let mut rows = found.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        if !own.iter().any(|own| (own.0, own.1.as_str()) == (&kind, &name)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Creates the tables, or brings those of an older version up to date, in one transaction.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let from = version(connection, path)?;
    // A statement that fails here names something that a sound file has.
    bring_up_to_date(connection, from, &STEPS).about(path).map_err(StoreError::of_preparing)
}

fn bring_up_to_date(connection: &mut Connection, from: i64, steps: &[&str]) -> rusqlite::Result<()> {
    let to = 1 + steps.len() as i64;
    if from == to && missing(connection)?.is_empty() && has_objects(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(ADDED_TABLES)?;
    if from == 0 {
        definitions().try_for_each(|table| transaction.execute_batch(&table.create()))?;
        transaction.execute_batch(TABLES)?;
    } else {
        drop_objects(&transaction)?;
        let due = steps.get(usize::try_from(from - 1).unwrap_or(0)..).unwrap_or_default();
        due.iter().try_for_each(|step| transaction.execute_batch(step))?;
        for (table, columns) in missing(&transaction)? {
            for (name, sql_type) in columns {
                transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name} {sql_type}"))?;
            }
        }
        if from < OVERWRITING_VERSION {
            set_state(&transaction, REMAINS, 1)?;
        }
    }
    objects().try_for_each(|object| transaction.execute_batch(&object.sql))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

/// Column of sinks with the number of erased records.
const ERASED: (&str, &str) = ("dropped_erased", "INTEGER NOT NULL DEFAULT 0");

/// Names and types of columns.
type Columns = Vec<(&'static str, &'static str)>;

/// Returns the columns that a file lacks, by table.
fn missing(connection: &Connection) -> rusqlite::Result<Vec<(&'static str, Columns)>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let tables = definitions().map(|table| (table.table, table.all_columns()));
    let mut missing = Vec::new();
    let others = CHECKED.iter().map(|table| match table.name {
        "sink_cursors" => (table.name, vec![ERASED, CHECKSUM]),
        name => (name, vec![CHECKSUM]),
    });
    for (table, mut columns) in tables.chain(others) {
        let names = statement.query_map([table], |row| row.get(0))?;
        let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
        columns.retain(|(column, _)| !names.iter().any(|name| name == column));
        if !columns.is_empty() {
            missing.push((table, columns));
        }
    }
    Ok(missing)
}

fn has_objects(connection: &Connection) -> rusqlite::Result<bool> {
    let mut found = connection.prepare("SELECT sql FROM sqlite_master WHERE name = ?1")?;
    for SchemaObject { name, sql, .. } in objects() {
        let mut rows = found.query([name])?;
        if rows.next()?.map(|row| row.get::<_, String>(0)).transpose()?.as_ref() != Some(&sql) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn drop_objects(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    // The last view reads the others.
    let objects: Vec<_> = objects().collect();
    let drop = |SchemaObject { name, kind, .. }: &_| format!("DROP {kind} IF EXISTS {name}");
    objects.iter().rev().try_for_each(|object| transaction.execute_batch(&drop(object)))
}

/// Gives a reader the names of this version in a file of an older one, as temporary views.
pub(crate) fn adapt(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    if version == 1 {
        connection.execute_batch(include_str!("read_1.sql"))?;
    }
    if connection.prepare("SELECT id FROM origins").is_err() {
        connection.execute_batch("CREATE TEMP TABLE origins (id, version, instance, checksum)")?;
    }
    for (name, missing) in missing(connection)? {
        let value = |column: &str| match (version, column) {
            (1, "series") => "kind",
            (_, column) if column == ERASED.0 => "0",
            _ => "NULL",
        };
        let missing = missing.iter().map(|(column, _)| format!(", {} AS {column}", value(column)));
        let missing: String = missing.collect();
        connection
            .execute_batch(&format!("CREATE TEMP VIEW {name} AS SELECT *{missing} FROM main.{name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
