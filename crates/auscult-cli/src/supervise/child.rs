//! The command: how it is started, sent signals, and how its end is passed on.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;

/// Exit status where there is no such command, and where it cannot be executed: as shells have it.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// The running command.
pub(super) struct Child {
    child: std::process::Child,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Exited(i32),
    Signalled(i32),
}

impl Child {
    /// Starts the command in this process's group, so that it keeps the terminal.
    pub(super) fn start(command: &[OsString], service: &str, directory: &Path) -> Result<Self, Ended> {
        let Some((program, arguments)) = command.split_first() else { return Err(Ended::Exited(NOT_FOUND)) };
        let started = Command::new(program)
            .args(arguments)
            .env("AUSCULT_SERVICE", service)
            .env("AUSCULT_DIRECTORY", directory)
            .spawn();
        started.map(|child| Self { child }).map_err(|error| {
            eprintln!("auscult: cannot start {}: {error}", Path::new(program).display());
            let missing = error.kind() == io::ErrorKind::NotFound;
            Ended::Exited(if missing { NOT_FOUND } else { NOT_EXECUTABLE })
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        self.reap_orphans();
        match self.child.try_wait() {
            Ok(status) => status.map(Ended::of),
            // Somebody made the kernel reap it: how it ended nobody knows.
            Err(_) => Some(Ended::Exited(1)),
        }
    }

    /// As the first process of a container this one inherits all orphans.
    fn reap_orphans(&self) {
        if std::process::id() != 1 {
            return;
        }
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, flags) {
            match status.pid() {
                Some(pid) if pid.as_raw().cast_unsigned() != self.pid() => {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                _ => break,
            }
        }
    }

    /// Sends a signal. The command was not waited for, so that the number is still its own.
    pub(super) fn send(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.pid()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Ended {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Signalled(signal),
            (None, None) => Self::Exited(1),
        }
    }

    pub(super) fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    /// The signal that ended it.
    pub(super) fn signal(self) -> Option<i32> {
        if let Self::Signalled(signal) = self { Some(signal) } else { None }
    }

    /// The exit status; where it was a signal, this process ends by the same one, without a core file. One that
    /// cannot, such as the first of a container, gives the shell's 128 and the signal's number.
    pub(super) fn pass_on(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Signalled(number) => {
                let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
                if let Ok(signal) = Signal::try_from(number) {
                    // Rust handles faults to tell of a stack that is used up; its handler goes away at the first.
                    let _ = raise(signal).and_then(|()| raise(signal));
                }
                128 + number
            }
        }
    }
}

/// The name of a signal, without `SIG`.
pub(super) fn signal_name(number: i32) -> String {
    let signal = Signal::try_from(number).ok();
    signal.map_or_else(|| number.to_string(), |signal| signal.as_str().trim_start_matches("SIG").to_owned())
}
