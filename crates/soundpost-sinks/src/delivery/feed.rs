//! What a sink gets out of the store, and where it is.

use std::path::PathBuf;

use soundpost_store::{Acknowledgement, Reader, RecordKinds, SinkState, StoreError, Stretch};

/// Reads on from a sink's cursor.
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

    /// What comes next; `None` while the store does not know the sink.
    ///
    /// # Errors
    /// When the store cannot be read; the next time it is opened anew.
    pub(crate) fn next(&mut self, limit: usize) -> Result<Option<Stretch>, StoreError> {
        let read = self.read(limit);
        if read.is_err() {
            self.begin_again();
        }
        read
    }

    fn read(&mut self, limit: usize) -> Result<Option<Stretch>, StoreError> {
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

    /// The sink's counts; `None` while the store does not know it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn state(&mut self) -> Result<Option<SinkState>, StoreError> {
        let Some(reader) = self.reader()? else { return Ok(None) };
        Ok(reader.sinks()?.into_iter().find(|state| state.sink == self.sink))
    }

    /// Whether the receiver had taken something when it was last looked where the sink is.
    pub(crate) fn has_delivered(&self) -> bool {
        self.has_delivered
    }

    /// Goes on behind what is acknowledged.
    pub(crate) fn advance(&mut self, done: &Acknowledgement) {
        self.cursor = Some(done.through);
    }

    /// Opens the store anew, whichever file it is, and goes on where that says.
    pub(crate) fn begin_again(&mut self) {
        (self.reader, self.cursor) = (None, None);
    }

    /// Opens the store anew: another file may have its name.
    pub(crate) fn reopen(&mut self) {
        self.reader = None;
    }
}
