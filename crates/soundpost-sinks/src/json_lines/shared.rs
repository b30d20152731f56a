//! Lines on a descriptor that the host writes to as well: its standard output.
//!
//! Its flags are the host's and of all who share it, so it stays as blocking as it is, and is written to only when it
//! takes something; in parts that a pipe takes whole, so that no line of the host's gets into one of ours.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// What a pipe takes whole or not at all, bytes; when it is ready it takes as much without waiting.
const PART: usize = libc::PIPE_BUF;

/// Writes lines to a descriptor that is not its own.
#[derive(Default)]
pub(crate) struct SharedLines {
    /// What is left of a line that was begun.
    rest: Vec<u8>,
}

impl SharedLines {
    /// Writes whole lines; how many bytes of them are written for good when nobody takes more for so long. A line that
    /// was begun counts, and is ended before anything else is written.
    ///
    /// # Errors
    /// When nothing can be written: nobody reads it, or it is closed.
    pub(crate) fn write(&mut self, to: impl AsFd, lines: &[u8], patience: Duration) -> io::Result<usize> {
        let to = to.as_fd();
        if !self.end(to, patience)? {
            return Ok(0);
        }
        let mut written = 0;
        while written < lines.len() {
            let part = part(&lines[written..]);
            match self.put(to, part, patience) {
                Ok(0) => break,
                Err(error) if written == 0 => return Err(error),
                // It is told when it is tried again.
                Err(_) => break,
                Ok(put) if part[put - 1] == b'\n' => written += put,
                Ok(put) => {
                    let line = &lines[written..][..line_end(&lines[written..], put)];
                    self.rest.extend_from_slice(&line[put..]);
                    written += line.len();
                    if !self.end(to, patience)? {
                        break;
                    }
                }
            }
        }
        Ok(written)
    }

    /// Ends the line that was begun; false if nobody takes it.
    fn end(&mut self, to: BorrowedFd<'_>, patience: Duration) -> io::Result<bool> {
        while !self.rest.is_empty() {
            let part = self.rest.len().min(PART);
            match self.put(to, &self.rest[..part], patience)? {
                0 => return Ok(false),
                put => drop(self.rest.drain(..put)),
            }
        }
        Ok(true)
    }

    /// Writes as much of a part as is taken now, or 0 bytes when nobody takes any for so long.
    fn put(&self, to: BorrowedFd<'_>, part: &[u8], patience: Duration) -> io::Result<usize> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(to, PollFlags::POLLOUT)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut ready, timeout) {
                Ok(0) => return Ok(0),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            let events = ready[0].revents().unwrap_or(PollFlags::empty());
            if events.contains(PollFlags::POLLNVAL) {
                return Err(io::Error::new(ErrorKind::NotConnected, "it is closed"));
            }
            match write(to, part) {
                Err(Errno::EINTR | Errno::EAGAIN) if !left.is_zero() => {}
                Err(Errno::EINTR | Errno::EAGAIN) => return Ok(0),
                Err(error) => return Err(error.into()),
                Ok(put) => return Ok(put),
            }
        }
    }
}

/// The first whole lines that are no longer than a part; the beginning of the first line if it is longer.
fn part(lines: &[u8]) -> &[u8] {
    let most = &lines[..lines.len().min(PART)];
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |feed| feed + 1);
    &most[..end]
}

/// Where the line ends of which there is something before `at`.
fn line_end(lines: &[u8], at: usize) -> usize {
    let begun = at.saturating_sub(1);
    lines[begun..].iter().position(|byte| *byte == b'\n').map_or(lines.len(), |feed| begun + feed + 1)
}

#[cfg(test)]
mod tests;
