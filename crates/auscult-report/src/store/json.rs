//! Labels, fields and stages as JSON text, and back. The order is kept.

use std::fmt;
use std::marker::PhantomData;

use auscult_core::{FieldValue, StageTime};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// An object of these labels; `None` for none.
pub(super) fn labels(labels: &[(String, String)]) -> Option<String> {
    object(labels.iter().map(|(name, value)| (name, value.as_str())))
}

/// An object of these fields; `None` for none. A number that JSON has no word for is `null`.
pub(super) fn fields(fields: &[(String, FieldValue)]) -> Option<String> {
    object(fields.iter().map(|(name, value)| (name, Field(value))))
}

/// An object of these stages, each `{"ms": 12.5}` with `count` and `failures` where there is more than one
/// stage, or a failed one; `None` for none.
pub(super) fn stages(stages: &[StageTime]) -> Option<String> {
    object(stages.iter().map(|stage| (&stage.name, Stage(stage))))
}

/// Labels of such text.
pub(super) fn read_labels(text: Option<&str>) -> serde_json::Result<Vec<(String, String)>> {
    read(text)
}

/// Fields of such text.
pub(super) fn read_fields(text: Option<&str>) -> serde_json::Result<Vec<(String, FieldValue)>> {
    Ok(read(text)?.into_iter().map(|(name, OwnField(value))| (name, value)).collect())
}

/// Stages of such text.
pub(super) fn read_stages(text: Option<&str>) -> serde_json::Result<Vec<StageTime>> {
    let stage = |(name, times): (String, StageFields)| StageTime {
        name,
        count: times.count,
        failures: times.failures,
        nanos: (times.ms * 1e6).round() as u64,
    };
    Ok(read(text)?.into_iter().map(stage).collect())
}

fn object<'a>(entries: impl ExactSizeIterator<Item = (&'a String, impl Serialize)>) -> Option<String> {
    if entries.len() == 0 {
        return None;
    }
    let mut text = Vec::with_capacity(128);
    // Writing to memory cannot fail, and every key is text.
    serde_json::Serializer::new(&mut text).collect_map(entries).ok()?;
    String::from_utf8(text).ok()
}

fn read<T: for<'de> Deserialize<'de>>(text: Option<&str>) -> serde_json::Result<Vec<(String, T)>> {
    match text {
        Some(text) => serde_json::from_str::<Entries<T>>(text).map(|entries| entries.0),
        None => Ok(Vec::new()),
    }
}

struct Field<'a>(&'a FieldValue);

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            FieldValue::Text(text) => serializer.serialize_str(text),
            FieldValue::Int(number) => serializer.serialize_i64(*number),
            FieldValue::Float(number) => serializer.serialize_f64(*number),
            FieldValue::Bool(truth) => serializer.serialize_bool(*truth),
        }
    }
}

struct Stage<'a>(&'a StageTime);

impl Serialize for Stage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ms", &(self.0.nanos as f64 / 1e6))?;
        if self.0.count != 1 {
            map.serialize_entry("count", &self.0.count)?;
        }
        if self.0.failures != 0 {
            map.serialize_entry("failures", &self.0.failures)?;
        }
        map.end()
    }
}

/// An object in the order it was written in.
struct Entries<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Entries<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

struct OwnField(FieldValue);

impl<'de> Deserialize<'de> for OwnField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = OwnField;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text, a number or a truth value")
            }

            fn visit_str<E>(self, text: &str) -> Result<OwnField, E> {
                Ok(OwnField(FieldValue::Text(text.to_owned())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<OwnField, E> {
                Ok(OwnField(FieldValue::Int(number)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<OwnField, E> {
                let whole = i64::try_from(number).map(FieldValue::Int);
                Ok(OwnField(whole.unwrap_or(FieldValue::Float(number as f64))))
            }

            fn visit_f64<E>(self, number: f64) -> Result<OwnField, E> {
                Ok(OwnField(FieldValue::Float(number)))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<OwnField, E> {
                Ok(OwnField(FieldValue::Bool(truth)))
            }

            fn visit_unit<E>(self) -> Result<OwnField, E> {
                Ok(OwnField(FieldValue::Float(f64::NAN)))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}

/// What is written of a stage beside its name.
struct StageFields {
    ms: f64,
    count: u32,
    failures: u32,
}

impl<'de> Deserialize<'de> for StageFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = StageFields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with ms")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StageFields, A::Error> {
                let mut stage = StageFields { ms: 0.0, count: 1, failures: 0 };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "ms" => stage.ms = map.next_value()?,
                        "count" => stage.count = map.next_value()?,
                        "failures" => stage.failures = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(stage)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
