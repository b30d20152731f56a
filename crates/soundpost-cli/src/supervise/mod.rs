//! `soundpost run`: a command and the agent of its service in one process, which survives the command.

mod backoff;
mod bootstrap;
mod child;
mod hook_report;
mod observer;
mod report;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use soundpost::read::Service;
use soundpost::{Builder, Telemetry};

use crate::arguments::{Restart, Run};
use crate::error::CommandError;
use crate::notices::Notices;
use crate::output::{format_span, unix_nanos_now};
use crate::service::ServiceArgs;
use crate::signals::{ReceivedSignal, Signals};
use backoff::Backoff;
pub use bootstrap::Bootstrap;
use child::{Child, Exit};
use hook_report::HookReport;
use observer::ServiceObserver;
use report::CrashReport;

/// Signals that are forwarded to the command.
const FORWARDED_SIGNALS: [Signal; 10] = [
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
/// Signals that request the command to stop.
const STOP_SIGNALS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
/// Interval between two samples of the service.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Timeout of the recovery after a crash; the report does not wait longer.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of the agent's shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the command, and returns its exit status. After a signal, this process ends by the same one.
pub(crate) fn run(
    service: &ServiceArgs,
    command: &Run,
    bootstrap: Option<&Bootstrap>,
) -> Result<i32, CommandError> {
    let names = command.instrument.as_deref();
    let hooks = names.map(|names| bootstrap::variables(names, bootstrap)).transpose()?;
    let settings = command.reporter.settings(service)?;
    let (service, directory) = (settings.text("service").unwrap_or_default(), settings.directory());
    let mut handled = FORWARDED_SIGNALS.to_vec();
    handled.push(Signal::SIGCHLD);
    // Threads inherit the blocked signals, so they are blocked before the first thread starts.
    let signals = Signals::block(&handled).map_err(|error| CommandError::failed("signals", &error))?;
    let pid = Arc::new(AtomicI32::new(0));
    let supervised = pid.clone();
    let lives = move || child::lives(supervised.load(Ordering::Acquire));
    let telemetry = Builder::from(settings).supervisor(lives).start()?;
    let files = if telemetry.is_enabled() { Service::find(&directory, &service)? } else { None };
    let hook_report =
        hooks.as_ref().and(files.as_ref()).and_then(|files| HookReport::create(files.directory()));
    let mut supervisor = Supervisor {
        command,
        pid,
        hooks: hooks.into_iter().flatten().collect(),
        hook_report,
        service,
        directory,
        telemetry,
        files,
        signals,
        notices: Notices::default(),
        observer: ServiceObserver::default(),
    };
    let exit = supervisor.supervise();
    let Supervisor { telemetry, signals, mut notices, .. } = supervisor;
    notices.print_new(&telemetry);
    telemetry.shutdown(SHUTDOWN_TIMEOUT);
    drop(signals);
    Ok(exit?.pass_on())
}

struct Supervisor<'a> {
    command: &'a Run,
    /// Process id of the command, 0 before its start.
    pid: Arc<AtomicI32>,
    /// Variables that hook the command's Python processes.
    hooks: Vec<(&'static str, OsString)>,
    hook_report: Option<HookReport>,
    service: String,
    directory: PathBuf,
    telemetry: Telemetry,
    /// Files of the service, for the postmortem; `None` where nothing can be written.
    files: Option<Service>,
    signals: Signals,
    notices: Notices,
    observer: ServiceObserver,
}

/// One run of the command, from its start to its exit.
struct CommandRun {
    exit: Exit,
    is_stop_requested: bool,
    /// Whether it was killed after the grace period.
    is_killed: bool,
    started_unix: u64,
    duration: Duration,
    pid: u32,
}

impl CommandRun {
    /// Whether the exit was neither successful nor requested.
    fn is_crash(&self) -> bool {
        let is_stop = |signal: i32| STOP_SIGNALS.iter().any(|stop| *stop as i32 == signal);
        let is_as_requested = self.is_killed || self.exit.signal().is_none_or(is_stop);
        !(self.exit.is_success() || self.is_stop_requested && is_as_requested)
    }
}

impl Supervisor<'_> {
    /// Runs the command, and restarts it as the options demand.
    fn supervise(&mut self) -> Result<Exit, CommandError> {
        let mut backoff = Backoff::default();
        loop {
            let run = match self.run_once()? {
                Ok(run) => run,
                Err(not_started) => return Ok(not_started),
            };
            if !run.is_crash() {
                self.warn_of_survivors(&run);
                return Ok(run.exit);
            }
            let is_restarted = self.command.restart == Restart::OnFailure && !run.is_stop_requested;
            let delay = is_restarted.then(|| backoff.next(run.duration));
            self.report_crash(&run, delay);
            match delay {
                Some(delay) if self.pause(delay)? => {}
                Some(_) => return Ok(run.exit),
                None => {
                    if !run.is_stop_requested && self.telemetry.address().is_some() {
                        self.pause(self.command.linger)?;
                    }
                    return Ok(run.exit);
                }
            }
        }
    }

    /// Runs the command once. The inner error is the exit of a command that could not be started.
    fn run_once(&mut self) -> Result<Result<CommandRun, Exit>, CommandError> {
        let mut variables = vec![
            ("SOUNDPOST_SERVICE", self.service.as_ref()),
            ("SOUNDPOST_DIRECTORY", self.directory.as_os_str()),
        ];
        variables.extend(self.hooks.iter().map(|(name, value)| (*name, value.as_os_str())));
        let report = self.hook_report.as_ref().map(|report| report.path().to_owned());
        variables.extend(report.iter().map(|path| ("SOUNDPOST_HOOK_REPORT", path.as_os_str())));
        self.observer.begin_run();
        let (started, started_unix) = (Instant::now(), unix_nanos_now());
        let mut child = match Child::start(&self.command.command, &variables, self.signals.inherited()) {
            Ok(child) => child,
            Err(exit) => return Ok(Err(exit)),
        };
        self.pid.store(child.pid().cast_signed(), Ordering::Release);
        let (mut is_stop_requested, mut is_killed) = (false, false);
        let (mut kill_at, mut sampled) = (None::<Instant>, None::<Instant>);
        loop {
            if let Some(exit) = child.exit() {
                self.warn_of_hooks(started.elapsed(), true);
                let (duration, pid) = (started.elapsed(), child.pid());
                return Ok(Ok(CommandRun {
                    exit,
                    is_stop_requested,
                    is_killed,
                    started_unix,
                    duration,
                    pid,
                }));
            }
            if sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE_INTERVAL) {
                sampled = Some(Instant::now());
                self.notices.print_new(&self.telemetry);
                self.observer.sample(&self.telemetry);
                self.warn_of_hooks(started.elapsed(), false);
            }
            let until_kill = kill_at.map(|kill_at| kill_at.saturating_duration_since(Instant::now()));
            if let Some(received) = self.wait(until_kill.unwrap_or(SAMPLE_INTERVAL).min(SAMPLE_INTERVAL))? {
                let is_stop = STOP_SIGNALS.contains(&received.signal);
                is_stop_requested |= is_stop;
                if is_stop && kill_at.is_none() {
                    kill_at = self.command.kill_after.map(|grace_period| Instant::now() + grace_period);
                }
                // The command has received the terminal's signals already.
                if received.signal != Signal::SIGCHLD && !received.by_kernel {
                    child.send(received.signal);
                }
            }
            if !is_killed && kill_at.is_some_and(|kill_at| Instant::now() >= kill_at) {
                let grace_period = format_span(self.command.kill_after.unwrap_or_default().as_secs_f64());
                eprintln!("soundpost: {} did not end within {grace_period} and is killed", self.service);
                child.send(Signal::SIGKILL);
                (is_killed, kill_at) = (true, None);
            }
        }
    }

    fn warn_of_hooks(&mut self, running: Duration, is_ended: bool) {
        let report = self.hook_report.as_mut();
        if let Some(warning) = report.and_then(|report| report.warning(running, is_ended)) {
            eprintln!("soundpost: {warning}");
        }
    }

    fn wait(&self, timeout: Duration) -> Result<Option<ReceivedSignal>, CommandError> {
        self.signals.wait(timeout).map_err(|error| CommandError::failed("signals", &error))
    }

    /// Waits, and returns whether no signal to stop arrived.
    fn pause(&mut self, pause: Duration) -> Result<bool, CommandError> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.notices.print_new(&self.telemetry);
            let left = end.saturating_duration_since(Instant::now());
            let received = self.wait(left.min(SAMPLE_INTERVAL))?;
            if received.is_some_and(|received| STOP_SIGNALS.contains(&received.signal)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Warns of processes that a command left which forked and exited: nothing supervises them.
    fn warn_of_survivors(&self, run: &CommandRun) {
        let pids = self.telemetry.pids();
        if !run.is_stop_requested && !pids.is_empty() {
            let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            eprintln!(
                "soundpost: the command ended, but processes of {} run on ({pids}) without supervision; start the \
                 command in the foreground",
                self.service
            );
        }
    }

    /// Stores the calls in flight and the postmortem, and prints the report.
    fn report_crash(&mut self, run: &CommandRun, restart: Option<Duration>) {
        if !self.telemetry.is_enabled() {
            return;
        }
        let is_recovered = self.telemetry.recover(RECOVERY_TIMEOUT);
        self.notices.print_new(&self.telemetry);
        let report = CrashReport { run, supervisor: self, is_recovered };
        let postmortem = report.postmortem();
        if let Some(files) = &self.files
            && let Err(error) = postmortem.record(files)
        {
            eprintln!("soundpost: the postmortem cannot be written: {error}");
        }
        for line in report.lines(&postmortem, restart) {
            eprintln!("{line}");
        }
    }
}
