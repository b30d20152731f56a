//! Samples of vitals on their way from the sampler to the store.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use soundpost_core::clock;
use soundpost_core::thread::lock;
use soundpost_store::{Backlog, Entity, GpuName, VitalsSample};
use soundpost_vitals::{Reading, Readings};

/// Maximum number of samples that wait for the store.
const MAX_SAMPLES: usize = 4096;
/// Maximum distance of samples from different sources that get the same time.
const SAME_TIME: Duration = Duration::from_millis(40);
/// Age at which all samples of one time have arrived.
const SETTLED_AGE: Duration = Duration::from_millis(100);

/// Samples that are not stored yet, grouped by time.
#[derive(Default)]
pub(crate) struct SampleBatcher(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Samples with their time of arrival, oldest first.
    samples: VecDeque<(Instant, VitalsSample)>,
    /// The last group: arrival and time of its first sample.
    group: Option<(Instant, u64)>,
}

impl SampleBatcher {
    /// Adds the readings of a source. The host's sample gets the number of calls in flight, and the process without a
    /// number is the service's only one; `service` returns both.
    pub(super) fn add(&self, readings: &Readings, service: impl FnOnce() -> (usize, Vec<u32>)) {
        let mut samples = samples(clock::unix_nanos(), readings);
        let (in_flight, pids) = service();
        for sample in &mut samples {
            match (&mut sample.entity, &pids[..]) {
                (Entity::Host, _) => sample.values.push(("requests_in_flight", in_flight as f64)),
                (Entity::Process { pid }, [only]) if *pid == 0 => *pid = *only,
                _ => {}
            }
        }
        self.push(samples);
    }

    /// Adds samples; beyond the maximum the oldest are dropped.
    fn push(&self, samples: Vec<VitalsSample>) {
        let now = Instant::now();
        let mut waiting = lock(&self.0);
        for mut sample in samples {
            match waiting.group {
                Some((begun, unix_nanos)) if now - begun < SAME_TIME => sample.unix_nanos = unix_nanos,
                _ => waiting.group = Some((now, sample.unix_nanos)),
            }
            // Host and places are sources of the same entity: a second row of a time would replace the first.
            let of_time = |(_, other): &&mut (Instant, VitalsSample)| other.unix_nanos == sample.unix_nanos;
            let mut others = waiting.samples.iter_mut().rev().take_while(of_time).map(|(_, other)| other);
            match others.find(|other| other.entity == sample.entity) {
                Some(other) => other.values.append(&mut sample.values),
                None => waiting.samples.push_back((now, sample)),
            }
        }
        let surplus = waiting.samples.len().saturating_sub(MAX_SAMPLES);
        waiting.samples.drain(..surplus);
    }

    /// Moves the samples of complete groups to the backlog, or of all groups in the `last` round.
    pub(super) fn move_settled(&self, last: bool, backlog: &mut Backlog) {
        let is_settled = |(arrived, _): &(Instant, VitalsSample)| last || arrived.elapsed() >= SETTLED_AGE;
        let mut waiting = lock(&self.0);
        let settled = waiting.samples.iter().take_while(|sample| is_settled(sample)).count();
        waiting.samples.drain(..settled).for_each(|(_, sample)| backlog.vitals(sample));
    }
}

/// Returns one sample for each entity, in the order in which the readings name them.
fn samples(unix_nanos: u64, readings: &Readings) -> Vec<VitalsSample> {
    let mut samples: Vec<VitalsSample> = Vec::new();
    for reading in &readings.readings {
        let Some((entity, column)) = place(reading) else { continue };
        let value = (column, reading.value);
        match samples.iter_mut().rev().find(|sample| sample.entity == entity) {
            Some(sample) => sample.values.push(value),
            None => samples.push(VitalsSample { unix_nanos, entity, values: vec![value] }),
        }
    }
    samples
}

/// Returns the entity and the column of a reading; `None` if it is not stored.
fn place(reading: &Reading) -> Option<(Entity, &'static str)> {
    let label = |name: &str| {
        let position = reading.quantity.labels.iter().position(|label| *label == name)?;
        reading.labels.get(position).map(String::as_str)
    };
    let text = |name: &str| label(name).unwrap_or_default().to_owned();
    let entity = match (label("gpu"), label("pid")) {
        (None, None) => Entity::Host,
        (None, Some("")) => Entity::Process { pid: 0 },
        (None, Some(pid)) => Entity::Process { pid: pid.parse().ok()? },
        (Some(_), None) => Entity::Gpu(GpuName {
            gpu: text("gpu"),
            uuid: text("uuid"),
            name: text("name"),
            mig: text("mig"),
        }),
        (Some(gpu), Some(pid)) => Entity::GpuProcess { gpu: gpu.to_owned(), pid: pid.parse().ok() },
    };
    let column = entity.column(reading.quantity.name, reading.labels.last().map(String::as_str))?;
    Some((entity, column))
}

#[cfg(test)]
mod tests;
