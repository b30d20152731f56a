//! The schema's versions, and the steps from one to the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::{About as _, StoreError};

/// Step `n` makes version `n` of version `n - 1`.
const STEPS: [&str; 1] = [include_str!("schema/0001.sql")];

/// What `PRAGMA application_id` says of a store: `Ausc`.
const APPLICATION: i64 = 0x4175_7363;

/// The version that this program writes.
pub const VERSION: i64 = STEPS.len() as i64;

/// Columns that are written and not named by a statement that is prepared in the beginning.
const WRITTEN: [&str; 6] = [
    "SELECT id, operation, labels, last FROM kinds",
    "SELECT segment, slot, sequence, call FROM deaths",
    "SELECT segment, position FROM segment_cursors",
    "SELECT name, value FROM state",
    "SELECT sequence, ordinal, time FROM moments",
    "SELECT id, gpu, uuid, name, mig FROM gpus",
];

/// Looks whether the tables have the columns of our version: else the file is damaged where it says so.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<()> {
    WRITTEN.iter().try_for_each(|written| connection.prepare(written).map(drop))
}

/// The version of a store; 0 for a file with nothing in it yet.
///
/// # Errors
/// Also when the version is newer than ours, or the file is no store.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    // From one moment: its writer may be making it.
    let _moment = connection.unchecked_transaction().about(path)?;
    let number =
        |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).about(path);
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == APPLICATION && version > VERSION {
        // Before its tables are read: they may be made in a way that our SQLite takes for damage.
        return Err(StoreError::newer(path, version, VERSION));
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).about(path)?;
    match (tables, application, version) {
        (0, 0 | APPLICATION, 0) => Ok(0),
        (1.., APPLICATION, version @ 1..) => Ok(version),
        _ => Err(StoreError::damaged(path, "is no store")),
    }
}

/// Makes the file one of our version, in one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let from = version(connection, path)?;
    advance(connection, path, from, &STEPS)
}

/// Does the steps after a version.
fn advance(connection: &mut Connection, path: &Path, from: i64, steps: &[&str]) -> Result<(), StoreError> {
    let Some(due) = steps.get(usize::try_from(from).unwrap_or(0)..).filter(|due| !due.is_empty()) else {
        return Ok(());
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).about(path)?;
    for step in due {
        transaction.execute_batch(step).about(path)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).about(path)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64).about(path)?;
    transaction.commit().about(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version that there is not yet, with what every step may do.
    const NEXT: &str = "ALTER TABLE stored_calls ADD COLUMN mood TEXT; DROP VIEW vitals_host; \
                        CREATE VIEW vitals_host AS SELECT time FROM host_samples";

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_old_file_is_brought_up_to_date_with_what_is_in_it() {
        let path = Path::new("a store");
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, path).unwrap();
        connection.execute("INSERT INTO host_samples (time, load1) VALUES (7, 100)", []).unwrap();
        advance(&mut connection, path, VERSION, &[STEPS.as_slice(), &[NEXT]].concat()).unwrap();
        assert_eq!(number(&connection, "PRAGMA user_version"), VERSION + 1);
        assert_eq!(number(&connection, "SELECT time FROM vitals_host"), 7);
        assert_eq!(number(&connection, "SELECT count(mood) FROM stored_calls"), 0);
        // And now this program is the old one.
        assert!(version(&connection, path).is_err_and(|error| error.is_newer()));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let path = Path::new("a store");
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, path).unwrap();
        let steps = [STEPS.as_slice(), &[NEXT, "DROP TABLE nothing"]].concat();
        assert!(advance(&mut connection, path, VERSION, &steps).is_err());
        assert_eq!(version(&connection, path).unwrap(), VERSION);
        assert!(connection.prepare("SELECT mood FROM stored_calls").is_err());
    }
}
