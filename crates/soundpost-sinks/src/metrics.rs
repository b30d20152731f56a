//! Metrics of sinks. They come from the store, so they continue across processes.

use std::sync::Arc;

use soundpost_core::Unit;
use soundpost_core::snapshot::{Labels, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot};
use soundpost_store::{Dropped, Rejected, SinkState};

/// Adds the families of sinks, all read at one time: in each scrape, accepted = delivered + rejected + dropped +
/// pending. `labels` are on every metric of the service; `now` is the wall-clock time, nanoseconds.
pub fn add_sink_families(snapshot: &mut Snapshot, states: &[SinkState], labels: &Labels, now: u64) {
    if states.is_empty() {
        return;
    }
    let constant: Vec<_> = labels.iter().filter(|(name, _)| !matches!(&**name, "sink" | "reason")).collect();
    let series = |state: &SinkState, reason: &str, value: MetricValue| {
        let own = [("sink", state.sink.as_str()), ("reason", reason)].into_iter();
        let own = own.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.into(), value.into()));
        let mut labels: Vec<(Arc<str>, Arc<str>)> = own.chain(constant.iter().copied().cloned()).collect();
        labels.sort();
        MetricSeries { labels: labels.into(), value }
    };
    let family = |name: &str, kind, unit, help: &str, mut series: Vec<MetricSeries>| {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        MetricFamily { name: name.into(), kind, help: help.into(), unit, series }
    };
    // Counts by `reason`, which is empty for a family without this label.
    let counter = |name, help, counts: fn(&SinkState) -> Vec<(&'static str, u64)>| {
        let of_sink = |state| counts(state).into_iter().map(move |(reason, count)| (state, reason, count));
        let counts = states.iter().flat_map(of_sink);
        let all = counts.map(|(state, reason, count)| series(state, reason, MetricValue::Int(count)));
        family(name, MetricKind::Counter, Unit::None, help, all.collect())
    };
    let gauge = |name, unit, help, value: &dyn Fn(&SinkState) -> f64| {
        let all = states.iter().map(|state| series(state, "", MetricValue::Float(value(state))));
        family(name, MetricKind::Gauge, unit, help, all.collect())
    };
    snapshot.families.extend([
        counter("soundpost_sink_accepted", "Records that the store accepted for the sink.", |state| {
            vec![("", state.accepted)]
        }),
        counter("soundpost_sink_delivered", "Records that the sink's receiver has.", |state| {
            vec![("", state.delivered)]
        }),
        counter("soundpost_sink_rejected", "Records rejected by the sink's receiver.", |state| {
            let Rejected { refused, too_large, empty } = state.rejected;
            vec![("refused", refused), ("too_large", too_large), ("empty", empty)]
        }),
        counter("soundpost_sink_dropped", "Records removed before the sink shipped them.", |state| {
            let Dropped { retention, damage, erased } = state.dropped;
            vec![("retention", retention), ("damage", damage), ("erased", erased)]
        }),
        gauge(
            "soundpost_sink_pending",
            Unit::None,
            "Records in the store that wait for the sink.",
            &|state| state.pending as f64,
        ),
        gauge(
            "soundpost_sink_lag_seconds",
            Unit::Seconds,
            "Age of the sink's oldest pending record; 0 if there is none.",
            &|state| state.first_unix.map_or(0, |first| now.saturating_sub(first)) as f64 / 1e9,
        ),
    ]);
    snapshot.families.sort_by(|a, b| a.name.cmp(&b.name));
}
