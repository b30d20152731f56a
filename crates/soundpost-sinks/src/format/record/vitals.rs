//! Records of what was sampled.

use soundpost_store::{Entity, VitalsSample};

use super::{Field, Origin, Point, Value};

const MIB: f64 = (1u64 << 20) as f64;

/// A column, the field it becomes, and what its value is multiplied by.
type Renamed = (&'static str, &'static str, f64);

const HOST: [Renamed; 2] = [
    ("cpu_usage_ratio", "cpu_usage_percent", 100.0),
    ("host_memory_used_bytes", "memory_used_mb", 1.0 / MIB),
];

const GPU: [Renamed; 5] = [
    ("gpu_utilization_ratio", "gpu_utilization_percent", 100.0),
    ("gpu_temperature_celsius", "gpu_temperature_c", 1.0),
    ("gpu_memory_used_bytes", "gpu_memory_used_mb", 1.0 / MIB),
    ("gpu_memory_total_bytes", "gpu_memory_total_mb", 1.0 / MIB),
    ("gpu_power_watts", "gpu_power_watts", 1.0),
];

impl<'a> Point<'a> {
    /// The points of `system_metrics` of one moment: one of the host and the service's processes together, and
    /// one of each GPU. The time is the first sample's.
    pub fn of_vitals(origin: &Origin<'a>, samples: &'a [VitalsSample]) -> Vec<Self> {
        let Some(first) = samples.first() else { return Vec::new() };
        let unix_nanos = i64::try_from(first.unix_nanos).unwrap_or(i64::MAX);
        let labels = origin.labels;
        let point = |gpu: &'a str, mig: &'a str, fields| {
            let mut tags = vec![
                ("gpu", gpu),
                ("host", origin.instance),
                ("mig", mig),
                ("service", origin.service),
                ("version", origin.version),
            ];
            tags.extend(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            Self { measurement: "system_metrics", tags, fields, unix_nanos }
        };
        let mut host = Vec::new();
        let (mut resident, mut in_flight) = (None, None);
        let mut gpus = Vec::new();
        for sample in samples {
            match &sample.entity {
                Entity::Host => {
                    push(&mut host, &HOST, sample);
                    in_flight = value(sample, "requests_in_flight").or(in_flight);
                }
                Entity::Process { .. } => {
                    let own = value(sample, "process_resident_memory_bytes");
                    resident = own.map(|bytes| resident.unwrap_or(0.0) + bytes).or(resident);
                }
                Entity::Gpu(name) => {
                    let mut fields = Vec::new();
                    push(&mut fields, &GPU, sample);
                    if !fields.is_empty() {
                        gpus.push(point(&name.gpu, &name.mig, fields));
                    }
                }
                Entity::GpuProcess { .. } => {}
            }
        }
        host.extend(resident.map(|bytes| ("process_resident_memory_mb".into(), Value::Float(bytes / MIB))));
        host.extend(in_flight.map(|calls| ("requests_in_flight".into(), Value::Unsigned(calls as u64))));
        let host = (!host.is_empty()).then(|| point("", "", host));
        host.into_iter().chain(gpus).collect()
    }
}

fn push(fields: &mut Vec<Field<'_>>, names: &[Renamed], sample: &VitalsSample) {
    for (column, field, factor) in names {
        fields.extend(value(sample, column).map(|value| ((*field).into(), Value::Float(value * factor))));
    }
}

fn value(sample: &VitalsSample, column: &str) -> Option<f64> {
    sample.values.iter().find(|(name, _)| *name == column).map(|(_, value)| *value)
}
