//! Reading the store: from any process, while the writer writes, and when there is none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Params, params_from_iter};
use soundpost_core::Outcome;

use super::call_row::{self, CallRow};
use super::column::Table;
use super::error::{About as _, StoreError};
use super::filter::CallFilter;
use super::fork::{Kept, enter};
use super::kinds::Kinds;
use super::numbers::Numbers;
use super::record::{RecordKinds, Stretch};
use super::sinks::{SinkRow, SinkState};
use super::vitals::VitalsSample;
use super::{file, samples, schema, stretch};

/// How long a reader waits while a writer begins or ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// The store, as anybody may read it. Every question is answered from one moment of the store.
pub struct Reader {
    connection: Kept<Connection>,
    path: PathBuf,
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls by outcome; no entry for none.
    pub calls: BTreeMap<Outcome, u64>,
    /// When the first and the last of them ended, nanoseconds since 1970.
    pub ended: Option<(u64, u64)>,
}

impl Summary {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }
}

impl Reader {
    /// Opens the store of a service's directory; `None` if there is none yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read; see the predicates of [`StoreError`].
    pub fn open(directory: &Path) -> Result<Option<Self>, StoreError> {
        if !directory.exists() {
            return Ok(None);
        }
        let path = file::path_in(directory)?;
        if !file::check(&path)? {
            return Ok(None);
        }
        let _use = enter().ok_or_else(|| StoreError::forked(&path))?;
        let connection = Self::begin(&path)?;
        Ok(connection.map(|connection| Self { connection: Kept::new(Some(connection), drop), path }))
    }

    fn begin(path: &Path) -> Result<Option<Connection>, StoreError> {
        match Self::connect(path, "ro") {
            // Nobody may write here, not even SQLite its log's index: then nothing changes either.
            Err(error) if error.is_io() || error.is_read_only() => Self::connect(path, "ro&immutable=1"),
            connected => connected,
        }
    }

    /// Does something with the connection, which a fork may have closed.
    fn with<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let _use = enter().ok_or_else(|| StoreError::forked(&self.path))?;
        let mut kept = self.connection.lock();
        let connection = match kept.take() {
            Some(connection) => connection,
            None => Self::begin(&self.path)?.ok_or_else(|| StoreError::damaged(&self.path, "is no store"))?,
        };
        act(kept.insert(connection)).about(&self.path)
    }

    fn connect(path: &Path, mode: &str) -> Result<Option<Connection>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(file::uri(path, mode), flags).about(path)?;
        connection.busy_timeout(PATIENCE).about(path)?;
        connection.pragma_update(None, "trusted_schema", false).about(path)?;
        connection.pragma_update(None, "temp_store", "MEMORY").about(path)?;
        let version = schema::version(&connection, path)?;
        Ok((version > 0).then_some(connection))
    }

    /// Calls that match, in the filter's order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, StoreError> {
        let (sql, values) = filter.select(call_row::COLUMNS);
        self.with(|connection| rows(connection, &sql, params_from_iter(&values)))
    }

    /// Up to `limit` records of these kinds with sequence numbers above one, in their order: what a sink is to ship
    /// next. Fewer where they would take more than some megabytes of memory; at least one if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn records(&self, after: u64, kinds: RecordKinds, limit: usize) -> Result<Stretch, StoreError> {
        self.with(|connection| stretch::read(connection, after, kinds, limit))
    }

    /// The newest sequence number that was given, also if its record is gone.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_sequence(&self) -> Result<u64, StoreError> {
        self.with(|connection| Ok(Numbers::last(connection)?.sequence))
    }

    /// Counts of all sinks, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            SinkRow::states(&transaction, &Numbers::last(&transaction)?)
        })
    }

    /// How many calls match, by outcome. The filter's order and limit play no part.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn summary(&self, filter: &CallFilter) -> Result<Summary, StoreError> {
        let (condition, values) = filter.condition();
        let sql = format!(
            "SELECT outcome, count(*), min(ended), max(ended) FROM stored_calls{condition} GROUP BY 1"
        );
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            let mut summary = Summary::default();
            while let Some(row) = rows.next()? {
                let [count, first, last] = [1, 2, 3].map(|column| row.get::<_, i64>(column));
                let [count, first, last] =
                    [count?, first?, last?].map(|number| number.max(0).cast_unsigned());
                if let Some(outcome) = Outcome::from_name(row.get_ref(0)?.as_str()?) {
                    summary.calls.insert(outcome, count);
                    let ended = summary.ended.unwrap_or((first, last));
                    summary.ended = Some((ended.0.min(first), ended.1.max(last)));
                }
            }
            Ok(summary)
        })
    }

    /// Samples within nanoseconds since 1970, oldest first, with the values of these columns; all columns if
    /// none is named. Samples without any of them are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn vitals(&self, range: Range<u64>, names: &[&str]) -> Result<Vec<VitalsSample>, StoreError> {
        let mut found = Vec::new();
        for table in Table::ALL {
            let wanted: Vec<_> = table
                .columns()
                .iter()
                .filter(|column| names.is_empty() || names.contains(&column.name))
                .collect();
            if !wanted.is_empty() {
                found.extend(self.with(|connection| samples::read(connection, table, &range, &wanted))?);
            }
        }
        found.retain(|sample| !sample.values.is_empty());
        found.sort_by_key(|sample| sample.unix_nanos);
        Ok(found)
    }
}

fn rows(connection: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<Vec<CallRow>> {
    // One transaction, so that a kind is there as long as its calls are.
    let transaction = connection.unchecked_transaction()?;
    let mut kinds = Kinds::new(&transaction)?;
    let mut statement = transaction.prepare_cached(sql)?;
    statement.query_map(values, |row| call_row::read(row, &mut kinds))?.collect()
}
