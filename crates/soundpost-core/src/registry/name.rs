//! Names that can be exposed, by the data model of Prometheus and OpenMetrics.

use super::kind::MetricKind;
use crate::error::Error;

/// Maximum length of a label value, bytes.
pub(crate) const LABEL_VALUE_BYTES: usize = 256;
/// Maximum length of a metric or label name, bytes.
const NAME_BYTES: usize = 256;

/// Checks a metric name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(crate) fn check_metric(name: &str) -> Result<(), Error> {
    let fits = |index: usize, c: char| {
        c.is_ascii_alphabetic() || matches!(c, '_' | ':') || index > 0 && c.is_ascii_digit()
    };
    if !name.is_empty() && name.len() <= NAME_BYTES && name.char_indices().all(|(index, c)| fits(index, c)) {
        return Ok(());
    }
    Err(Error::config(format!(
        "metric {name:?}: not a name that can be exposed; use letters, digits, '_' and ':', such as {:?}",
        sanitized(name, true)
    )))
}

/// Checks a label name: `[a-zA-Z_][a-zA-Z0-9_]*`, and not one reserved by the formats.
pub(crate) fn check_label(metric: &str, label: &str) -> Result<(), Error> {
    if label == "le" || label == "quantile" {
        return Err(Error::config(format!(
            "metric {metric:?}: label {label:?} is reserved by the exposition formats; rename it"
        )));
    }
    if label.starts_with("__") {
        return Err(Error::config(format!(
            "metric {metric:?}: label {label:?} begins with \"__\", which Prometheus keeps for itself; rename it"
        )));
    }
    let fits = |index: usize, c: char| c.is_ascii_alphabetic() || c == '_' || index > 0 && c.is_ascii_digit();
    if !label.is_empty() && label.len() <= NAME_BYTES && label.char_indices().all(|(index, c)| fits(index, c))
    {
        return Ok(());
    }
    Err(Error::config(format!(
        "metric {metric:?}: label {label:?} cannot be exposed; use letters, digits and '_', such as {:?}",
        sanitized(label, false)
    )))
}

/// Replaces every character that cannot be exposed by `_`.
pub fn sanitized(name: &str, colons: bool) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    let mut text: String = name.chars().map(|c| if keep(c) { c } else { '_' }).take(NAME_BYTES - 1).collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    text
}

/// Returns every name that a family's samples and metadata use in the exposition; families must not share one.
pub(crate) fn exposed(base: &str, kind: MetricKind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        MetricKind::Counter => &["", "_total", "_created"],
        MetricKind::Gauge | MetricKind::StateSet => &[""],
        MetricKind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
        MetricKind::Summary => &["", "_sum", "_count", "_created"],
        MetricKind::Info => &["", "_info"],
    };
    suffixes.iter().map(|suffix| format!("{base}{suffix}")).collect()
}

pub(crate) fn label_value(value: &str) -> &str {
    &value[..value.floor_char_boundary(LABEL_VALUE_BYTES)]
}
