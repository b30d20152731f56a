//! The one writer of the store.

use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension as _;
use soundpost_core::step;

use super::acknowledgement::Acknowledgement;
use super::age::Age;
use super::batch::Batch;
use super::error::{About as _, StoreError};
use super::file;
use super::fork::{Kept, enter};
use super::limits::Limits;
use super::numbers::Numbers;
use super::open::Open;
use super::record::RecordKinds;
use super::retention::{self, Progress};
use super::sinks::{SinkRow, SinkState};

/// The store, as its one writer has it: the reporter of the service.
///
/// Whatever fails leaves the store usable: the same may be tried again. A file that turns out to be damaged is
/// set aside, and a new one begun, within the call that finds out.
pub struct Store {
    path: PathBuf,
    limits: Limits,
    /// None until it was first looked how old things are.
    age: Option<Age>,
    /// None after a fork, and after a new file could not be made in the place of a damaged one.
    open: Kept<Open>,
    /// The newest record's numbers.
    last: Numbers,
    /// Sinks that were made known: those of other runs may never come back.
    sinks: Vec<String>,
    /// Sinks of a file that was set aside, for the next.
    orphans: Vec<SinkRow>,
    notice: Option<String>,
}

impl Store {
    /// Opens `store.sqlite` in a service's directory, which is there; makes or migrates it. The text says what
    /// a person should know: that a damaged file was set aside, and where.
    ///
    /// # Errors
    /// When the file cannot be opened or made, is not ours ([`StoreError::is_refused`]), or was written by a
    /// newer version ([`StoreError::is_newer`]), which leaves it as it is.
    pub fn open(directory: &Path, limits: Limits) -> Result<(Self, Option<String>), StoreError> {
        let path = file::path_in(directory)?;
        let mut store = Self {
            path,
            limits,
            age: None,
            open: Kept::new(None, |open| file::abandon(open.connection)),
            last: Numbers::default(),
            sinks: Vec::new(),
            orphans: Vec::new(),
            notice: None,
        };
        store.with(|_, _| Ok(()))?;
        // From now on a step of the clock is one. Where there is no space, from the first step of retention on.
        let _ = store.time();
        let notice = store.take_notice();
        Ok((store, notice))
    }

    /// What happened since the last time this was asked, and a person should know.
    pub fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// Stores a batch, in one transaction: rows, and the cursors of the segments they came from.
    ///
    /// # Errors
    /// Nothing was stored; see the predicates of [`StoreError`].
    pub fn write(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let last = self.with(|open, last| open.write(batch, last))?;
        if self.is_replaced() {
            self.begin_anew()?;
            // Somebody may have brought the log into the file before it went.
            if self.last.sequence < last.sequence || batch.records.is_empty() && batch.died.is_empty() {
                self.last = self.with(|open, last| open.write(batch, last))?;
            }
            return Ok(());
        }
        self.last = last;
        Ok(())
    }

