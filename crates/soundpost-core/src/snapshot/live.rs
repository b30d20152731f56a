//! Families made at reading time: calls in flight, the service's state, and the number of series.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attached::Attached;
use super::merge::Living;
use super::model::{Labels, MetricFamily, MetricSeries, MetricValue};
use crate::clock::seconds;
use crate::registry::{Meta, MetricKind, RecordOrigin, Unit};
use crate::segment::{ProcessRole, SUSPENDED, flag, word};

#[derive(Default)]
pub(super) struct LiveCalls {
    /// Calls in flight, by labels; zeros for idle operations.
    in_flight: BTreeMap<Labels, InFlight>,
    /// Calls of dead processes, by labels of `request_total`.
    pub(super) died: BTreeMap<Labels, u64>,
}

/// Calls in flight of the same labels. Times are nanoseconds.
#[derive(Default)]
struct InFlight {
    count: u64,
    /// Longest time without progress of a call that runs.
    stalled: u64,
    /// Longest time of a call with its consumer.
    suspended: u64,
}

impl LiveCalls {
    /// Counts the calls of all `sources`; a dead segment has none in flight.
    pub(super) fn read(sources: &[Attached], living: &mut Living, now: u64) -> Self {
        let mut running = Self::default();
        for (index, attached) in sources.iter().enumerate() {
            let dead = attached.source.is_dead();
            let labels: BTreeMap<u32, Labels> =
                attached.operations.iter().map(|(at, set)| (*at, attached.call_labels(set, &[]))).collect();
            if !dead {
                for labels in labels.values() {
                    running.in_flight.entry(labels.clone()).or_default();
                }
            }
            for call in attached.source.in_flight().read_uncounted() {
                let at = call.words[word::OPERATION] as u32;
                if dead || !living.is_alive(sources, index, call.owner()) {
                    let is_counted = call.words[word::FLAGS] & flag::WARMUP == 0;
                    if is_counted && let Some(set) = attached.operations.get(&at) {
                        let died = attached.call_labels(set, &[("status", "error"), ("outcome", "died")]);
                        *running.died.entry(died).or_default() += 1;
                    }
                } else if let Some(labels) = labels.get(&at).filter(|_| !call.ending) {
                    let running = running.in_flight.entry(labels.clone()).or_default();
                    running.count += 1;
                    let (resumed, progress) = (call.words[word::RESUMED], call.words[word::PROGRESS]);
                    let (longest, since) = match resumed & SUSPENDED {
                        0 => (&mut running.stalled, progress.max(resumed)),
                        _ => (&mut running.suspended, resumed & !SUSPENDED),
                    };
                    *longest = (*longest).max(now.saturating_sub(since));
                }
            }
        }
        running
    }

    /// Makes `requests_in_flight`, `request_stalled_seconds` and `request_suspended_seconds`.
    pub(super) fn families(&self, prefix: &str) -> [MetricFamily; 3] {
        let gauge = |name: &str, help: &str, unit: Unit, value: &dyn Fn(&InFlight) -> f64| {
            let series = self.in_flight.iter().map(|(labels, running)| MetricSeries {
                labels: labels.clone(),
                value: MetricValue::Float(value(running)),
            });
            family(&format!("{prefix}_{name}"), MetricKind::Gauge, help, unit, series.collect())
        };
        [
            gauge("requests_in_flight", "Calls in flight.", Unit::None, &|running| running.count as f64),
            gauge(
                "request_stalled_seconds",
                "Longest time without progress among the calls in flight that run; not those with their consumer.",
                Unit::Seconds,
                &|running| seconds(running.stalled),
            ),
            gauge(
                "request_suspended_seconds",
                "Longest time that a call in flight has waited for its consumer to take the next chunk.",
                Unit::Seconds,
                &|running| seconds(running.suspended),
            ),
        ]
    }

    /// Adds the calls that died to the family of finished calls.
    pub(super) fn add_died(&self, total: &mut MetricFamily) {
        for (labels, count) in &self.died {
            match total.series.binary_search_by(|series| series.labels.cmp(labels)) {
                Ok(at) => match &mut total.series[at].value {
                    MetricValue::Int(value) => *value = value.wrapping_add(*count),
                    MetricValue::Float(value) => *value += *count as f64,
                    MetricValue::Distribution(_) => {}
                },
                Err(at) => {
                    total
                        .series
                        .insert(at, MetricSeries { labels: labels.clone(), value: MetricValue::Int(*count) });
                }
            }
        }
    }
}

