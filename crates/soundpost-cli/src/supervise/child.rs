//! The supervised command: start, signals and exit.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// Exit status of a command that does not exist, as in shells.
const NOT_FOUND: i32 = 127;
/// Exit status of a command that cannot be executed.
const NOT_EXECUTABLE: i32 = 126;

pub(super) struct Child {
    pid: Pid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Exited(i32),
    Signalled(i32),
}

impl Child {
    /// Starts the command with this signal mask, in this process's group so that it keeps the terminal.
    pub(super) fn start(
        command: &[OsString],
        variables: &[(&str, &OsStr)],
        mask: &SigSet,
    ) -> Result<Self, Exit> {
        let program = command.first().map(OsString::as_os_str).unwrap_or_default();
        spawn(program, command, variables, mask).map(|pid| Self { pid }).map_err(|error| {
            eprintln!("soundpost: cannot start {}: {}", Path::new(program).display(), error.desc());
            Exit::Exited(if error == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE })
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// Returns the exit, if the command ended.
    pub(super) fn exit(&mut self) -> Option<Exit> {
        self.reap_orphans();
        match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Some(Exit::Exited(status)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signalled(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => None,
            // After a real-time signal, or where the kernel reaped the process, the exit is unknown.
            Err(_) => Some(Exit::Exited(1)),
        }
    }

    /// Reaps orphans, which the first process of a container inherits.
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

    /// Sends a signal. The process was not reaped, so its number cannot be that of another one.
    pub(super) fn send(&self, signal: Signal) {
        let _ = kill(self.pid, signal);
    }
}

/// Returns whether a child runs; its exit is left for [`Child::exit`].
pub(super) fn lives(pid: i32) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    pid > 0 && matches!(waitid(Id::Pid(Pid::from_raw(pid)), flags), Ok(WaitStatus::StillAlive))
}

impl Exit {
    pub(super) fn is_success(self) -> bool {
        self == Self::Exited(0)
    }

    pub(super) fn signal(self) -> Option<i32> {
        if let Self::Signalled(signal) = self { Some(signal) } else { None }
    }

    /// Returns the exit status. After a signal, ends this process by the same signal, without a core file; if that
    /// fails, as in the first process of a container, returns 128 plus the signal's number.
    pub(super) fn pass_on(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Signalled(number) => {
                let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
                if let Ok(signal) = Signal::try_from(number) {
                    // Rust's handler of stack overflows catches the first fault and removes itself.
                    let _ = raise(signal).and_then(|()| raise(signal));
                }
                128 + number
            }
        }
    }
}

/// Spawns without the standard library, whose children inherit the blocked signals.
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
    // Rust and Python ignore SIGPIPE.
    let defaults: SigSet = [Signal::SIGPIPE].into_iter().collect();
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigmask(mask)?;
    attributes.set_sigdefault(&defaults)?;
    let program = text(program.to_owned())?;
    posix_spawnp(&program, &PosixSpawnFileActions::init()?, &attributes, &arguments, &environment)
}