    /// Up to where everything of a segment's ring is stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn segment_cursor(&mut self, segment: u64) -> Result<Option<u64>, StoreError> {
        self.with(|open, _| {
            open.connection
                .prepare_cached("SELECT position FROM segment_cursors WHERE segment = ?1")?
                .query_row([segment.cast_signed()], |row| row.get(0).map(i64::cast_unsigned))
                .optional()
        })
    }

    /// Forgets the cursor of a segment whose file is gone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_segment(&mut self, segment: u64) -> Result<(), StoreError> {
        self.with(|open, _| {
            open.connection
                .prepare_cached("DELETE FROM segment_cursors WHERE segment = ?1")?
                .execute([segment.cast_signed()])
                .map(drop)
        })
    }

    /// Makes what was written power-durable. To be called every second in which something was written. A file that
    /// somebody removed is begun anew.
    ///
    /// # Errors
    /// When the disk fails; what was written is still process-durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.is_replaced() {
            return self.begin_anew();
        }
        file::sync(&self.path)
    }

    /// Does one small step of retention, some milliseconds: removes what is too old or too much, also of damaged
    /// files that were set aside, and thins old vitals.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn retain(&mut self) -> Result<Progress, StoreError> {
        let limits = self.limits.clone();
        let now = self.time();
        // Also where the file cannot be opened, perhaps because there is no space.
        let kept_from = now.as_ref().map_or(0, |now| limits.kept_from(*now));
        file::forget_damaged(&self.path, kept_from / 1_000_000_000);
        let now = now?;
        let sinks = self.sinks.clone();
        self.with(|open, _| {
            open.kinds.forget();
            retention::step(&mut open.connection, &limits, now, &sinks)
        })
    }

    /// The time by which age is measured.
    fn time(&mut self) -> Result<u64, StoreError> {
        let (known, now) = (self.age, (self.limits.clock)());
        let (age, time) = self.with(|open, _| {
            let mut age = known.map_or_else(|| Age::load(&open.connection, now), Ok)?;
            let time = age.at(now);
            age.save(&open.connection)?;
            Ok((age, time))
        })?;
        self.age = Some(age);
        Ok(time)
    }

    /// Bytes on disk: the file and its log.
    pub fn bytes(&self) -> u64 {
        file::bytes(&self.path)
    }

    /// Makes a sink known, if it is not: it gets what of these kinds is stored from now on. One that is known goes on
    /// from its cursor. From now on the vitals that it is still to ship are thinned only to make room.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn add_sink(&mut self, sink: &str, kinds: RecordKinds) -> Result<(), StoreError> {
        if !self.sinks.iter().any(|known| known == sink) {
            self.sinks.push(sink.to_owned());
        }
        self.with(|open, last| match SinkRow::find(&open.connection, sink)? {
            Some(row) if row.is_for(kinds) => Ok(()),
            Some(mut row) => {
                row.skip_removed(&Numbers::deleted(&open.connection)?);
                let at = Numbers::through(&open.connection, row.cursor())?;
                row.change(kinds, &at);
                row.save(&open.connection)
            }
            None => SinkRow::new(sink, kinds, &last).save(&open.connection),
        })
    }

    /// Notes what a sink did with what it read.
    ///
    /// # Errors
    /// When it does not fit the sink's cursor, or the file cannot be written.
    pub fn acknowledge(&mut self, sink: &str, done: Acknowledgement) -> Result<(), StoreError> {
        let last = self.last;
        let found = self.with(|open, _| {
            let deleted = Numbers::deleted(&open.connection)?;
            Ok(SinkRow::find(&open.connection, sink)?.map(|row| (row, deleted)))
        })?;
        let Some((mut row, deleted)) = found else {
            return Err(StoreError::misused(format!("there is no sink {sink:?}")));
        };
        row.acknowledge(done, &last, &deleted)?;
        step::reach("acknowledge");
        self.with(|open, _| row.save(&open.connection))?;
        step::reach("acknowledge");
        Ok(())
    }

    /// Counts of all sinks, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sinks(&mut self) -> Result<Vec<SinkState>, StoreError> {
        self.with(|open, last| SinkRow::states(&open.connection, &last))
    }

    /// Whether other files have the names of those that are open: nobody would find what is written to these.
    fn is_replaced(&self) -> bool {
        self.open.lock().as_ref().is_some_and(|open| open.files != file::identity(&self.path))
    }

    /// Goes on with the files that have the names now, or makes them.
    fn begin_anew(&mut self) -> Result<(), StoreError> {
        let removed =
            if file::check(&self.path)? { "'s log was removed or replaced" } else { " was removed" };
        let used = enter().ok_or_else(|| StoreError::forked(&self.path))?;
        self.close();
        drop(used);
        self.notice = Some(format!("{}{removed}; a new one was begun", self.path.display()));
        self.with(|_, _| Ok(()))
    }

    /// Does something with the open file; if it is found damaged, once more with a new one.
    fn with<T>(
        &mut self,
        mut act: impl FnMut(&mut Open, Numbers) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let _use = enter().ok_or_else(|| StoreError::forked(&self.path))?;
        match self.attempt(&mut act) {
            Err(error) if error.is_damaged() => {
                self.set_aside(&error)?;
                self.attempt(&mut act)
            }
            result => result,
        }
    }

    fn attempt<T>(
        &mut self,
        act: &mut impl FnMut(&mut Open, Numbers) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let open = self.open.lock().take();
        let mut open = match open {
            Some(open) => open,
            None => self.begin()?,
        };
        let done = act(&mut open, self.last).about(&self.path);
        *self.open.lock() = Some(open);
        done
    }

    /// Opens the file.
    fn begin(&mut self) -> Result<Open, StoreError> {
        let connection = file::open(&self.path)?;
        let open = Open::new(connection, &self.path).about(&self.path).map_err(StoreError::of_preparing)?;
        let found = Numbers::last(&open.connection).about(&self.path)?;
        if found.sequence < self.last.sequence {
            // Numbers go on where those of the file before ended: a sink may have read some.
            let sinks = std::mem::take(&mut self.orphans);
            open.adopt(self.last, &sinks).about(&self.path)?;
        } else {
            self.last = found;
        }
        Ok(open)
    }

    /// Leaves the file as it is, and keeps what the next one goes on with.
    fn close(&mut self) {
        let open = self.open.lock().take();
        if let Some(open) = open {
            self.orphans = open.sinks(&self.last);
            file::abandon(open.connection);
        }
    }

    fn set_aside(&mut self, error: &StoreError) -> Result<(), StoreError> {
        self.close();
        let now = (self.limits.clock)().unix / 1_000_000_000;
        let aside = file::set_aside(&self.path, now)?;
        self.notice = Some(format!("{error}; it was set aside as {} and a new one begun", aside.display()));
        Ok(())
    }
}
