//! Numbers of the store as a whole, by name.

use rusqlite::Connection;

use super::checked::STATE;
use crate::sql::count;

/// Name of the pass that overwrites remains of removed records; 0 without remains.
pub(crate) const REMAINS: &str = "remains";

/// Returns a number of the table `state`; 0 if it has none, or a damaged one.
pub(crate) fn state(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    Ok(STATE.find(connection, name.to_owned(), |row| row.get(1))?.map_or(0, count))
}

pub(crate) fn set_state(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    STATE.replace(connection, vec![name.to_owned().into(), value.into()])
}
