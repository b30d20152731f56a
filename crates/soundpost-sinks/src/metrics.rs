//! Metrics of sinks. They come from the store, so they continue across processes.

use std::sync::Arc;

use soundpost_core::Unit;
use soundpost_core::snapshot::{Labels, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot};
use soundpost_store::SinkState;

/// A value of one sink, with its `reason` label.
type SinkValue = (Option<&'static str>, MetricValue);

/// Adds the families of sinks, all read at one time: in each scrape, accepted = delivered + rejected + dropped +
/// pending. `labels` are on every metric of the service; `now` is the wall-clock time, nanoseconds.
pub fn add_sink_families(snapshot: &mut Snapshot, states: &[SinkState], labels: &Labels, now: u64) {
    if states.is_empty() {
        return;
    }
    let counter = |name, help, count: &dyn Fn(&SinkState) -> Vec<SinkValue>| {
        family(name, MetricKind::Counter, help, states, labels, count)
    };
    snapshot.families.extend([
        counter("soundpost_sink_accepted", "Records that the store accepted for the sink.", &|state| {
            vec![(None, MetricValue::Int(state.accepted))]
        }),
        counter("soundpost_sink_delivered", "Records that the sink's receiver has.", &|state| {
            vec![(None, MetricValue::Int(state.delivered))]
        }),
        counter("soundpost_sink_rejected", "Records rejected by the sink's receiver.", &|state| {
            let rejected = state.rejected;
            vec![
                (Some("refused"), MetricValue::Int(rejected.refused)),
                (Some("too_large"), MetricValue::Int(rejected.too_large)),
                (Some("empty"), MetricValue::Int(rejected.empty)),
            ]
        }),
        counter("soundpost_sink_dropped", "Records lost before the sink shipped them.", &|state| {
            vec![
                (Some("retention"), MetricValue::Int(state.dropped.retention)),
                (Some("damage"), MetricValue::Int(state.dropped.damage)),
            ]
        }),
        family(
            "soundpost_sink_pending",
            MetricKind::Gauge,
            "Records in the store that wait for the sink.",
            states,
            labels,
            &|state| vec![(None, MetricValue::Float(state.pending as f64))],
        ),
        MetricFamily {
            unit: Unit::Seconds,
            ..family(
                "soundpost_sink_lag_seconds",
                MetricKind::Gauge,
                "Age of the sink's oldest pending record; 0 if there is none.",
                states,
                labels,
                &|state| {
                    let age = state.first_unix.map_or(0, |first| now.saturating_sub(first));
                    vec![(None, MetricValue::Float(age as f64 / 1e9))]
                },
            )
        },
    ]);
    snapshot.families.sort_by(|a, b| a.name.cmp(&b.name));
}

fn family(
    name: &str,
    kind: MetricKind,
    help: &str,
    states: &[SinkState],
    labels: &Labels,
    values: &dyn Fn(&SinkState) -> Vec<SinkValue>,
) -> MetricFamily {
    let mut series: Vec<_> = states
        .iter()
        .flat_map(|state| values(state).into_iter().map(move |value| (state, value)))
        .map(|(state, (reason, value))| {
            let own = [("sink", Some(state.sink.as_str())), ("reason", reason)];
            let own = own.iter().filter_map(|(name, value)| Some((Arc::from(*name), Arc::from((*value)?))));
            let mut all: Vec<(Arc<str>, Arc<str>)> = own.collect();
            let constant = labels.iter().filter(|(name, _)| !matches!(&**name, "sink" | "reason"));
            all.extend(constant.cloned());
            all.sort();
            MetricSeries { labels: all.into(), value }
        })
        .collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    MetricFamily { name: name.into(), kind, help: help.into(), unit: Unit::None, series }
}
