//! A sink's reader of the store.

use std::path::PathBuf;

use soundpost_store::{Acknowledgement, Reader, RecordBatch, RecordKinds, SinkState, StoreError};

/// Reads the records after a sink's cursor.
pub(crate) struct Feed {
    directory: PathBuf,
    sink: String,
    kinds: RecordKinds,
    reader: Option<Reader>,
    cursor: Option<u64>,
    has_delivered: bool,
}

impl Feed {
    pub(crate) fn new(directory: PathBuf, sink: &str, kinds: RecordKinds) -> Self {
        Self { directory, sink: sink.to_owned(), kinds, reader: None, cursor: None, has_delivered: false }
    }

    /// Returns the next records; `None` while the sink is not registered in the store.
    ///
    /// # Errors
    /// When the store cannot be read. The next call reopens it.
    pub(crate) fn next(&mut self, limit: usize) -> Result<Option<RecordBatch>, StoreError> {
        let read = self.read(limit);
        if read.is_err() {
            self.reset();
        }
        read
    }

    fn read(&mut self, limit: usize) -> Result<Option<RecordBatch>, StoreError> {
        if self.cursor.is_none() {
            let state = self.state()?;
            self.has_delivered |= state.as_ref().is_some_and(|state| state.delivered > 0);
            self.cursor = state.map(|state| state.cursor);
        }
        let Some(cursor) = self.cursor else { return Ok(None) };
        let kinds = self.kinds;
        self.reader()?.map(|reader| reader.records(cursor, kinds, limit)).transpose()
    }

    fn reader(&mut self) -> Result<Option<&Reader>, StoreError> {
        if self.reader.is_none() {
            self.reader = Reader::open(&self.directory)?;
        }
        Ok(self.reader.as_ref())
    }

    /// Returns the sink's counts; `None` while it is not registered in the store.
    pub(crate) fn state(&mut self) -> Result<Option<SinkState>, StoreError> {
        let Some(reader) = self.reader()? else { return Ok(None) };
        Ok(reader.sinks()?.into_iter().find(|state| state.sink == self.sink))
    }

    /// Returns whether the receiver had accepted records when the cursor was last read.
    pub(crate) fn has_delivered(&self) -> bool {
        self.has_delivered
    }

    pub(crate) fn advance(&mut self, done: &Acknowledgement) {
        self.cursor = Some(done.through);
    }

    /// Reopens the store and reads the cursor from it.
    pub(crate) fn reset(&mut self) {
        (self.reader, self.cursor) = (None, None);
    }

    /// Reopens the store, whose file may have been replaced.
    pub(crate) fn reopen(&mut self) {
        self.reader = None;
    }
}
