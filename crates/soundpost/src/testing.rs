//! Tests of instrumented code: a capture of its calls and log events.
//!
//! ```
//! # #[cfg(feature = "macros")] {
//! use soundpost::testing::Capture;
//!
//! #[soundpost::instrument]
//! fn synthesize(text: &str) -> Result<usize, std::fmt::Error> {
//!     if text.is_empty() { Err(std::fmt::Error) } else { Ok(text.len()) }
//! }
//!
//! let capture = Capture::start()?;
//! let _scope = capture.telemetry().scope();
//! let _ = (synthesize("hello"), synthesize(""));
//! let outcomes: Vec<&str> = capture.calls()?.iter().map(|call| call.outcome.name()).collect();
//! assert_eq!(outcomes, ["ok", "error"]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use soundpost_core::{Error, FinishedCall, LogEvent};
use soundpost_store::{Reader, Record, RecordKinds, StoreError};
use tempfile::TempDir;

use crate::Telemetry;

/// Timeout for the store, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Number of records that are read at once.
const BATCH: usize = 1000;

/// Telemetry in a directory of its own, without endpoint and samples, whose records can be read. Several captures of
/// one process share nothing. Dropping it removes all that it made.
pub struct Capture {
    telemetry: Telemetry,
    /// Removed after the telemetry is shut down.
    _directory: TempDir,
}

impl Capture {
    /// Starts telemetry of a service `test`.
    ///
    /// # Errors
    /// When a temporary directory or shared memory cannot be made, or `SOUNDPOST_DISABLED` is set.
    pub fn start() -> Result<Self, Error> {
        let no_directory = |error| Error::config(format!("no temporary directory: {error}"));
        let directory = tempfile::tempdir().map_err(no_directory)?;
        let builder = Telemetry::builder("test").directory(directory.path());
        #[cfg(feature = "vitals")]
        let builder = builder.sample_interval(None);
        #[cfg(feature = "server")]
        let builder = builder.listen(None);
        // `SOUNDPOST_SINKS` does not ship the test's records.
        #[cfg(feature = "sinks")]
        let builder = builder.sinks([]);
        let telemetry = builder.start_event(false).facade(false).global(false).store(true).start()?;
        if !telemetry.is_enabled() {
            return Err(Error::config("SOUNDPOST_DISABLED is set, so a capture records nothing"));
        }
        Ok(Self { telemetry, _directory: directory })
    }

    /// Returns the telemetry. [`Telemetry::scope`] has functions with `#[instrument]` record to it, and
    /// [`Telemetry::layer`] is its layer for `tracing`.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Returns the calls that ended so far, in the order of their ends.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn calls(&self) -> Result<Vec<FinishedCall>, StoreError> {
        let call = |record| if let Record::Call(row) = record { Some(row.call) } else { None };
        Ok(self.records()?.into_iter().filter_map(call).collect())
    }

    /// Returns the log events so far.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn log_events(&self) -> Result<Vec<LogEvent>, StoreError> {
        let event = |record| if let Record::Event(row) = record { Some(row.event) } else { None };
        Ok(self.records()?.into_iter().filter_map(event).collect())
    }

    fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.telemetry.flush(PATIENCE);
        let mut records = Vec::new();
        let Some(store) = Reader::open(self.telemetry.directory())? else { return Ok(records) };
        let last = store.last_sequence()?;
        let mut after = 0;
        while after < last {
            let batch = store.records(after, RecordKinds::LOGS, BATCH)?;
            if batch.through <= after {
                break;
            }
            after = batch.through;
            records.extend(batch.records);
        }
        Ok(records)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.telemetry.shutdown(PATIENCE);
    }
}
