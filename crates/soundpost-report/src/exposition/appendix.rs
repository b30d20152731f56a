//! Text of another exporter, appended to the exposition.

use std::collections::HashSet;

use soundpost_core::snapshot::{MetricKind, Snapshot};

use super::name_in_text;

/// Suffixes of the samples of one family in text 0.0.4.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Appends the families of `appendix` that `snapshot` does not have. A family is omitted if its name or the name of
/// one of its samples is in use: a duplicate name loses the whole scrape.
pub(crate) fn append(out: &mut String, snapshot: &Snapshot, appendix: &str) {
    let ours = names(snapshot);
    let mut families = Families::default();
    for line in appendix.lines() {
        let Some(name) = families.place(line) else { continue };
        if ours.contains(families.current) || ours.contains(name) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// Returns the names of families and samples that the exposition uses.
fn names(snapshot: &Snapshot) -> HashSet<String> {
    let mut names = HashSet::new();
    for family in snapshot.families.iter().filter(|family| !family.series.is_empty()) {
        let name = name_in_text(family);
        if matches!(family.kind, MetricKind::Histogram | MetricKind::Summary) {
            names.extend(SUFFIXES.map(|suffix| [&name, suffix].concat()));
        }
        names.insert(name.into_owned());
    }
    names
}

/// The family that the lines of a text belong to.
#[derive(Default)]
struct Families<'a> {
    current: &'a str,
}

impl<'a> Families<'a> {
    /// Returns the name on a line, and records its family; `None` for lines without a name.
    fn place(&mut self, line: &'a str) -> Option<&'a str> {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_ascii_whitespace();
            let (Some("HELP" | "TYPE"), Some(name)) = (words.next(), words.next()) else { return None };
            self.current = name;
            return Some(name);
        }
        let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
        let name = &line[..end];
        let suffix = name.strip_prefix(self.current).filter(|_| !self.current.is_empty());
        if !suffix.is_some_and(|suffix| suffix.is_empty() || SUFFIXES.contains(&suffix)) {
            // A sample without a family of its own name.
            self.current = name;
        }
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soundpost_core::Unit;
    use soundpost_core::snapshot::{Distribution, MetricFamily, MetricSeries, MetricValue};

    fn snapshot() -> Snapshot {
        let family = |name: &str, kind, value| MetricFamily {
            name: name.into(),
            kind,
            help: "".into(),
            unit: Unit::None,
            series: vec![MetricSeries { labels: [].into(), value }],
        };
        let distribution =
            Distribution { bounds: [1.0].into(), counts: vec![0, 0], sum: 0.0, exemplars: vec![] };
        Snapshot {
            families: vec![
                family("calls", MetricKind::Counter, MetricValue::Int(1)),
                family("duration", MetricKind::Histogram, MetricValue::Distribution(distribution)),
                family("up", MetricKind::Gauge, MetricValue::Float(1.0)),
            ],
        }
    }

    #[test]
    fn families_of_the_snapshot_are_omitted() {
        let appendix = "\
# HELP calls_total Ours already
# TYPE calls_total counter
calls_total{a=\"b\"} 5
# TYPE calls gauge
calls 1

# HELP up Ours already
# TYPE up gauge
up 0
# TYPE duration_count gauge
duration_count 7
# TYPE duration histogram
duration_bucket{le=\"+Inf\"} 0
duration_sum 0
duration_count 0
# TYPE theirs summary
# HELP theirs Not ours
theirs{quantile=\"0.5\"} 1
theirs_sum 1
theirs_count 1
# a comment
untyped_up 3
up{x=\"y\"} 4
other 1 1767323045678
# EOF
";
        let mut out = String::from("ours\n");
        append(&mut out, &snapshot(), appendix);
        assert_eq!(
            out,
            "\
ours
# TYPE calls gauge
calls 1
# TYPE theirs summary
# HELP theirs Not ours
theirs{quantile=\"0.5\"} 1
theirs_sum 1
theirs_count 1
untyped_up 3
other 1 1767323045678
"
        );
    }

    #[test]
    fn a_last_line_without_end_gets_one() {
        let mut out = String::new();
        append(&mut out, &Snapshot::default(), "a 1\nb 2");
        assert_eq!(out, "a 1\nb 2\n");
    }
}
