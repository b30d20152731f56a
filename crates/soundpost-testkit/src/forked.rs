//! Forked children of a test.

use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// Runs `work` in a forked child, which ends without running destructors; after a panic with status 1.
pub fn forked(work: impl FnOnce()) -> Pid {
    // SAFETY: the child runs only `work` and ends; the C library keeps its allocator usable in a child of a process
    // with threads.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: ends the process.
            unsafe { nix::libc::_exit(i32::from(outcome.is_err())) }
        }
    }
}

/// Returns whether a child ends within ten seconds without a panic. Otherwise it is killed.
pub fn ended_well(child: Pid) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)).unwrap() {
            WaitStatus::StillAlive if Instant::now() < deadline => std::thread::yield_now(),
            WaitStatus::StillAlive => {
                nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
                waitpid(child, None).unwrap();
                return false;
            }
            status => return status == WaitStatus::Exited(child, 0),
        }
    }
}
