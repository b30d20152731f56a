//! `soundpost agent`: the reporter as a process of its own.

use std::time::Duration;

use nix::sys::signal::Signal;
use soundpost::Builder;

use crate::arguments::{Agent, Which};
use crate::failure::Failure;
use crate::signals::Signals;

/// What ends an agent.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
/// What ending may take.
const END: Duration = Duration::from_secs(5);
/// Between two looks at what the agent has to say.
const LOOK: Duration = Duration::from_secs(1);

/// Reports until a signal ends it.
pub(super) fn report(which: &Which, command: &Agent) -> Result<i32, Failure> {
    let settings = command.reporting.settings(which)?;
    if settings.is_disabled() {
        eprintln!("soundpost: SOUNDPOST_DISABLED is set, there is nothing to report");
        return Ok(0);
    }
    let service = settings.service()?;
    let failed = |error: std::io::Error| Failure::Failed(format!("signals: {error}"));
    // Before there are threads, so that the signals go to nobody else.
    let signals = Signals::take(&ENDING).map_err(failed)?;
    let telemetry = Builder::from(settings).agent().start()?;
    let mut notices = Notices::default();
    eprintln!("soundpost: agent of {service}, files in {}", telemetry.directory().display());
    let mut told = None;
    let arrived = loop {
        notices.tell(&telemetry);
        let address = telemetry.address().filter(|_| telemetry.is_reporter());
        if address.is_some() && address != told {
            eprintln!("soundpost: metrics at http://{}/metrics", address.as_deref().unwrap_or_default());
            told = address;
        }
        if let Some(arrived) = signals.wait(LOOK).map_err(failed)? {
            break arrived;
        }
    };
    eprintln!("soundpost: {} ends the agent", arrived.signal);
    telemetry.shutdown(END);
    notices.tell(&telemetry);
    Ok(0)
}

/// What the reporter had to say and a person was told: there is no log of a host here.
#[derive(Default)]
pub(crate) struct Notices(usize);

impl Notices {
    /// Tells what is new.
    pub(crate) fn tell(&mut self, telemetry: &soundpost::Telemetry) {
        for notice in telemetry.notices(self.0) {
            self.0 = notice.number + 1;
            eprintln!("soundpost: {}", crate::output::plain(&notice.message));
        }
    }
}
