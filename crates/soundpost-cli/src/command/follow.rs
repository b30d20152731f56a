//! Following the store: new records are shown until the output is closed.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::SystemTime;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use soundpost::read::Service;
use soundpost::read::store::{FILE, Reader};

use crate::error::CommandError;
use crate::output::Output;

/// Default number of earlier records that are shown first.
pub(super) const FOLLOW_LIMIT: usize = 10;
/// Interval between two reads of the store, milliseconds.
const INTERVAL_MS: u16 = 250;

/// Records to show: the last ones up to a number, or all after a sequence number.
pub(super) type Shown = (Option<usize>, Option<u64>);

/// Calls `show` for the last `limit` records, 0 for all, and then for new records whenever there are some. It returns
/// the last sequence number that it showed.
pub(super) fn follow(
    service: &Service,
    limit: usize,
    out: &mut Output<'_>,
    mut show: impl FnMut(&Reader, Shown, &mut Output<'_>) -> Result<Option<u64>, CommandError>,
) -> Result<i32, CommandError> {
    let mut position = Position::default();
    let mut warned = false;
    loop {
        match position.advance(service, limit, |store, shown| show(store, shown, out)) {
            // The reporter replaces a damaged store.
            Err(CommandError::Store(error)) if position.after.is_some() => {
                if !std::mem::replace(&mut warned, true) {
                    eprintln!("soundpost: {error}");
                }
            }
            advanced => {
                advanced?;
                warned = false;
            }
        }
        out.writer.flush()?;
        if is_closed()? {
            return Ok(0);
        }
        if service.reporter().is_none() {
            service.recover()?;
        }
    }
}

/// Position in the store up to which records were shown.
#[derive(Default)]
struct Position {
    /// Inode and time of creation of the store's file, which another file may replace.
    file: Option<(u64, Option<SystemTime>)>,
    after: Option<u64>,
}

impl Position {
    /// Shows the records after the position: at first the last `limit` ones, 0 for all.
    fn advance(
        &mut self,
        service: &Service,
        limit: usize,
        show: impl FnOnce(&Reader, Shown) -> Result<Option<u64>, CommandError>,
    ) -> Result<(), CommandError> {
        let Some(store) = Reader::open(service.directory())? else { return Ok(()) };
        let file = std::fs::metadata(service.directory().join(FILE)).ok();
        let file = file.map(|file| (file.ino(), file.created().ok()));
        let last = store.last_sequence()?;
        // All records of another file are new.
        let is_replaced = self.file != file || self.after > Some(last);
        let after = self.after.map(|after| if is_replaced { 0 } else { after });
        if after.is_none_or(|after| after < last) {
            let shown = show(&store, (after.is_none().then_some(limit).filter(|limit| *limit > 0), after))?;
            self.after = Some(last.max(shown.unwrap_or(0)));
        }
        self.file = file;
        Ok(())
    }
}

/// Prints the number of damaged records that the store's reader left out.
pub(super) fn warn_of_damage(store: Option<&Reader>) {
    if let Some(damaged) = store.map(Reader::damaged).filter(|damaged| *damaged > 0) {
        eprintln!("soundpost: {damaged} damaged records of the store are left out");
    }
}

/// Waits for the next read, and returns whether the reader of the standard output closed it meanwhile.
fn is_closed() -> io::Result<bool> {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    match poll(&mut polled, PollTimeout::from(INTERVAL_MS)) {
        Ok(events) => Ok(events > 0),
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
