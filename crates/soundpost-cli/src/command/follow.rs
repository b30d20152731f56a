//! Following the store: new records are shown until the output is closed.

use std::io;
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use soundpost::read::Service;
use soundpost::read::store::Reader;

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
    let mut after = None;
    loop {
        if let Some(store) = Reader::open(service.directory())? {
            let last = store.last_sequence()?;
            if after.is_none_or(|after| after < last) {
                let shown =
                    show(&store, (after.is_none().then_some(limit).filter(|limit| *limit > 0), after), out)?;
                after = Some(last.max(shown.unwrap_or(0)));
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
