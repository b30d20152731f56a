//! The single writer of the store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Row;
use soundpost_core::{memory_room, step};

use crate::batch::Batch;
use crate::clock::TrustedClock;
use crate::cursor::{Acknowledgement, RecordKinds, Sequence, SinkRow, SinkState};
use crate::erase::{self, Erased, Selection};
use crate::error::{About as _, StoreError};
use crate::fork::{ForkGuarded, enter};
use crate::limits::{Limits, Room};
use crate::open::OpenFile;
use crate::retention::{self, Progress};
use crate::schema::SEGMENT_CURSORS;
use crate::sql::run;
use crate::{file, postmortems, remains};

/// Timeout of erasing while other programs use the store.
const ERASE_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between searches for old postmortems, nanoseconds.
const POSTMORTEMS_INTERVAL: u64 = 60 * 60 * 1_000_000_000;
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Writer of a store: the reporter of the service.
///
/// Methods return an error if the file cannot be read or written. The store stays usable, and the call can be retried.
/// A damaged file is set aside, and a new one created, within the call that detects the damage.
pub struct Store {
    path: PathBuf,
    limits: Limits,
    room: Room,
    /// Whether the log may hold pages with removed records.
    has_remains: bool,
    /// Time from which old postmortems are removed again, nanoseconds since 1970.
    next_postmortems: u64,
    clock: Option<TrustedClock>,
    /// `None` after a fork, and if a new file could not be created in place of a damaged one.
    open: ForkGuarded<OpenFile>,
    last: Sequence,
    /// Sinks that this process added; those of earlier runs may be gone for good.
    sinks: Vec<String>,
    /// Sinks of a file that was set aside, for the next file.
    orphans: Vec<SinkRow>,
    notice: Option<String>,
}

impl Store {
    /// Opens `store.sqlite` in a service's existing directory; creates or migrates it. Returns a notice for the
    /// operator, such as the path of a damaged file that was set aside.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or created, belongs to another user
    /// ([`StoreError::is_refused`]), or was written by a newer version ([`StoreError::is_newer`]).
    pub fn open(directory: &Path, limits: Limits) -> Result<(Self, Option<String>), StoreError> {
        let path = file::path_in(directory)?;
        let mut store = Self {
            room: limits.room_in(directory),
            path,
            limits,
            has_remains: false,
            next_postmortems: 0,
            clock: None,
            open: ForkGuarded::new(None, |open| file::abandon(open.connection)),
            last: Sequence::default(),
            sinks: Vec::new(),
            orphans: Vec::new(),
            notice: None,
        };
        store.with(|_, _| Ok(()))?;
        // Detects steps of the wall clock from now on; on a full disk, from the first step of retention on.
        let _ = store.time();
        let notice = store.take_notice();
        Ok((store, notice))
    }

    /// Returns the notice for the operator since the last call.
    pub fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// Stores a batch in one transaction: records, and the cursors of their segments.
    ///
    /// # Errors
    /// Returns an error if nothing was stored; see the predicates of [`StoreError`].
    pub fn write(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let last = self.with(|open, last| open.write(batch, last))?;
        if self.is_replaced() {
            self.reopen()?;
            // Another program may have checkpointed the log before it was removed.
            if self.last.number < last.number || batch.records.is_empty() && batch.died.is_empty() {
                self.last = self.with(|open, last| open.write(batch, last))?;
            }
            return Ok(());
        }
        self.last = last;
        Ok(())
    }

    /// Returns the position up to which a segment's ring is stored.
    pub fn segment_cursor(&mut self, segment: u64) -> Result<Option<u64>, StoreError> {
        self.with(|open, _| {
            let position = |row: &Row<'_>| row.get(1).map(i64::cast_unsigned);
            SEGMENT_CURSORS.find(&open.connection, segment.cast_signed(), position)
        })
    }

    /// Deletes the cursor of a segment whose file was removed.
    pub fn forget_segment(&mut self, segment: u64) -> Result<(), StoreError> {
        self.with(|open, _| {
            let delete = "DELETE FROM segment_cursors WHERE segment = ?1";
            run(&open.connection, delete, [segment.cast_signed()]).map(drop)
        })
    }

