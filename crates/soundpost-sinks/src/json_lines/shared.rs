//! Writes lines to standard output, which the service uses as well.
//!
//! The descriptor's flags are shared and stay unchanged, so a write waits until it is writable. A pipe accepts each
//! part as a whole, so lines of the service do not interleave with those of the sink.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// Maximum length of an atomic write to a pipe, bytes. A writable pipe accepts it without blocking.
const PART: usize = libc::PIPE_BUF;

#[derive(Default)]
pub(crate) struct SharedLines {
    /// Rest of a partially written line.
    rest: Vec<u8>,
}

impl SharedLines {
    /// Writes whole lines until the reader accepts nothing for `patience`. Returns the number of written bytes. A
    /// partially written line counts as a whole, and is completed by the next call.
    ///
    /// # Errors
    /// When nothing can be written: there is no reader, or the descriptor is closed.
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
                // The next call returns the error.
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

    /// Completes a partially written line. Returns false after a timeout.
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

    /// Writes as much of a part as is accepted now. Returns 0 after a timeout.
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

/// Returns the first whole lines that fit into a part, or the start of a longer line.
fn part(lines: &[u8]) -> &[u8] {
    let most = &lines[..lines.len().min(PART)];
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |feed| feed + 1);
    &most[..end]
}

/// Returns the end of the line that contains the byte before `at`.
fn line_end(lines: &[u8], at: usize) -> usize {
    let begun = at.saturating_sub(1);
    lines[begun..].iter().position(|byte| *byte == b'\n').map_or(lines.len(), |feed| begun + feed + 1)
}

#[cfg(test)]
mod tests;
