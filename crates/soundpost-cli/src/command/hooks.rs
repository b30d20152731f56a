//! Hooks of the integrations in a running service, from `soundpost_integration`.

use std::collections::BTreeMap;

use soundpost::read::snapshot::{MetricSeries, Snapshot};

/// Names of an integration's hooks by state.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) ok: Vec<String>,
    pub(super) partial: Vec<String>,
    pub(super) gone: Vec<String>,
}

/// Returns the hooks of each integration.
pub(super) fn of_snapshot(snapshot: &Snapshot) -> BTreeMap<String, Hooks> {
    let mut integrations = BTreeMap::<String, Hooks>::new();
    let families = snapshot.families.iter().filter(|family| &*family.name == "soundpost_integration");
    for series in families.flat_map(|family| &family.series) {
        let hooks = integrations.entry(label(series, "service")).or_default();
        let hook = label(series, "hook");
        match label(series, "state").as_str() {
            "ok" => hooks.ok.push(hook),
            "partial" => hooks.partial.push(hook),
            _ => hooks.gone.push(hook),
        }
    }
    integrations
}

fn label(series: &MetricSeries, name: &str) -> String {
    let label = series.labels.iter().find(|(label, _)| &**label == name);
    label.map(|(_, value)| value.to_string()).unwrap_or_default()
}
