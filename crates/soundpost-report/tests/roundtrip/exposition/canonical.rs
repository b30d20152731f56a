//! Expected content of an exposition, derived from the rules and not by the encoders.

use soundpost_core::Unit;
use soundpost_core::snapshot::{Distribution, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot};

use super::{Exemplar, Exposed, ExposedFamily, Format, Number, Sample};

pub(crate) fn canonical(snapshot: &Snapshot, format: Format) -> Exposed {
    snapshot
        .families
        .iter()
        .filter(|family| !family.series.is_empty())
        .map(|family| (family_name(family, format), exposed(family, format)))
        .collect()
}

fn family_name(family: &MetricFamily, format: Format) -> String {
    match (family.kind, format) {
        (MetricKind::Counter, Format::Text) => format!("{}_total", family.name),
        (MetricKind::Info, Format::Text) => format!("{}_info", family.name),
        _ => family.name.to_string(),
    }
}

fn exposed(family: &MetricFamily, format: Format) -> ExposedFamily {
    let kind = match (family.kind, format) {
        (MetricKind::Counter, _) => "counter",
        (MetricKind::Gauge, _) | (MetricKind::Info | MetricKind::StateSet, Format::Text) => "gauge",
        (MetricKind::Histogram, _) => "histogram",
        (MetricKind::Summary, _) => "summary",
        (MetricKind::Info, Format::OpenMetrics) => "info",
        (MetricKind::StateSet, Format::OpenMetrics) => "stateset",
    };
    let measures = !matches!(family.kind, MetricKind::Info | MetricKind::StateSet);
    let suffix = family.unit.suffix();
    let named = family.unit != Unit::None && family.name.ends_with(&format!("_{suffix}"));
    let unit = if format == Format::OpenMetrics && measures && named { suffix } else { "" };
    ExposedFamily {
        kind: kind.to_owned(),
        help: family.help.to_string(),
        unit: unit.to_owned(),
        samples: family.series.iter().flat_map(|series| samples(family, series, format)).collect(),
    }
}

fn samples(family: &MetricFamily, series: &MetricSeries, format: Format) -> Vec<Sample> {
    let labels: Vec<_> = series.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let sample = |suffix: &str, value| Sample {
        name: format!("{}{suffix}", family.name),
        labels: labels.clone(),
        value,
        exemplar: None,
    };
    let number = match &series.value {
        MetricValue::Int(value) => Number::Int(*value),
        MetricValue::Float(value) => Number::Float(*value),
        MetricValue::Distribution(distribution) => {
            return distribution_samples(family.kind, distribution, format, sample);
        }
    };
    match family.kind {
        MetricKind::Counter => vec![sample("_total", number)],
        MetricKind::Info => vec![sample("_info", number)],
        MetricKind::Gauge | MetricKind::StateSet => vec![sample("", number)],
        MetricKind::Histogram | MetricKind::Summary => vec![],
    }
}

fn distribution_samples(
    kind: MetricKind,
    distribution: &Distribution,
    format: Format,
    sample: impl Fn(&str, Number) -> Sample,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let count: u64 = distribution.counts.iter().sum();
    if kind == MetricKind::Histogram {
        let bounds = distribution.bounds.iter().copied().chain([f64::INFINITY]);
        for (index, bound) in bounds.enumerate() {
            let cumulative = distribution.counts[..=index].iter().sum();
            let mut bucket = sample("_bucket", Number::Int(cumulative));
            bucket.labels.push(("le".to_owned(), (bound + 0.0).to_string()));
            if format == Format::OpenMetrics {
                bucket.exemplar =
                    distribution.exemplars.get(index).and_then(Option::as_ref).and_then(exemplar);
            }
            samples.push(bucket);
        }
    }
    let negative =
        kind == MetricKind::Histogram && distribution.bounds.first().is_some_and(|bound| *bound < 0.0);
    let summable = distribution.sum >= 0.0 && !negative;
    if format == Format::Text || summable {
        samples.push(sample("_sum", Number::Float(distribution.sum)));
    }
    if format == Format::Text || summable || kind == MetricKind::Summary {
        samples.push(sample("_count", Number::Int(count)));
    }
    samples
}

fn exemplar(exemplar: &soundpost_core::snapshot::Exemplar) -> Option<Exemplar> {
    let id = &exemplar.request_id;
    if "request_id".len() + id.chars().count() > 128
        || id.contains(|c: char| c == '"' || c == '\\' || c.is_ascii_control())
    {
        return None;
    }
    Some(Exemplar {
        labels: vec![("request_id".to_owned(), exemplar.request_id.to_string())],
        value: Number::Float(exemplar.value),
        timestamp: (exemplar.unix_nanos > 0).then(|| {
            let (seconds, nanos) = (exemplar.unix_nanos / 1_000_000_000, exemplar.unix_nanos % 1_000_000_000);
            Number::Float(format!("{seconds}.{nanos:09}").parse().unwrap())
        }),
    })
}
