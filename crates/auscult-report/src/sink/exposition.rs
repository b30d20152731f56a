//! How sinks stand, as metrics: out of the store, so that they go on where another process left off.

use std::sync::Arc;

use auscult_core::Unit;
use auscult_core::snapshot::{Family, Kind, Labels, Series, Snapshot, Value};

use crate::store::SinkState;

/// A count of one sink, and the reason it is of.
type Count = (Option<&'static str>, u64);

/// Adds the families of sinks, all of one moment: in each scrape what was accepted is what was delivered, rejected,
/// dropped and is pending. `labels` are on every metric of the service.
pub(crate) fn add(snapshot: &mut Snapshot, states: &[SinkState], labels: &Labels) {
    if states.is_empty() {
        return;
    }
    let counter = |name, help, count: &dyn Fn(&SinkState) -> Vec<Count>| {
        family(name, Kind::Counter, help, states, labels, count)
    };
    snapshot.families.extend([
        counter("auscult_sink_accepted", "Records that the store has taken for the sink.", &|state| {
            vec![(None, state.accepted)]
        }),
        counter("auscult_sink_delivered", "Records that the sink's receiver has.", &|state| {
            vec![(None, state.delivered)]
        }),
        counter("auscult_sink_rejected", "Records that the sink's receiver will never take.", &|state| {
            let rejected = state.rejected;
            vec![
                (Some("refused"), rejected.refused),
                (Some("too_large"), rejected.too_large),
                (Some("empty"), rejected.empty),
            ]
        }),
        counter("auscult_sink_dropped", "Records that were lost before the sink shipped them.", &|state| {
            vec![(Some("retention"), state.dropped.retention), (Some("damage"), state.dropped.damage)]
        }),
        family(
            "auscult_sink_pending",
            Kind::Gauge,
            "Records in the store that the sink is still to ship.",
            states,
            labels,
            &|state| vec![(None, state.pending)],
        ),
    ]);
    snapshot.families.sort_by(|a, b| a.name.cmp(&b.name));
}

fn family(
    name: &str,
    kind: Kind,
    help: &str,
    states: &[SinkState],
    labels: &Labels,
    counts: &dyn Fn(&SinkState) -> Vec<Count>,
) -> Family {
    let mut series: Vec<_> = states
        .iter()
        .flat_map(|state| counts(state).into_iter().map(move |count| (state, count)))
        .map(|(state, (reason, count))| {
            let own = [("sink", Some(state.sink.as_str())), ("reason", reason)];
            let own = own.iter().filter_map(|(name, value)| Some((Arc::from(*name), Arc::from((*value)?))));
            let mut all: Vec<(Arc<str>, Arc<str>)> = own.collect();
            let constant = labels.iter().filter(|(name, _)| !matches!(&**name, "sink" | "reason"));
            all.extend(constant.cloned());
            all.sort();
            let value = if kind == Kind::Counter { Value::Int(count) } else { Value::Float(count as f64) };
            Series { labels: all.into(), value }
        })
        .collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Family { name: name.into(), kind, help: help.into(), unit: Unit::None, series }
}
