//! States of the hooks of integrations, as a metric.

use soundpost_core::{Error, Merge, Spec};

use crate::telemetry::Telemetry;

/// State of a hook in the installed version of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookState {
    /// Applied.
    Ok,
    /// Applied without a source whose parameter is absent.
    Partial,
    /// Its function is absent.
    Gone,
}

impl HookState {
    const ALL: [Self; 3] = [Self::Ok, Self::Partial, Self::Gone];

    /// Returns the value of the label `state`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Gone => "gone",
        }
    }

    /// Returns the state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Publishes the state of a hook in `soundpost_integration{service,hook,state}`.
///
/// # Errors
/// When the service registered a metric of this name that differs.
pub fn publish_hook(telemetry: &Telemetry, service: &str, hook: &str, state: HookState) -> Result<(), Error> {
    let spec = Spec::gauge("soundpost_integration")
        .help("1 for the state of each hook of an integration: ok, partial or gone.")
        .merge(Merge::Max)
        .labels(&["service", "hook", "state"]);
    let family = telemetry.registry().family(spec)?;
    for other in HookState::ALL.into_iter().filter(|other| *other != state) {
        family.remove(&[service, hook, other.name()])?;
    }
    family.gauge(&[service, hook, state.name()])?.set(1.0);
    Ok(())
}
