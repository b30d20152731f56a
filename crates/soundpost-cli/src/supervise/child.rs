//! The command: how it is started, sent signals, and how its end is passed on.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// Exit status where there is no such command, and where it cannot be executed: as shells have it.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// The running command.
pub(super) struct Child {
    pid: Pid,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Exited(i32),
    Signalled(i32),
}

impl Child {
    /// Starts the command in this process's group, so that it keeps the terminal, with this signal mask.
    pub(super) fn start(
        command: &[OsString],
        variables: &[(&str, &OsStr)],
        mask: &SigSet,
    ) -> Result<Self, Ended> {
        let program = command.first().map(OsString::as_os_str).unwrap_or_default();
        spawn(program, command, variables, mask).map(|pid| Self { pid }).map_err(|error| {
            eprintln!("soundpost: cannot start {}: {}", Path::new(program).display(), error.desc());
            Ended::Exited(if error == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE })
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        self.reap_orphans();
        match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Some(Ended::Exited(status)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signalled(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => None,
            // By a real-time signal, or somebody made the kernel reap it: how it ended nobody knows.
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
                Some(pid) if pid != self.pid => {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                _ => break,
            }
        }
    }

    /// Sends a signal. The command was not waited for, so that the number is still its own.
    pub(super) fn send(&self, signal: Signal) {
        let _ = kill(self.pid, signal);
    }
}

impl Ended {
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

/// Not by the standard library: it would let the command inherit the signals that are blocked here.
fn spawn(
    program: &OsStr,
    command: &[OsString],
    variables: &[(&str, &OsStr)],
    mask: &SigSet,
) -> Result<Pid, Errno> {
    let text = |text: OsString| CString::new(text.into_vec()).map_err(|_| Errno::EINVAL);
    let arguments = command.iter().cloned().map(text).collect::<Result<Vec<_>, _>>()?;
    let inherited = std::env::vars_os().filter(|(name, _)| variables.iter().all(|(own, _)| *name != **own));
    let own = variables.iter().map(|(name, value)| (OsString::from(name), (*value).to_owned()));
    let pair = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        text(name)
    };
    let environment = inherited.chain(own).map(pair).collect::<Result<Vec<_>, _>>()?;
    // Rust and Python ignore it for themselves.
    let defaults: SigSet = [Signal::SIGPIPE].into_iter().collect();
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigmask(mask)?;
    attributes.set_sigdefault(&defaults)?;
    let program = text(program.to_owned())?;
    posix_spawnp(&program, &PosixSpawnFileActions::init()?, &attributes, &arguments, &environment)
}

/// The name of a signal, without `SIG`.
pub(super) fn signal_name(number: i32) -> String {
    let signal = Signal::try_from(number).ok();
    signal.map_or_else(|| number.to_string(), |signal| signal.as_str().trim_start_matches("SIG").to_owned())
}
