//! Samples for the store, from what a source read.

use soundpost_store::{Entity, GpuName, VitalsSample};
use soundpost_vitals::{Reading, Readings};

/// Returns one sample for each entity, in the order in which the readings name them.
pub(crate) fn samples(unix_nanos: u64, readings: &Readings) -> Vec<VitalsSample> {
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
