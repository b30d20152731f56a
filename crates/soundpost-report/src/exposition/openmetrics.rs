//! OpenMetrics 1.0.
//!
//! Source: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use soundpost_core::Unit;
use soundpost_core::snapshot::{Exemplar, MetricFamily, MetricKind, MetricValue, Snapshot};

use super::escape::{push_escaped, push_sample};
use super::histogram::Buckets;
use super::name_in_text;
use super::number::{push_canonical, push_int, push_seconds};
use super::size::estimate;

const EXEMPLAR_LABEL: &str = "request_id";
/// Maximum length of an exemplar's label set, names and values together, characters.
const EXEMPLAR_CHARACTERS: usize = 128;

/// Renders a snapshot as OpenMetrics 1.0, with exemplars on buckets and `# EOF`.
///
/// Items that the specification forbids are omitted, so that one value does not lose the scrape: `UNIT` if the name
/// does not end in it, an exemplar with a label set over 128 characters, a counter that is negative or NaN, and
/// `_sum` and `_count` of a histogram with negative bounds or a negative or NaN sum. An exemplar is also omitted if
/// its id needs escapes or has a control character: servers reject these.
#[must_use]
pub fn openmetrics(snapshot: &Snapshot) -> String {
    let mut out = String::with_capacity(estimate(snapshot) + 6);
    let mut buckets = Buckets::new(push_canonical);
    for family in snapshot.families.iter().filter(|family| !family.series.is_empty()) {
        push_comments(&mut out, family);
        push_series(&mut out, &mut buckets, family);
    }
    out.push_str("# EOF\n");
    out
}

fn push_comments(out: &mut String, family: &MetricFamily) {
    push_comment(out, "# TYPE ", family);
    out.push_str(match family.kind {
        MetricKind::Counter => "counter\n",
        MetricKind::Gauge => "gauge\n",
        MetricKind::Histogram => "histogram\n",
        MetricKind::Summary => "summary\n",
        MetricKind::Info => "info\n",
        MetricKind::StateSet => "stateset\n",
    });
    if has_unit(family) {
        push_comment(out, "# UNIT ", family);
        out.push_str(family.unit.suffix());
        out.push('\n');
    }
    if !family.help.is_empty() {
        push_comment(out, "# HELP ", family);
        push_escaped(out, &family.help, true);
        out.push('\n');
    }
}

fn push_comment(out: &mut String, keyword: &str, family: &MetricFamily) {
    out.push_str(keyword);
    out.push_str(&family.name);
    out.push(' ');
}

/// Returns whether `UNIT` is allowed: the name ends in `_` and the unit, and the kind is one that measures.
fn has_unit(family: &MetricFamily) -> bool {
    family.unit != Unit::None
        && !matches!(family.kind, MetricKind::Info | MetricKind::StateSet)
        && family.name.strip_suffix(family.unit.suffix()).is_some_and(|rest| rest.ends_with('_'))
}

fn push_series(out: &mut String, buckets: &mut Buckets, family: &MetricFamily) {
    let (name, sample) = (&*family.name, name_in_text(family));
    for series in &family.series {
        match (&series.value, family.kind) {
            (MetricValue::Distribution(distribution), MetricKind::Histogram) => {
                let count = buckets.push(out, name, &series.labels, distribution, |out, index| {
                    if let Some(Some(exemplar)) = distribution.exemplars.get(index) {
                        push_exemplar(out, exemplar);
                    }
                });
                let negative = distribution.bounds.first().is_some_and(|bound| *bound < 0.0);
                if !negative && may_be_total(distribution.sum) {
                    buckets.push_totals(out, name, Some(distribution.sum), count);
                }
            }
            (MetricValue::Distribution(distribution), MetricKind::Summary) => {
                buckets.set_labels(&series.labels);
                let sum = Some(distribution.sum).filter(|sum| may_be_total(*sum));
                buckets.push_totals(out, name, sum, distribution.count());
            }
            // Omits a value that the kind of its family cannot have.
            (MetricValue::Distribution(_), _) | (_, MetricKind::Histogram | MetricKind::Summary) => {}
            (MetricValue::Float(value), MetricKind::Counter) if !may_be_total(*value) => {}
            (value, kind) => {
                push_sample(out, &sample, &series.labels);
                match (kind, value) {
                    (MetricKind::Info, _) => out.push('1'),
                    (MetricKind::StateSet, MetricValue::Int(0) | MetricValue::Float(0.0)) => out.push('0'),
                    (MetricKind::StateSet, _) => out.push('1'),
                    (_, MetricValue::Int(value)) => push_int(out, *value),
                    (_, MetricValue::Float(value)) => push_canonical(out, *value),
                    (_, MetricValue::Distribution(_)) => {}
                }
                out.push('\n');
            }
        }
    }
}

/// Returns whether a value is valid for totals and sums, which start at 0 and grow.
fn may_be_total(value: f64) -> bool {
    value >= 0.0
}

fn push_exemplar(out: &mut String, exemplar: &Exemplar) {
    let id = &exemplar.request_id;
    if !may_be_exemplar(id) {
        return;
    }
    out.push_str(" # {");
    out.push_str(EXEMPLAR_LABEL);
    out.push_str("=\"");
    out.push_str(id);
    out.push_str("\"} ");
    push_canonical(out, exemplar.value);
    // No clock is at 0: the time is unknown, and the format allows its absence.
    if exemplar.unix_nanos > 0 {
        out.push(' ');
        push_seconds(out, exemplar.unix_nanos);
    }
}

/// Returns whether an id can be exposed: it is short, and needs no escape. The specification allows both, but
/// prometheus_client's parser rejects the whole scrape at an escape there, and Prometheus at a NUL; the id may come
/// from outside.
fn may_be_exemplar(id: &str) -> bool {
    let fits = EXEMPLAR_CHARACTERS - EXEMPLAR_LABEL.len();
    // Each character has at least one byte, so most ids need no count.
    (id.len() <= fits || id.chars().count() <= fits)
        && !id.bytes().any(|b| matches!(b, b'"' | b'\\') || b.is_ascii_control())
}
