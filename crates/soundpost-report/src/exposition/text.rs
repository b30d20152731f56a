//! Prometheus text format 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::borrow::Cow;

use soundpost_core::snapshot::{MetricFamily, MetricKind, MetricValue, Snapshot};

use super::escape::{push_escaped, push_sample};
use super::histogram::Buckets;
use super::number::{push_float, push_int};
use super::size::estimate;

/// Renders a snapshot as Prometheus text 0.0.4.
///
/// The format has no unit, info or state set. An info becomes the gauge `name_info`, a state set becomes a gauge, and
/// the family of a counter is called `name_total`, as its sample is. A missing `HELP` and families without series are
/// omitted.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    let mut out = String::with_capacity(estimate(snapshot));
    let mut buckets = Buckets::new(push_float);
    for family in snapshot.families.iter().filter(|family| !family.series.is_empty()) {
        push_family(&mut out, &mut buckets, family);
    }
    out
}

/// Returns the name of a family in this format: with `_total` for a counter, with `_info` for an info.
#[must_use]
pub fn name_in_text(family: &MetricFamily) -> Cow<'_, str> {
    match family.kind {
        MetricKind::Counter => Cow::Owned([&family.name, "_total"].concat()),
        MetricKind::Info => Cow::Owned([&family.name, "_info"].concat()),
        MetricKind::Gauge | MetricKind::StateSet | MetricKind::Histogram | MetricKind::Summary => {
            Cow::Borrowed(&family.name)
        }
    }
}

fn push_family(out: &mut String, buckets: &mut Buckets, family: &MetricFamily) {
    let name = name_in_text(family);
    if !family.help.is_empty() {
        out.push_str("# HELP ");
        out.push_str(&name);
        out.push(' ');
        push_escaped(out, &family.help, false);
        out.push('\n');
    }
    out.push_str("# TYPE ");
    out.push_str(&name);
    out.push_str(match family.kind {
        MetricKind::Counter => " counter\n",
        MetricKind::Gauge | MetricKind::Info | MetricKind::StateSet => " gauge\n",
        MetricKind::Histogram => " histogram\n",
        MetricKind::Summary => " summary\n",
    });
    for series in &family.series {
        match (&series.value, family.kind) {
            (MetricValue::Distribution(distribution), MetricKind::Histogram) => {
                let count = buckets.push(out, &name, &series.labels, distribution, |_, _| {});
                buckets.push_totals(out, &name, Some(distribution.sum), count);
            }
            (MetricValue::Distribution(distribution), MetricKind::Summary) => {
                buckets.set_labels(&series.labels);
                buckets.push_totals(out, &name, Some(distribution.sum), distribution.count());
            }
            // Omits a value that the kind of its family cannot have.
            (MetricValue::Distribution(_), _) | (_, MetricKind::Histogram | MetricKind::Summary) => {}
            (MetricValue::Int(value), _) => {
                push_sample(out, &name, &series.labels);
                push_int(out, *value);
                out.push('\n');
            }
            (MetricValue::Float(value), _) => {
                push_sample(out, &name, &series.labels);
                push_float(out, *value);
                out.push('\n');
            }
        }
    }
}