/// Adds `unhealthy{reason="segment_full"}` if the segment of a living process is full. It has no room for that series.
pub(super) fn add_full_segments(sources: &[Attached], unhealthy: &mut MetricFamily) {
    let full = sources.iter().find(|attached| attached.source.is_full() && !attached.source.is_dead());
    let Some(full) = full else { return };
    let labels = full.constant_labels(&[("reason", "segment_full")]);
    if let Err(at) = unhealthy.series.binary_search_by(|series| series.labels.cmp(&labels)) {
        unhealthy.series.insert(at, MetricSeries { labels, value: MetricValue::Float(1.0) });
    }
}

pub(super) fn service(sources: &[Attached], prefix: &str) -> [MetricFamily; 2] {
    let alive = || of_service(sources).filter(|attached| !attached.source.is_dead());
    let up = f64::from(u8::from(alive().any(|attached| !attached.source.is_loading())));
    let labels = constant_labels(sources);
    let up = vec![MetricSeries { labels, value: MetricValue::Float(up) }];
    let mut builds: BTreeMap<Labels, MetricSeries> = BTreeMap::new();
    for attached in alive() {
        if let Some(Meta::Service { version, commit, .. }) = &attached.identity {
            let labels = attached.constant_labels(&[
                ("version", version),
                ("commit", commit),
                ("soundpost_version", env!("CARGO_PKG_VERSION")),
            ]);
            builds.insert(labels.clone(), MetricSeries { labels, value: MetricValue::Float(1.0) });
        }
    }
    let help = "1 while a process of the service runs and has ended its first phase of loading.";
    let info = "Version and commit of the service, and version of Soundpost; always 1.";
    [
        family(&format!("{prefix}_up"), MetricKind::Gauge, help, Unit::None, up),
        family(
            &format!("{prefix}_build"),
            MetricKind::Info,
            info,
            Unit::None,
            builds.into_values().collect(),
        ),
    ]
}

pub(super) fn of_service(sources: &[Attached]) -> impl Iterator<Item = &Attached> {
    sources.iter().filter(|attached| attached.source.role() == ProcessRole::Service)
}

/// Returns the labels of every metric: those of the service's first process, else those of the reader.
pub(super) fn constant_labels(sources: &[Attached]) -> Labels {
    let first = of_service(sources).find(|attached| attached.identity.is_some()).or(sources.first());
    first.map_or_else(|| Labels::from([]), |first| first.constant_labels(&[]))
}

/// Replaces the version and the instance by those that processes of the service have; an agent may not have them.
pub(super) fn update_origin(sources: &[Attached], origin: &mut RecordOrigin) {
    let mut known = RecordOrigin::default();
    for identity in of_service(sources).filter_map(|attached| attached.identity.as_ref()) {
        let Meta::Service { version, instance, .. } = identity else { continue };
        for (text, first) in [(version, &mut known.version), (instance, &mut known.instance)] {
            if first.is_empty() {
                first.clone_from(text);
            }
        }
    }
    for (text, updated) in [(known.version, &mut origin.version), (known.instance, &mut origin.instance)] {
        if !text.is_empty() {
            *updated = text;
        }
    }
}

/// Returns the prefix of the service's metrics from its processes; an agent may not have it.
pub(super) fn namespace(sources: &[Attached]) -> Option<String> {
    of_service(sources).find_map(|attached| match &attached.identity {
        Some(Meta::Service { namespace, .. }) => Some(namespace.clone()),
        _ => None,
    })
}

pub(super) fn series_count(count: usize, labels: Labels) -> MetricFamily {
    let series = vec![MetricSeries { labels, value: MetricValue::Float(count as f64) }];
    family("soundpost_series", MetricKind::Gauge, "Series exposed by the service.", Unit::None, series)
}

fn family(name: &str, kind: MetricKind, help: &str, unit: Unit, series: Vec<MetricSeries>) -> MetricFamily {
    MetricFamily { name: Arc::from(name), kind, help: Arc::from(help), unit, series }
}
