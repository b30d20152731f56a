//! Points of vitals.

use soundpost_store::{Entity, VitalsSample};

use super::{Origin, Point, Value, own_names};

const MIB: f64 = (1u64 << 20) as f64;

impl<'a> Point<'a> {
    /// Returns the points of `system_metrics` of one time: one of the host and the service's processes together, and
    /// one of each GPU. Uses the time of the first sample.
    pub fn of_vitals(origin: &Origin<'a>, samples: &'a [VitalsSample]) -> Vec<Self> {
        let Some(first) = samples.first() else { return Vec::new() };
        let unix_nanos = i64::try_from(first.unix_nanos).unwrap_or(i64::MAX);
        let labels = origin.labels;
        let point = |gpu: &'a str, mig: &'a str, fields| {
            let mut tags = vec![
                ("gpu".into(), gpu),
                ("host".into(), origin.instance),
                ("mig".into(), mig),
                ("service".into(), origin.service),
                ("version".into(), origin.version),
            ];
            tags.extend(labels.iter().map(|(name, value)| (own_names::of_caller(name), value.as_str())));
            Self { measurement: "system_metrics", tags, fields, unix_nanos }
        };
        let field = |(name, value): (&'static str, f64)| (name.into(), Value::Float(value));
        let mut host = Vec::new();
        let (mut resident, mut in_flight) = (None, None);
        let mut gpus = Vec::new();
        for sample in samples {
            match &sample.entity {
                Entity::Host => {
                    host.extend(sample.shipped().map(field));
                    in_flight = sample.value("requests_in_flight").or(in_flight);
                }
                Entity::Process { .. } => {
                    let own = sample.value("process_resident_memory_bytes");
                    resident = own.map(|bytes| resident.unwrap_or(0.0) + bytes).or(resident);
                }
                Entity::Gpu(name) => {
                    let fields: Vec<_> = sample.shipped().map(field).collect();
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
