//! Signals as events: blocked, and read from a descriptor. No handler is installed, and ignored signals stay ignored in
//! the programs that are started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// `si_code` of a signal from the kernel, such as for a key of the terminal.
const SI_KERNEL: i32 = 0x80;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceivedSignal {
    pub(crate) signal: Signal,
    /// Whether the kernel sent it: then every process of the terminal's foreground group received it.
    pub(crate) by_kernel: bool,
}

/// Blocked signals. Dropping this restores the signal mask.
pub(crate) struct Signals {
    descriptor: SignalFd,
    /// Signals that were blocked before.
    inherited: SigSet,
}

impl Signals {
    /// Blocks these signals, except ignored ones.
    pub(crate) fn block(signals: &[Signal]) -> io::Result<Self> {
        let ignored = ignored();
        let mut set = SigSet::empty();
        for signal in signals {
            if ignored >> (*signal as i32 - 1) & 1 == 0 {
                set.add(*signal);
            }
        }
        let inherited = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&set, flags).inspect_err(|_| {
            let _ = inherited.thread_set_mask();
        })?;
        Ok(Self { descriptor, inherited })
    }

    /// Returns the signals that were blocked before: the mask of a program that is started.
    pub(crate) fn inherited(&self) -> &SigSet {
        &self.inherited
    }

    /// Returns the next signal within `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<Option<ReceivedSignal>> {
        if let Some(received) = self.next()? {
            return Ok(Some(received));
        }
        readable([self.descriptor.as_fd()], timeout)?;
        self.next()
    }

    fn next(&self) -> io::Result<Option<ReceivedSignal>> {
        let Some(info) = self.descriptor.read_signal()? else { return Ok(None) };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
        Ok(signal.map(|signal| ReceivedSignal { signal, by_kernel: info.ssi_code == SI_KERNEL }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.inherited.thread_set_mask();
    }
}

/// Waits until one of the descriptors can be read, and returns which can.
pub(crate) fn readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    // Rounded up: a timeout below a millisecond would not wait.
    let timeout = PollTimeout::try_from(timeout + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(polled.map(|polled| polled.any().unwrap_or(false))),
        Err(error) => Err(error.into()),
    }
}

/// Returns the kernel's mask of ignored signals, as `nohup` and shells set it.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Returns the name of a signal, without `SIG`.
pub(crate) fn signal_name(number: i32) -> String {
    let signal = Signal::try_from(number).ok();
    signal.map_or_else(|| number.to_string(), |signal| signal.as_str().trim_start_matches("SIG").to_owned())
}