    /// Makes stored records power-durable; called after each second with a write. Creates a removed file again.
    ///
    /// # Errors
    /// Returns an error if the disk fails; stored records are still process-durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.is_replaced() {
            return self.reopen();
        }
        file::sync(&self.path)
    }

    /// Runs one step of retention, some milliseconds: removes old or excess records and damaged files, and thins old
    /// vitals.
    pub fn retain(&mut self) -> Result<Progress, StoreError> {
        let limits = self.limits.clone();
        let now = self.time();
        // Also if the file cannot be opened, perhaps on a full disk.
        let kept_from = now.as_ref().map_or(0, |now| limits.kept_from(*now));
        file::remove_damaged(&self.path, kept_from / 1_000_000_000);
        let now = now?;
        let postmortems = self.remove_old_postmortems(now, kept_from)?;
        let sinks = self.sinks.clone();
        let room = self.update_room()?;
        let mut step = |open: &mut OpenFile, _| {
            open.shared.clear();
            retention::step(&mut open.connection, &limits, room, now, &sinks)
        };
        let used = enter().ok_or_else(|| StoreError::forked(&self.path))?;
        let mut progress = match self.attempt(&mut step) {
            // Readers skip damaged records, so the file is kept until records have to be removed from it.
            Err(error)
                if error.is_damaged()
                    && self
                        .attempt(&mut |open, _| retention::is_due(&open.connection, &limits, room, now))
                        .is_ok_and(|due| !due) =>
            {
                return Ok(Progress::default());
            }
            Err(error) if error.is_damaged() => {
                drop(used);
                return self.with(step);
            }
            progress => progress?,
        };
        drop(used);
        progress.postmortems = postmortems;
        self.has_remains |= progress.records > 0;
        if !progress.more {
            self.remove_remains()?;
        }
        Ok(progress)
    }

    /// Removes the postmortems before a time, from time to time. Returns their number.
    fn remove_old_postmortems(&mut self, now: u64, before: u64) -> Result<u64, StoreError> {
        if now < self.next_postmortems {
            return Ok(0);
        }
        self.next_postmortems = now + POSTMORTEMS_INTERVAL;
        let directory = self.path.parent().unwrap_or(&self.path);
        postmortems::remove_old(directory, before)
            .map_err(|error| StoreError::io("cannot replace the postmortems of", directory, &error))
    }

    /// Overwrites what the log has of removed records. Returns false while a reader uses the log; retention tries again.
    pub fn remove_remains(&mut self) -> Result<bool, StoreError> {
        self.has_remains = self.has_remains && !self.with(|open, _| file::truncate_log(&open.connection))?;
        Ok(!self.has_remains)
    }

    /// Returns whether a store in memory exceeds its room, so that retention must not wait.
    pub fn is_over(&self) -> bool {
        let directory = self.path.parent().unwrap_or(&self.path);
        memory_room(directory, 0).is_some() && self.bytes() > self.limits.bytes_in(directory)
    }

    fn update_room(&mut self) -> Result<Room, StoreError> {
        let room = self.limits.room_in(self.path.parent().unwrap_or(&self.path));
        if room.log != self.room.log {
            self.with(|open, _| file::limit_log(&open.connection, room.log))?;
        }
        self.room = room;
        Ok(room)
    }

    /// Erases the selected records, also from the log, and waits for other programs that use the store. With `dry_run`,
    /// only counts them.
    ///
    /// # Errors
    /// When the file cannot be written; records erased before stay so.
    pub fn erase(&mut self, selection: &Selection, dry_run: bool) -> Result<Erased, StoreError> {
        let found = self.with(|open, _| erase::find(&open.connection, selection))?;
        if !dry_run {
            let mut series = BTreeSet::new();
            for step in found.steps() {
                self.patiently(|store| {
                    store.with(|open, _| step.run(&mut open.connection, &mut series))?;
                    store.has_remains = true;
                    Ok(true)
                })?;
            }
            if !series.is_empty() {
                self.patiently(|store| {
                    store.with(|open, _| {
                        // This process may store further calls of them.
                        open.shared.clear();
                        erase::remove_unused(&mut open.connection, series.clone())
                    })?;
                    Ok(true)
                })?;
            }
            self.patiently(Self::remove_remains)?;
        }
        Ok(found.erased)
    }

    /// Repeats an action while another program uses the store, which returns false then or an error.
    fn patiently(
        &mut self,
        mut act: impl FnMut(&mut Self) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + ERASE_TIMEOUT;
        loop {
            match act(self) {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() >= deadline => {
                    return Err(StoreError::busy(&self.path, "a program reads the log"));
                }
                Err(error) if !error.is_busy() || Instant::now() >= deadline => return Err(error),
                _ => std::thread::sleep(RETRY_INTERVAL),
            }
        }
    }

    /// Returns the time that ages are measured by.
    fn time(&mut self) -> Result<u64, StoreError> {
        let (known, now) = (self.clock, (self.limits.clock)());
        let (clock, time) = self.with(|open, _| {
            let mut clock = known.map_or_else(|| TrustedClock::load(&open.connection, now), Ok)?;
            let time = clock.advance(now);
            clock.save(&open.connection)?;
            Ok((clock, time))
        })?;
        self.clock = Some(clock);
        Ok(time)
    }

    /// Returns the bytes on disk, of the file and its log.
    pub fn bytes(&self) -> u64 {
        file::bytes(&self.path)
    }

    /// Replaces the sinks: see [`Self::add_sink`]. A sink that is left out keeps its cursor.
    pub fn set_sinks(&mut self, sinks: &[(String, RecordKinds)]) -> Result<(), StoreError> {
        self.sinks.clear();
        sinks.iter().try_for_each(|(name, kinds)| self.add_sink(name, *kinds))
    }

    /// Adds a sink, which receives the records of these kinds stored from now on; a known sink continues at its cursor.
    /// From now on, vitals that it has not shipped are thinned only to make room.
    pub fn add_sink(&mut self, sink: &str, kinds: RecordKinds) -> Result<(), StoreError> {
        if !self.sinks.iter().any(|known| known == sink) {
            self.sinks.push(sink.to_owned());
        }
        let is_again = self.with(|open, last| {
            let is_damaged = SinkRow::remove_damaged(&open.connection, &last)?;
            let deleted = Sequence::deleted(&open.connection)?;
            match SinkRow::find(&open.connection, sink)? {
                Some(row) if row.kinds == kinds => Ok(false),
                Some(mut row) => {
                    row.skip_removed(&deleted);
                    let cursor = Sequence::through(&open.connection, row.cursor)?;
                    row.change_kinds(kinds, &cursor);
                    row.save(&open.connection).map(|()| false)
                }
                // The damaged row may be this sink's, which then delivers all records again.
                None => {
                    let start = if is_damaged { deleted } else { last };
                    SinkRow::new(sink, kinds, &start).save(&open.connection).map(|()| is_damaged)
                }
            }
        })?;
        if is_again {
            let path = self.path.display();
            self.notice = Some(format!("{path}: the cursor of sink {sink:?} was damaged; it starts again"));
        }
        Ok(())
    }

    /// Acknowledges records for a sink, which moves its cursor.
    ///
    /// # Errors
    /// Returns an error if the acknowledgement does not fit the cursor, or the file cannot be written.
    pub fn acknowledge(&mut self, sink: &str, done: Acknowledgement) -> Result<(), StoreError> {
        let last = self.last;
        let found = self.with(|open, _| {
            let deleted = Sequence::deleted(&open.connection)?;
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

    /// Returns the counts of all sinks, by name.
    pub fn sinks(&mut self) -> Result<Vec<SinkState>, StoreError> {
        self.with(|open, last| SinkRow::states(&open.connection, &last))
    }

    /// Returns whether other files have the names of the open ones, so that no reader would find new records.
    fn is_replaced(&self) -> bool {
        self.open.lock().as_ref().is_some_and(|open| open.identity != file::identity(&self.path))
    }

    /// Continues with the files that have the names now, or creates them.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let removed =
            if file::check(&self.path)? { "'s log was removed or replaced" } else { " was removed" };
        let used = enter().ok_or_else(|| StoreError::forked(&self.path))?;
        self.close();
        drop(used);
        self.notice = Some(format!("{}{removed}; a new one was begun", self.path.display()));
        self.with(|_, _| Ok(()))
    }

    /// Runs an action on the open file; if the file is damaged, once more on a new one.
    fn with<T>(
        &mut self,
        mut act: impl FnMut(&mut OpenFile, Sequence) -> rusqlite::Result<T>,
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
        act: &mut impl FnMut(&mut OpenFile, Sequence) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let open = self.open.lock().take();
        let mut open = match open {
            Some(open) => open,
            None => self.open_file()?,
        };
        let done = act(&mut open, self.last).about(&self.path);
        *self.open.lock() = Some(open);
        done
    }

    fn open_file(&mut self) -> Result<OpenFile, StoreError> {
        let connection = file::open(&self.path)?;
        file::limit_log(&connection, self.room.log).about(&self.path)?;
        let open =
            OpenFile::new(connection, &self.path).about(&self.path).map_err(StoreError::of_preparing)?;
        self.has_remains |= remains::exist(&open.connection).about(&self.path)?;
        let found = Sequence::last(&open.connection).about(&self.path)?;
        if found.number < self.last.number {
            // Continues the numbers of the file before, because sinks may have read them.
            let sinks = std::mem::take(&mut self.orphans);
            open.continue_from(self.last, &sinks).about(&self.path)?;
        } else {
            self.last = found;
        }
        Ok(open)
    }

    /// Closes the file unchanged, and keeps its sinks for the next.
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
