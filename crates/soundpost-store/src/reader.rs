//! The reader of the store: of any process, with or without a writer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use soundpost_core::Outcome;

use crate::cursor::{RecordKinds, Sequence, SinkRow, SinkState};
use crate::error::{About as _, StoreError, is_damage};
use crate::filter::{CallFilter, Filter as _, LogFilter};
use crate::fork::{ForkGuarded, enter};
use crate::record::{CallRow, EventRow, RecordBatch};
use crate::sample_rows::SampleReader;
use crate::schema::SampleTable;
use crate::sql::count;
use crate::vitals::VitalsSample;
use crate::{file, record_rows, schema};

/// Timeout while a writer opens or closes the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Reader of a store. Each query reads one state of the file, and returns an error if the file cannot be read.
pub struct Reader {
    connection: ForkGuarded<Connection>,
    path: PathBuf,
    damaged: AtomicU64,
}

/// Counts of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls by outcome, without outcomes that did not occur.
    pub calls: BTreeMap<Outcome, u64>,
    /// First and last end, nanoseconds since 1970.
    pub ended: Option<(u64, u64)>,
}

impl Summary {
    /// Returns the number of calls of all outcomes.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    fn add(&mut self, outcome: Outcome, calls: u64, (first, last): (u64, u64)) {
        *self.calls.entry(outcome).or_default() += calls;
        let ended = self.ended.unwrap_or((first, last));
        self.ended = Some((ended.0.min(first), ended.1.max(last)));
    }
}

impl Reader {
    /// Opens the store of a service's directory; `None` without a store.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read; see the predicates of [`StoreError`].
    pub fn open(directory: &Path) -> Result<Option<Self>, StoreError> {
        if !directory.exists() {
            return Ok(None);
        }
        let path = file::path_in(directory)?;
        if !file::check(&path)? {
            return Ok(None);
        }
        let _use = enter().ok_or_else(|| StoreError::forked(&path))?;
        let connection = Self::connect(&path)?;
        Ok(connection.map(|connection| Self {
            connection: ForkGuarded::new(Some(connection), drop),
            path,
            damaged: AtomicU64::new(0),
        }))
    }

    fn connect(path: &Path) -> Result<Option<Connection>, StoreError> {
        match Self::connect_as(path, "ro") {
            // SQLite cannot write the log's index here, so nothing else changes the file.
            Err(error) if error.is_io() || error.is_read_only() => Self::connect_as(path, "ro&immutable=1"),
            connected => connected,
        }
    }

    /// Runs a query on the connection, which is reopened if a fork closed it.
    fn with<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let _use = enter().ok_or_else(|| StoreError::forked(&self.path))?;
        let mut guarded = self.connection.lock();
        let connection = match guarded.take() {
            Some(connection) => connection,
            None => {
                Self::connect(&self.path)?.ok_or_else(|| StoreError::damaged(&self.path, "is no store"))?
            }
        };
        query(guarded.insert(connection)).about(&self.path)
    }

    fn connect_as(path: &Path, mode: &str) -> Result<Option<Connection>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(file::uri(path, mode), flags).about(path)?;
        connection.busy_timeout(BUSY_TIMEOUT).about(path)?;
        connection.pragma_update(None, "trusted_schema", false).about(path)?;
        connection.pragma_update(None, "temp_store", "MEMORY").about(path)?;
        let version = schema::version(&connection, path)?;
        if version == 0 {
            return Ok(None);
        }
        schema::adapt(&connection, version).about(path).map_err(StoreError::of_preparing)?;
        Ok(Some(connection))
    }

    /// Returns the calls that match, in the filter's order, without [damaged](Self::damaged) ones.
    pub fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, StoreError> {
        let (calls, damaged) = self.with(|connection| record_rows::calls(connection, filter))?;
        self.damaged.fetch_max(damaged, Ordering::Relaxed);
        Ok(calls)
    }

    /// Returns the log events that match, in the filter's order, without [damaged](Self::damaged) ones.
    pub fn events(&self, filter: &LogFilter) -> Result<Vec<EventRow>, StoreError> {
        let (events, damaged) = self.with(|connection| record_rows::events(connection, filter))?;
        self.damaged.fetch_max(damaged, Ordering::Relaxed);
        Ok(events)
    }

    /// Returns up to `limit` records of these kinds after a sequence number, in their order. The batch has fewer where
    /// they take more than some megabytes of memory, but at least one if one exists.
    pub fn records(&self, after: u64, kinds: RecordKinds, limit: usize) -> Result<RecordBatch, StoreError> {
        self.with(|connection| record_rows::batch(connection, after, kinds, limit))
    }

    /// Returns the newest sequence number, also of a removed record.
    pub fn last_sequence(&self) -> Result<u64, StoreError> {
        self.with(|connection| Ok(Sequence::last(connection)?.number))
    }

    /// Returns the counts of all sinks, by name.
    pub fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            SinkRow::states(&transaction, &Sequence::last(&transaction)?)
        })
    }

    /// Returns the number of calls that match, by outcome. Ignores the filter's order and limit.
    pub fn summary(&self, filter: &CallFilter) -> Result<Summary, StoreError> {
        self.with(|connection| match Self::indexed_summary(connection, filter) {
            Err(error) if is_damage(&error) => {
                let mut summary = Summary::default();
                let damaged = record_rows::sound_calls(connection, |row| {
                    if filter.matches(&row) {
                        summary.add(row.call.outcome, 1, (row.call.ended_unix, row.call.ended_unix));
                    }
                })?;
                self.damaged.fetch_max(damaged, Ordering::Relaxed);
                Ok(summary)
            }
            summary => summary,
        })
    }

    fn indexed_summary(connection: &Connection, filter: &CallFilter) -> rusqlite::Result<Summary> {
        let (condition, values) = filter.condition();
        let sql = format!(
            "SELECT outcome, count(*), min(ended), max(ended) FROM stored_calls{condition} GROUP BY 1"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        let mut summary = Summary::default();
        while let Some(row) = rows.next()? {
            let [calls, first, last] = [1, 2, 3].map(|column| row.get(column).map(count));
            let outcome = Outcome::from_name(row.get_ref(0)?.as_str()?).ok_or(FromSqlError::InvalidType)?;
            summary.add(outcome, calls?, (first?, last?));
        }
        Ok(summary)
    }

    /// Returns the maximum number of damaged records or samples that a query of this reader skipped.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Returns the samples within a range of nanoseconds since 1970, oldest first, with the values of these columns, or
    /// of all columns without names. Samples without such values are left out.
    pub fn vitals(&self, range: Range<u64>, names: &[&str]) -> Result<Vec<VitalsSample>, StoreError> {
        let (mut found, mut damaged) = (Vec::new(), 0);
        for table in SampleTable::ALL {
            let is_wanted = |name: &str| names.is_empty() || names.contains(&name);
            if table.columns().iter().any(|column| is_wanted(column.name)) {
                let (samples, lost) =
                    self.with(|connection| SampleReader::new(connection).read(table, &range, is_wanted))?;
                found.extend(samples);
                damaged += lost;
            }
        }
        self.damaged.fetch_max(damaged, Ordering::Relaxed);
        found.retain(|sample| !sample.values.is_empty());
        found.sort_by_key(|sample| sample.unix_nanos);
        Ok(found)
    }
}
