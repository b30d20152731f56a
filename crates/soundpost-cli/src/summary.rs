//! Summary of a service, from its snapshot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use soundpost::read::snapshot::{Distribution, Labels, MetricSeries, MetricValue, Snapshot};
use soundpost::read::store::{Entity, VitalsSample};

/// State of a service. Counts are those of its run.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceSummary {
    pub(crate) up: bool,
    /// Whether all processes are in their first phase of loading.
    pub(crate) loading: bool,
    /// Versions and commits of its processes; empty where unknown.
    pub(crate) builds: Vec<(String, String)>,
    /// Reasons of `unhealthy`.
    pub(crate) unhealthy: Vec<String>,
    pub(crate) operations: BTreeMap<String, OperationSummary>,
    pub(crate) machine: Machine,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct OperationSummary {
    pub(crate) in_flight: u64,
    /// Longest time without progress among those in flight, seconds.
    pub(crate) stalled: f64,
    /// Finished calls by outcome.
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) duration: Buckets,
    pub(crate) first_audio: Buckets,
    pub(crate) real_time_factor: Buckets,
    pub(crate) audio_seconds: f64,
}

/// Vitals of the machine; `None` for values that were not sampled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu_usage_ratio: Option<f64>,
    pub(crate) load1: Option<f64>,
    pub(crate) host_memory_used_bytes: Option<f64>,
    pub(crate) host_memory_total_bytes: Option<f64>,
    /// Sum over all processes of the service.
    pub(crate) process_resident_memory_bytes: Option<f64>,
    pub(crate) gpus: Vec<GpuSummary>,
}

/// Vitals of a GPU; `None` for values that it does not report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GpuSummary {
    pub(crate) gpu: String,
    pub(crate) name: String,
    pub(crate) gpu_utilization_ratio: Option<f64>,
    pub(crate) gpu_memory_used_bytes: Option<f64>,
    pub(crate) gpu_memory_total_bytes: Option<f64>,
    pub(crate) gpu_temperature_celsius: Option<f64>,
    pub(crate) gpu_power_watts: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    bounds: Vec<f64>,
    counts: Vec<u64>,
}

impl ServiceSummary {
    /// Summarises a snapshot whose request metrics begin with `prefix`.
    pub(crate) fn of_snapshot(snapshot: &Snapshot, prefix: &str) -> Self {
        let mut summary = Self::default();
        for family in &snapshot.families {
            let Some(name) = family.name.strip_prefix(prefix).and_then(|name| name.strip_prefix('_')) else {
                continue;
            };
            for series in &family.series {
                summary.add(name, series);
            }
        }
        // Only processes that run have builds.
        summary.loading = !summary.up && !summary.builds.is_empty();
        summary.up |= summary.loading;
        summary
    }

    fn add(&mut self, name: &str, series: &MetricSeries) {
        let number = number(&series.value);
        let label = |name: &str| label(&series.labels, name).unwrap_or_default();
        match name {
            "up" => self.up = number > 0.0,
            "build" => self.builds.push((label("version").to_owned(), label("commit").to_owned())),
            "unhealthy" if number > 0.0 => self.unhealthy.push(label("reason").to_owned()),
            "request" => self.add_finished(series, number as u64),
            "requests_in_flight" => self.operation(series).in_flight += number as u64,
            "request_stalled_seconds" => {
                let operation = self.operation(series);
                operation.stalled = operation.stalled.max(number);
            }
            "request_duration_seconds" => self.operation(series).duration.add(&series.value),
            "time_to_first_audio_seconds" => self.operation(series).first_audio.add(&series.value),
            "real_time_factor" => self.operation(series).real_time_factor.add(&series.value),
            "audio_seconds" => self.operation(series).audio_seconds += number,
            _ => self.machine.add_series(name, series, number),
        }
    }

    fn operation(&mut self, series: &MetricSeries) -> &mut OperationSummary {
        let operation = label(&series.labels, "operation").unwrap_or_default();
        self.operations.entry(operation.to_owned()).or_default()
    }

    fn add_finished(&mut self, series: &MetricSeries, calls: u64) {
        let (status, outcome) = (label(&series.labels, "status"), label(&series.labels, "outcome"));
        let operation = self.operation(series);
        *operation.outcomes.entry(outcome.unwrap_or_default().to_owned()).or_default() += calls;
        match status {
            Some("error") => operation.failed += calls,
            Some("cancelled") => operation.cancelled += calls,
            _ => {}
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.operations.values().map(|operation| operation.in_flight).sum()
    }
}

impl OperationSummary {
    pub(crate) fn finished(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Returns the counts since `before`, with the gauges of now.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let outcome = |(name, count): (&String, &u64)| {
            (name.clone(), count.saturating_sub(before.outcomes.get(name).copied().unwrap_or(0)))
        };
        Self {
            outcomes: self.outcomes.iter().map(outcome).collect(),
            failed: self.failed.saturating_sub(before.failed),
            cancelled: self.cancelled.saturating_sub(before.cancelled),
            duration: self.duration.since(&before.duration),
            first_audio: self.first_audio.since(&before.first_audio),
            real_time_factor: self.real_time_factor.since(&before.real_time_factor),
            audio_seconds: (self.audio_seconds - before.audio_seconds).max(0.0),
            ..self.clone()
        }
    }
}

impl Machine {
    pub(crate) fn add_sample(&mut self, sample: &VitalsSample) {
        for (name, value) in &sample.values {
            match &sample.entity {
                Entity::Gpu(gpu) if gpu.mig.is_empty() => self.set_gpu(name, &gpu.gpu, &gpu.name, *value),
                Entity::Host => {
                    if let Some(field) = self.field(name) {
                        *field = Some(*value);
                    }
                }
                Entity::Process { .. } => self.add(name, *value),
                _ => {}
            }
        }
    }

