//! `soundpost agent`: the reporter as a process of its own.

use std::time::Duration;

use nix::sys::signal::Signal;
use soundpost::Builder;

use crate::arguments::Agent;
use crate::error::CommandError;
use crate::notices::Notices;
use crate::service::ServiceArgs;
use crate::signals::Signals;

/// Signals that end an agent.
const END_SIGNALS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval between two polls of notices and address.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn report(service: &ServiceArgs, command: &Agent) -> Result<i32, CommandError> {
    let settings = command.reporter.settings(service)?;
    if settings.is_disabled() {
        eprintln!("soundpost: SOUNDPOST_DISABLED is set, there is nothing to report");
        return Ok(0);
    }
    let service = settings.service()?;
    let failed = |error: std::io::Error| CommandError::failed("signals", &error);
    // Threads inherit the blocked signals, so they are blocked before the first thread starts.
    let signals = Signals::block(&END_SIGNALS).map_err(failed)?;
    let telemetry = Builder::from(settings).agent().start()?;
    let mut notices = Notices::default();
    eprintln!("soundpost: agent of {service}, files in {}", telemetry.directory().display());
    let mut printed_address = None;
    let received = loop {
        notices.print_new(&telemetry);
        let address = telemetry.address().filter(|_| telemetry.is_reporter());
        if address.is_some() && address != printed_address {
            eprintln!("soundpost: metrics at http://{}/metrics", address.as_deref().unwrap_or_default());
            printed_address = address;
        }
        if let Some(received) = signals.wait(POLL_INTERVAL).map_err(failed)? {
            break received;
        }
    };
    eprintln!("soundpost: {} ends the agent", received.signal);
    telemetry.shutdown(SHUTDOWN_TIMEOUT);
    notices.print_new(&telemetry);
    Ok(0)
}
