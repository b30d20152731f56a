//! Signals as events: blocked, and read from a descriptor, so that no handler is installed and what was ignored stays
//! so in the programs that are started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// `si_code` of a signal that the kernel sent, such as for a key of the terminal.
const SI_KERNEL: i32 = 0x80;

/// A signal that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// Whether the kernel sent it, and so to every process of the terminal's foreground group.
    pub(crate) by_kernel: bool,
}

/// Signals of this process, while it lives. The signal mask is put back at the end.
pub(crate) struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Takes these signals from now on; those that are ignored are left alone.
    ///
    /// # Errors
    /// When the system has no descriptor for it.
    pub(crate) fn take(signals: &[Signal]) -> io::Result<Self> {
        let ignored = ignored();
        let mut set = SigSet::empty();
        for signal in signals {
            if ignored >> (*signal as i32 - 1) & 1 == 0 {
                set.add(*signal);
            }
        }
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&set, flags).inspect_err(|_| {
            let _ = before.thread_set_mask();
        })?;
        Ok(Self { descriptor, before })
    }

    /// The signals that were blocked before: those of a program that is started.
    pub(crate) fn before(&self) -> &SigSet {
        &self.before
    }

    /// The next signal, if one comes within `timeout`.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<Option<Arrived>> {
        if let Some(arrived) = self.next()? {
            return Ok(Some(arrived));
        }
        readable([self.descriptor.as_fd()], timeout)?;
        self.next()
    }

    fn next(&self) -> io::Result<Option<Arrived>> {
        let Some(info) = self.descriptor.read_signal()? else { return Ok(None) };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
        Ok(signal.map(|signal| Arrived { signal, by_kernel: info.ssi_code == SI_KERNEL }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// Waits until one of the descriptors can be read, and tells which.
///
/// # Errors
/// When the system refuses to wait.
pub(crate) fn readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    // Rounded up, so that a wait for less than a millisecond is one.
    let timeout = PollTimeout::try_from(timeout + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(polled.map(|polled| polled.any().unwrap_or(false))),
        Err(error) => Err(error.into()),
    }
}

/// Signals that this process ignores, as the kernel's mask: `nohup` and shells ask for it.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
