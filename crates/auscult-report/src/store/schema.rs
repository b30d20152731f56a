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

/// The version of a store; 0 for a file with nothing in it yet.
///
/// # Errors
/// Also when the version is newer than ours, or the file is no store.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number =
        |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).about(path);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).about(path)?;
    match (tables, number("application_id")?, number("user_version")?) {
        (0, 0 | APPLICATION, 0) => Ok(0),
        (_, APPLICATION, version) if version > VERSION => Err(StoreError::newer(path, version, VERSION)),
        (1.., APPLICATION, version @ 1..) => Ok(version),
        _ => Err(StoreError::damaged(path, "is no store")),
    }
}

/// Makes the file one of our version, in one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let from = version(connection, path)?;
    if from == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).about(path)?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        transaction.execute_batch(step).about(path)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).about(path)?;
    transaction.pragma_update(None, "user_version", VERSION).about(path)?;
    transaction.commit().about(path)
}
