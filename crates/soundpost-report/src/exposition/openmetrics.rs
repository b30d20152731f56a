//! OpenMetrics 1.0.
//!
//! Source: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use soundpost_core::Unit;
use soundpost_core::snapshot::{Distribution, Exemplar, MetricFamily, MetricKind, MetricValue, Snapshot};

use super::escape::{push_quoted_help, push_sample};
use super::histogram::Buckets;
use super::number::{push_canonical, push_int, push_seconds};
use super::size::estimate;

/// The one label of an exemplar.
const EXEMPLAR_LABEL: &str = "request_id";

/// Longest label set of an exemplar: names and values together, in characters.
const EXEMPLAR_CHARACTERS: usize = 128;

/// Renders a snapshot as OpenMetrics 1.0, with exemplars on buckets and `# EOF`.
///
/// What the specification forbids is left out, so that one odd value does not cost the scrape:
/// `UNIT` where the name does not end in it, an exemplar whose label set is longer than 128
/// characters, a counter that is negative or NaN, and `_sum` and `_count` of a histogram that has
/// negative bounds or a negative or NaN sum. So is an exemplar whose id needs escapes or holds a
/// control character, which the specification allows and the servers do not.
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
        push_quoted_help(out, &family.help);
        out.push('\n');
    }
}

fn push_comment(out: &mut String, keyword: &str, family: &MetricFamily) {
    out.push_str(keyword);
    out.push_str(&family.name);
    out.push(' ');
}

/// Whether `UNIT` may be said: the name ends in `_` and the unit, and the kind is one that measures
/// something.
fn has_unit(family: &MetricFamily) -> bool {
    family.unit != Unit::None
        && !matches!(family.kind, MetricKind::Info | MetricKind::StateSet)
        && family.name.strip_suffix(family.unit.suffix()).is_some_and(|rest| rest.ends_with('_'))
}

fn push_series(out: &mut String, buckets: &mut Buckets, family: &MetricFamily) {
    let name: &str = &family.name;
    let suffixed;
    let sample = match family.kind {
        MetricKind::Counter => {
            suffixed = [name, "_total"].concat();
            &suffixed
        }
        MetricKind::Info => {
            suffixed = [name, "_info"].concat();
            &suffixed
        }
        MetricKind::Gauge | MetricKind::StateSet | MetricKind::Histogram | MetricKind::Summary => name,
    };
    for series in &family.series {
        match (&series.value, family.kind) {
            (MetricValue::Int(value), MetricKind::Counter | MetricKind::Gauge) => {
                push_sample(out, sample, &series.labels);
                push_int(out, *value);
                out.push('\n');
            }
            (MetricValue::Float(value), MetricKind::Counter) if !may_be_total(*value) => {}
            (MetricValue::Float(value), MetricKind::Counter | MetricKind::Gauge) => {
                push_sample(out, sample, &series.labels);
                push_canonical(out, *value);
                out.push('\n');
            }
            (MetricValue::Int(_) | MetricValue::Float(_), MetricKind::Info) => {
                push_sample(out, sample, &series.labels);
                out.push_str("1\n");
            }
            (MetricValue::Int(_) | MetricValue::Float(_), MetricKind::StateSet) => {
                push_sample(out, sample, &series.labels);
                let on =
                    !matches!(series.value, MetricValue::Int(0)) && series.value != MetricValue::Float(0.0);
                out.push_str(if on { "1\n" } else { "0\n" });
            }
            (MetricValue::Distribution(distribution), MetricKind::Histogram) => {
                let count = buckets.push(out, name, &series.labels, distribution, |out, index| {
                    if let Some(Some(exemplar)) = distribution.exemplars.get(index) {
                        push_exemplar(out, exemplar);
                    }
                });
                let negative = distribution.bounds.first().is_some_and(|bound| *bound < 0.0);
                if !negative && may_be_total(distribution.sum) {
                    push_totals(out, buckets, name, distribution, count);
                }
            }
            (MetricValue::Distribution(distribution), MetricKind::Summary) => {
                buckets.set_labels(&series.labels);
                push_totals(out, buckets, name, distribution, distribution.count());
            }
            // A value that its family's kind cannot have: there is nothing true to say about it.
            (MetricValue::Distribution(_), _) | (_, MetricKind::Histogram | MetricKind::Summary) => {}
        }
    }
}

/// Totals and sums start at 0 and grow.
fn may_be_total(value: f64) -> bool {
    value >= 0.0
}

fn push_totals(out: &mut String, buckets: &Buckets, name: &str, distribution: &Distribution, count: u64) {
    if may_be_total(distribution.sum) {
        buckets.push_sample(out, name, "_sum");
        push_canonical(out, distribution.sum);
        out.push('\n');
    }
    buckets.push_sample(out, name, "_count");
    push_int(out, count);
    out.push('\n');
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
    // No clock reads 0: the moment is unknown, and the format lets it be absent.
    if exemplar.unix_nanos > 0 {
        out.push(' ');
        push_seconds(out, exemplar.unix_nanos);
    }
}

/// Whether an id can be exposed: short enough, and nothing in it to escape and no control character.
/// The specification allows both, but prometheus_client's parser gives up on the whole scrape at an
/// escape there, and Prometheus at a NUL; and the id may be a stranger's.
fn may_be_exemplar(id: &str) -> bool {
    let fits = EXEMPLAR_CHARACTERS - EXEMPLAR_LABEL.len();
    // A character has at least one byte: most ids need not be counted.
    (id.len() <= fits || id.chars().count() <= fits)
        && !id.bytes().any(|b| matches!(b, b'"' | b'\\') || b.is_ascii_control())
}
