//! Arbitrary snapshots, rich in what breaks encoders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use soundpost_core::Unit;
use soundpost_core::snapshot::{
    Distribution, Exemplar, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot,
};

/// Range of the texts and numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// All there are.
    Full,
    /// Those the peer's parser can hold: no CR (it takes it for the end of a line, the
    /// specifications do not), no count above `i64`, no bound below 0, no unit of a histogram or
    /// summary (which the specification allows).
    Peer,
}

pub(crate) fn snapshots(range: Range) -> impl Strategy<Value = Snapshot> {
    vec(families(range), 1..5).prop_map(|families| {
        let families = families.into_iter().enumerate().map(|(index, mut family)| {
            let name: Arc<str> = format!("m{index}_{}", family.name).into();
            if family.kind == MetricKind::StateSet {
                rename_state_label(&mut family, &name);
            }
            family.name = name;
            family
        });
        Snapshot { families: families.collect() }
    })
}

fn rename_state_label(family: &mut MetricFamily, name: &Arc<str>) {
    for series in &mut family.series {
        let mut labels = series.labels.to_vec();
        if let Some(last) = labels.last_mut() {
            last.0 = Arc::clone(name);
        }
        labels.sort();
        series.labels = labels.into();
    }
}

fn text(range: Range) -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "\\",
        "\\\\",
        "\"",
        "\n",
        "\\n",
        "\r",
        "\0",
        "\t",
        "{",
        "}",
        ",",
        "=",
        " ",
        "#",
        "# EOF",
        "a.b",
        "a_b",
        "le",
        "x\"} 1\nevil{y=\"",
        "\n# TYPE evil counter\nevil_total 1\n",
        " # {request_id=\"evil\"} 1",
        "情感",
        "😀",
        "\u{2028}",
        "\u{85}",
        "\u{feff}",
    ]);
    let nasty = vec(pieces, 0..5).prop_map(|pieces| pieces.concat());
    prop_oneof![3 => nasty, 1 => any::<String>(), 1 => "[a-z0-9 _-]{0,12}"]
        .prop_map(move |text| if range == Range::Peer { text.replace('\r', "") } else { text })
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        -1e7..1e7,
        select(vec![0.0, -0.0, 1.0, 0.1, 1e6, 999_999.0, 1e-5, 1e16, 1e17, f64::MAX, 5e-324]),
    ]
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![8 => finite(), 1 => select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY])]
}

fn families(range: Range) -> impl Strategy<Value = MetricFamily> {
    let kinds = select(vec![
        MetricKind::Counter,
        MetricKind::Gauge,
        MetricKind::Histogram,
        MetricKind::Summary,
        MetricKind::Info,
        MetricKind::StateSet,
    ]);
    let units = select(vec![Unit::None, Unit::Seconds, Unit::Bytes, Unit::Ratio]);
    let names = btree_set("[a-zA-Z][a-zA-Z0-9_]{0,6}", 0..4).prop_map(|mut names: BTreeSet<String>| {
        names.remove("le");
        names
    });
    ("[a-zA-Z0-9_:]{0,8}x", kinds, text(range), units, any::<bool>(), names).prop_flat_map(
        move |(name, kind, help, unit, suffixed, label_names)| {
            let name = if suffixed { format!("{name}_{}", unit.suffix()) } else { name };
            let mut name = name.trim_end_matches('_').to_owned();
            if kind == MetricKind::StateSet {
                // It is a label's name as well, which has no colon.
                name = name.replace(':', "");
            }
            let mut label_names: Vec<Arc<str>> = label_names.into_iter().map(Arc::from).collect();
            if kind == MetricKind::StateSet {
                // Takes the family's name when that is known.
                label_names.push("zz_state".into());
            }
            let counted = matches!(kind, MetricKind::Histogram | MetricKind::Summary);
            let unit = if range == Range::Peer && counted { Unit::None } else { unit };
            let labels = vec(text(range), label_names.len());
            vec((labels, values(kind, range)), 0..4).prop_map(move |series| {
                let series: BTreeMap<Vec<String>, MetricValue> = series.into_iter().collect();
                MetricFamily {
                    name: name.as_str().into(),
                    kind,
                    help: help.as_str().into(),
                    unit,
                    series: series
                        .into_iter()
                        .map(|(values, value)| one(&label_names, values, value))
                        .collect(),
                }
            })
        },
    )
}

fn one(names: &[Arc<str>], values: Vec<String>, value: MetricValue) -> MetricSeries {
    let labels: Vec<_> = names.iter().cloned().zip(values.into_iter().map(Arc::from)).collect();
    MetricSeries { labels: labels.into(), value }
}

fn values(kind: MetricKind, range: Range) -> BoxedStrategy<MetricValue> {
    let most = if range == Range::Peer { i64::MAX as u64 } else { u64::MAX };
    match kind {
        MetricKind::Counter => prop_oneof![
            (0..=most).prop_map(MetricValue::Int),
            finite().prop_map(|value| MetricValue::Float(value.abs())),
            Just(MetricValue::Float(f64::INFINITY)),
        ]
        .boxed(),
        MetricKind::Gauge => {
            prop_oneof![(0..=most).prop_map(MetricValue::Int), floats().prop_map(MetricValue::Float)].boxed()
        }
        MetricKind::Info => Just(MetricValue::Float(1.0)).boxed(),
        MetricKind::StateSet => {
            select(vec![MetricValue::Float(0.0), MetricValue::Float(1.0), MetricValue::Int(1)]).boxed()
        }
        MetricKind::Histogram => distributions(range).boxed(),
        MetricKind::Summary => (any::<u32>(), finite())
            .prop_map(move |(count, sum)| {
                let sum = if range == Range::Peer { sum.abs() } else { sum };
                MetricValue::Distribution(Distribution {
                    bounds: Arc::new([]),
                    counts: vec![u64::from(count)],
                    sum,
                    exemplars: vec![],
                })
            })
            .boxed(),
    }
}

fn distributions(range: Range) -> impl Strategy<Value = MetricValue> {
    let exemplars = prop_oneof![
        4 => text(range),
        1 => "[é]{110,130}",
    ];
    let exemplars = proptest::option::of((exemplars, finite(), any::<u64>())).boxed();
    vec(finite(), 0..6).prop_flat_map(move |mut bounds| {
        if range == Range::Peer {
            bounds.iter_mut().for_each(|bound| *bound = bound.abs());
        }
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let buckets = bounds.len() + 1;
        let bounds: Arc<[f64]> = bounds.into();
        let counts = vec(0..1_u64 << 56, buckets);
        (counts, finite(), vec(exemplars.clone(), buckets)).prop_map(move |(counts, sum, exemplars)| {
            let sum = if range == Range::Peer { sum.abs() } else { sum };
            let exemplars = exemplars.into_iter().map(|exemplar| {
                exemplar.map(|(id, value, unix_nanos)| Exemplar { request_id: id.into(), value, unix_nanos })
            });
            MetricValue::Distribution(Distribution {
                bounds: Arc::clone(&bounds),
                counts,
                sum,
                exemplars: exemplars.collect(),
            })
        })
    })
}
