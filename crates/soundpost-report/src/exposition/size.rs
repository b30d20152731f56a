//! An estimate of the length of an exposition, so that its buffer grows once.

use soundpost_core::snapshot::{MetricFamily, MetricSeries, MetricValue, Snapshot};

/// Returns the number of bytes to reserve for a snapshot. It is slightly too large if the series of a family resemble
/// the first one.
pub(super) fn estimate(snapshot: &Snapshot) -> usize {
    snapshot.families.iter().map(family).sum()
}

fn family(family: &MetricFamily) -> usize {
    // Two or three comment lines, each with the name and a suffix.
    let comments = 3 * (family.name.len() + 32) + family.help.len();
    let lines = family.series.first().map_or(0, |first| series(&family.name, first));
    comments + lines * family.series.len()
}

fn series(name: &str, series: &MetricSeries) -> usize {
    let labels: usize = series.labels.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    // A suffix, braces, `le` with its bound, and the value.
    let line = name.len() + labels + 32;
    match &series.value {
        MetricValue::Int(_) | MetricValue::Float(_) => line,
        MetricValue::Distribution(distribution) => {
            let exemplars = distribution.exemplars.iter().flatten().count();
            line * (distribution.counts.len() + 2) + exemplars * 128
        }
    }
}