    fn add_series(&mut self, name: &str, series: &MetricSeries, number: f64) {
        if self.field(name).is_some() {
            return self.add(name, number);
        }
        let Some(index) = label(&series.labels, "gpu") else { return };
        // A MIG device is part of its GPU.
        if label(&series.labels, "mig").is_none_or(str::is_empty) {
            self.set_gpu(name, index, label(&series.labels, "name").unwrap_or_default(), number);
        }
    }

    /// Adds to a value: several processes have a series each, the host has one.
    fn add(&mut self, name: &str, number: f64) {
        if let Some(field) = self.field(name) {
            *field = Some(field.unwrap_or(0.0) + number);
        }
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<f64>> {
        Some(match name {
            "cpu_usage_ratio" => &mut self.cpu_usage_ratio,
            "load1" => &mut self.load1,
            "host_memory_used_bytes" => &mut self.host_memory_used_bytes,
            "host_memory_total_bytes" => &mut self.host_memory_total_bytes,
            "process_resident_memory_bytes" => &mut self.process_resident_memory_bytes,
            _ => return None,
        })
    }

    fn set_gpu(&mut self, name: &str, index: &str, model: &str, number: f64) {
        let field: fn(&mut GpuSummary) -> &mut Option<f64> = match name {
            "gpu_utilization_ratio" => |gpu| &mut gpu.gpu_utilization_ratio,
            "gpu_memory_used_bytes" => |gpu| &mut gpu.gpu_memory_used_bytes,
            "gpu_memory_total_bytes" => |gpu| &mut gpu.gpu_memory_total_bytes,
            "gpu_temperature_celsius" => |gpu| &mut gpu.gpu_temperature_celsius,
            "gpu_power_watts" => |gpu| &mut gpu.gpu_power_watts,
            _ => return,
        };
        if self.gpus.iter().all(|gpu| gpu.gpu != index) {
            self.gpus.push(GpuSummary { gpu: index.to_owned(), ..GpuSummary::default() });
            self.gpus.sort_by_key(|gpu| gpu.gpu.parse::<u32>().unwrap_or(u32::MAX));
        }
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.gpu == index) {
            model.clone_into(&mut gpu.name);
            *field(gpu) = Some(number);
        }
    }
}

impl Buckets {
    fn add(&mut self, value: &MetricValue) {
        let MetricValue::Distribution(Distribution { bounds, counts, .. }) = value else { return };
        if self.bounds.is_empty() {
            self.bounds = bounds.to_vec();
            self.counts = vec![0; counts.len()];
        }
        // All series of a family of calls have the same bounds.
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }

    fn since(&self, before: &Self) -> Self {
        let at = |bucket: usize| before.counts.get(bucket).copied().unwrap_or(0);
        let counts = self.counts.iter().enumerate();
        let counts = counts.map(|(bucket, count)| count.saturating_sub(at(bucket))).collect();
        Self { bounds: self.bounds.clone(), counts }
    }

    /// Returns a quantile by linear interpolation, as PromQL's `histogram_quantile` does; `None` without observations.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let rank = quantile * total as f64;
        let (mut below, mut lower) = (0, 0.0);
        for (bucket, count) in self.counts.iter().enumerate().filter(|_| total > 0) {
            let upper = self.bounds.get(bucket).copied();
            if *count > 0 && (below + count) as f64 >= rank {
                let inside = (rank - below as f64) / *count as f64;
                return Some(upper.map_or(lower, |upper| lower + (upper - lower) * inside));
            }
            below += count;
            lower = upper.unwrap_or(lower);
        }
        None
    }
}

fn number(value: &MetricValue) -> f64 {
    match value {
        MetricValue::Int(value) => *value as f64,
        MetricValue::Float(value) => *value,
        MetricValue::Distribution(distribution) => distribution.count() as f64,
    }
}

fn label<'a>(labels: &'a Labels, name: &str) -> Option<&'a str> {
    labels.iter().find(|(label, _)| **label == *name).map(|(_, value)| &**value)
}

#[cfg(test)]
mod tests {
    use super::Buckets;

    #[test]
    fn quantile_is_interpolated_in_its_bucket() {
        let buckets = Buckets { bounds: vec![1.0, 2.0, 4.0], counts: vec![0, 10, 10, 0] };
        assert_eq!(buckets.quantile(0.5), Some(2.0));
        assert_eq!(buckets.quantile(0.75), Some(3.0));
        assert_eq!(Buckets { counts: vec![0, 0, 0, 5], ..buckets.clone() }.quantile(0.5), Some(4.0));
        assert_eq!(buckets.since(&buckets).quantile(0.5), None);
        assert_eq!(Buckets::default().quantile(0.5), None);
    }
}
