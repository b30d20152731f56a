//! Prometheus text format 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::borrow::Cow;

use soundpost_core::snapshot::{Distribution, MetricFamily, MetricKind, MetricValue, Snapshot};

use super::escape::{push_help, push_sample};
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
        push_help(out, &family.help);
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
            (
                MetricValue::Int(value),
                MetricKind::Counter | MetricKind::Gauge | MetricKind::Info | MetricKind::StateSet,
            ) => {
                push_sample(out, &name, &series.labels);
                push_int(out, *value);
                out.push('\n');
            }
            (
                MetricValue::Float(value),
                MetricKind::Counter | MetricKind::Gauge | MetricKind::Info | MetricKind::StateSet,
            ) => {
                push_sample(out, &name, &series.labels);
                push_float(out, *value);
                out.push('\n');
            }
            (MetricValue::Distribution(distribution), MetricKind::Histogram) => {
                let count = buckets.push(out, &name, &series.labels, distribution, |_, _| {});
                push_totals(out, buckets, &name, distribution, count);
            }
            (MetricValue::Distribution(distribution), MetricKind::Summary) => {
                buckets.set_labels(&series.labels);
                push_totals(out, buckets, &name, distribution, distribution.count());
            }
            // Omits a value that the kind of its family cannot have.
            (MetricValue::Distribution(_), _) | (_, MetricKind::Histogram | MetricKind::Summary) => {}
        }
    }
}

fn push_totals(out: &mut String, buckets: &Buckets, name: &str, distribution: &Distribution, count: u64) {
    buckets.push_sample(out, name, "_sum");
    push_float(out, distribution.sum);
    out.push('\n');
    buckets.push_sample(out, name, "_count");
    push_int(out, count);
    out.push('\n');
}
