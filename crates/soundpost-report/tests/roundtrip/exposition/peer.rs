//! The same, read by the crate `openmetrics-parser`.

use std::fmt::Debug;

use openmetrics_parser::openmetrics::parse_openmetrics;
use openmetrics_parser::prometheus::parse_prometheus;
use openmetrics_parser::{
    HistogramValue, MetricFamily, MetricNumber, OpenMetricsValue, PrometheusValue, SummaryValue,
};

use super::{Exemplar, Exposed, ExposedFamily, Format, Number, Sample};

pub(crate) fn read(text: &str, format: Format) -> Result<Exposed, String> {
    match format {
        Format::Text => read_text(text),
        Format::OpenMetrics => read_openmetrics(text),
    }
}

fn read_text(text: &str) -> Result<Exposed, String> {
    let read = parse_prometheus(text).map_err(|error| error.to_string())?;
    Ok(read
        .families
        .into_values()
        .map(|family| {
            let mut samples = Vec::new();
            for sample in family.iter_samples() {
                let labels = labels(sample.get_labelset().expect("labels"));
                let name = family.family_name.as_str();
                match &sample.value {
                    PrometheusValue::Counter(counter) => push(&mut samples, name, &labels, &counter.value),
                    PrometheusValue::Gauge(value) | PrometheusValue::Unknown(value) => {
                        push(&mut samples, name, &labels, value);
                    }
                    PrometheusValue::Histogram(histogram) => {
                        push_histogram(&mut samples, name, &labels, histogram);
                    }
                    PrometheusValue::Summary(summary) => push_summary(&mut samples, name, &labels, summary),
                }
            }
            exposed(family, samples)
        })
        .collect())
}

fn read_openmetrics(text: &str) -> Result<Exposed, String> {
    let read = parse_openmetrics(text).map_err(|error| error.to_string())?;
    Ok(read
        .families
        .into_values()
        .map(|family| {
            let mut samples = Vec::new();
            for sample in family.iter_samples() {
                let labels = labels(sample.get_labelset().expect("labels"));
                let name = family.family_name.as_str();
                match &sample.value {
                    OpenMetricsValue::Counter(counter) => {
                        push(&mut samples, &format!("{name}_total"), &labels, &counter.value);
                    }
                    OpenMetricsValue::Gauge(value)
                    | OpenMetricsValue::Unknown(value)
                    | OpenMetricsValue::StateSet(value) => push(&mut samples, name, &labels, value),
                    OpenMetricsValue::Histogram(histogram) | OpenMetricsValue::GaugeHistogram(histogram) => {
                        push_histogram(&mut samples, name, &labels, histogram);
                    }
                    OpenMetricsValue::Summary(summary) => push_summary(&mut samples, name, &labels, summary),
                    OpenMetricsValue::Info => {
                        push(&mut samples, &format!("{name}_info"), &labels, &MetricNumber::Int(1));
                    }
                }
            }
            exposed(family, samples)
        })
        .collect())
}

fn exposed<Kind: Debug, Value>(
    family: MetricFamily<Kind, Value>,
    samples: Vec<Sample>,
) -> (String, ExposedFamily) {
    let kind = format!("{:?}", family.family_type).to_lowercase();
    (family.family_name, ExposedFamily { kind, help: family.help, unit: family.unit, samples })
}

fn labels(set: openmetrics_parser::LabelSet<'_>) -> Vec<(String, String)> {
    set.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn number(value: &MetricNumber) -> Number {
    match value {
        MetricNumber::Int(value) => Number::Written(value.to_string()),
        MetricNumber::Float(value) => Number::Float(*value),
    }
}

fn push(samples: &mut Vec<Sample>, name: &str, labels: &[(String, String)], value: &MetricNumber) {
    samples.push(Sample {
        name: name.to_owned(),
        labels: labels.to_vec(),
        value: number(value),
        exemplar: None,
    });
}

fn push_histogram(
    samples: &mut Vec<Sample>,
    name: &str,
    labels: &[(String, String)],
    histogram: &HistogramValue,
) {
    for bucket in &histogram.buckets {
        let mut labels = labels.to_vec();
        labels.push(("le".to_owned(), bucket.upper_bound.to_string()));
        samples.push(Sample {
            name: format!("{name}_bucket"),
            labels,
            value: number(&bucket.count),
            exemplar: bucket.exemplar.as_ref().map(|exemplar| Exemplar {
                labels: exemplar.labels.clone().into_iter().collect(),
                value: Number::Float(exemplar.id),
                timestamp: exemplar.timestamp.map(Number::Float),
            }),
        });
    }
    push_totals(samples, name, labels, histogram.sum.as_ref(), histogram.count);
}

fn push_summary(samples: &mut Vec<Sample>, name: &str, labels: &[(String, String)], summary: &SummaryValue) {
    push_totals(samples, name, labels, summary.sum.as_ref(), summary.count);
}

fn push_totals(
    samples: &mut Vec<Sample>,
    name: &str,
    labels: &[(String, String)],
    sum: Option<&MetricNumber>,
    count: Option<u64>,
) {
    if let Some(sum) = sum {
        push(samples, &format!("{name}_sum"), labels, sum);
    }
    if let Some(count) = count {
        samples.push(Sample {
            name: format!("{name}_count"),
            labels: labels.to_vec(),
            value: Number::Int(count),
            exemplar: None,
        });
    }
}
