//! `soundpost run`: a command and the agent of its service in one process, of which the agent survives.

mod backoff;
mod child;
mod crash;
mod memory;
mod witness;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use soundpost::read::Service;
use soundpost::{Builder, Telemetry};

use crate::arguments::{Restart, Run, Which};
use crate::command::Notices;
use crate::failure::Failure;
use crate::output::now;
use crate::signals::{Arrived, Signals};
use backoff::Backoff;
use child::{Child, Ended};
use crash::Crash;
use memory::OutOfMemory;
use witness::Witness;

pub(crate) use crash::{how, in_flight};

/// What is passed on to the command: all that a supervisor or a person sends.
const FORWARDED: [Signal; 10] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    // gunicorn: more and fewer workers.
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGALRM,
];
/// What asks the command to end.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
/// Between two looks at the service while nothing happens.
const LOOK: Duration = Duration::from_secs(1);
/// What recovery may take after a death before the person is told without it.
const RECOVERY: Duration = Duration::from_secs(3);
/// What ending may take.
const END: Duration = Duration::from_secs(5);

/// Runs the command, and gives its exit status; where a signal ended it, this process ends by the same one.
pub(crate) fn run(which: &Which, command: &Run) -> Result<i32, Failure> {
    let settings = command.reporting.settings(which)?;
    let (service, directory) = (settings.text("service").unwrap_or_default(), settings.directory());
    let mut taken = FORWARDED.to_vec();
    taken.push(Signal::SIGCHLD);
    // Before there are threads, so that the signals go to nobody else.
    let signals = Signals::take(&taken).map_err(|error| Failure::Failed(format!("signals: {error}")))?;
    let telemetry = Builder::from(settings).agent().start()?;
    let place = if telemetry.is_enabled() { Service::find(&directory, &service)? } else { None };
    let mut supervisor = Supervisor {
        command,
        service,
        directory,
        telemetry,
        place,
        signals,
        notices: Notices::default(),
        witness: Witness::default(),
    };
    let ended = supervisor.supervise();
    let Supervisor { telemetry, signals, mut notices, .. } = supervisor;
    notices.tell(&telemetry);
    telemetry.shutdown(END);
    drop(signals);
    Ok(ended?.pass_on())
}

struct Supervisor<'a> {
    command: &'a Run,
    service: String,
    directory: std::path::PathBuf,
    telemetry: Telemetry,
    /// Where postmortems are kept; none where nothing can be.
    place: Option<Service>,
    signals: Signals,
    notices: Notices,
    witness: Witness,
}

/// How one life of the command went.
struct Life {
    ended: Ended,
    /// Whether it was asked to end.
    asked: bool,
    /// Whether it was killed because it did not.
    killed: bool,
    started_unix: u64,
    ran: Duration,
    pid: u32,
}

impl Life {
    /// Whether it ended otherwise than in good order, or as it was asked to.
    fn is_crash(&self) -> bool {
        let as_asked = self.killed
            || self.ended.signal().is_none_or(|signal| ENDING.iter().any(|ending| *ending as i32 == signal));
        !(self.ended.is_success() || self.asked && as_asked)
    }
}

impl Supervisor<'_> {
    /// From the command's first start to its last end.
    fn supervise(&mut self) -> Result<Ended, Failure> {
        let mut backoff = Backoff::default();
        loop {
            let life = match self.live()? {
                Ok(life) => life,
                Err(not_started) => return Ok(not_started),
            };
            if !life.is_crash() {
                self.tell_of_survivors(&life);
                return Ok(life.ended);
            }
            let again = self.command.restart == Restart::OnFailure && !life.asked;
            let pause = again.then(|| backoff.next(life.ran));
            self.tell_of_crash(&life, pause);
            match pause {
                Some(pause) if self.pause(pause)? => {}
                Some(_) => return Ok(life.ended),
                None => {
                    if !life.asked && self.telemetry.address().is_some() {
                        self.pause(self.command.linger)?;
                    }
                    return Ok(life.ended);
                }
            }
        }
    }

    /// One life of the command; how it ended where it could not be started.
    fn live(&mut self) -> Result<Result<Life, Ended>, Failure> {
        let memory = OutOfMemory::begin();
        let variables = [
            ("SOUNDPOST_SERVICE", self.service.as_ref()),
            ("SOUNDPOST_DIRECTORY", self.directory.as_os_str()),
        ];
        let (started, started_unix) = (Instant::now(), now());
        let mut child = match Child::start(&self.command.command, &variables, self.signals.before()) {
            Ok(child) => child,
            Err(ended) => return Ok(Err(ended)),
        };
        let (mut asked, mut kill_at, mut killed, mut looked) =
            (false, None::<Instant>, false, None::<Instant>);
        self.witness.begin(memory);
        loop {
            if let Some(ended) = child.ended() {
                let pid = child.pid();
                return Ok(Ok(Life { ended, asked, killed, started_unix, ran: started.elapsed(), pid }));
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.notices.tell(&self.telemetry);
                self.witness.look(&self.telemetry);
            }
            let wait = kill_at.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()).min(LOOK));
            if let Some(arrived) = self.wait(wait)? {
                let ending = ENDING.contains(&arrived.signal);
                asked |= ending;
                if ending && kill_at.is_none() {
                    kill_at = self.command.kill_after.map(|after| Instant::now() + after);
                }
                // What the terminal sent, the command has got as well.
                if arrived.signal != Signal::SIGCHLD && !arrived.by_kernel {
                    child.send(arrived.signal);
                }
            }
            if !killed && kill_at.is_some_and(|at| Instant::now() >= at) {
                let after = crate::output::span(self.command.kill_after.unwrap_or_default().as_secs_f64());
                eprintln!("soundpost: {} has not ended within {after}: killed", self.service);
                child.send(Signal::SIGKILL);
                (killed, kill_at) = (true, None);
            }
        }
    }

    fn wait(&self, timeout: Duration) -> Result<Option<Arrived>, Failure> {
        self.signals.wait(timeout).map_err(|error| Failure::Failed(format!("signals: {error}")))
    }

    /// Waits; false when a signal says to end.
    fn pause(&mut self, pause: Duration) -> Result<bool, Failure> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.notices.tell(&self.telemetry);
            let left = end.saturating_duration_since(Instant::now());
            if self.wait(left.min(LOOK))?.is_some_and(|arrived| ENDING.contains(&arrived.signal)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A command that forks and exits leaves processes that nobody watches.
    fn tell_of_survivors(&self, life: &Life) {
        let pids = self.telemetry.pids();
        if !life.asked && !pids.is_empty() {
            let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            eprintln!(
                "soundpost: the command has ended, but processes of {} run on ({pids}): nobody watches them; start \
                 it so that it stays in the foreground",
                self.service
            );
        }
    }

    /// Records the postmortem, and says what a person wants to know.
    fn tell_of_crash(&mut self, life: &Life, again: Option<Duration>) {
        if !self.telemetry.is_enabled() {
            return;
        }
        // What was in flight is taken out of the dead segments, and goes to the store.
        let recovered = self.telemetry.recover(RECOVERY);
        self.notices.tell(&self.telemetry);
        let crash = Crash { life, supervisor: self, recovered };
        let postmortem = crash.postmortem();
        if let Some(place) = &self.place
            && let Err(error) = postmortem.record(place)
        {
            eprintln!("soundpost: the postmortem could not be kept: {error}");
        }
        for line in crash.lines(&postmortem, again) {
            eprintln!("{line}");
        }
    }
}
