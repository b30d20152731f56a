//! Labels, fields and stages as JSON text, and back. The order is kept.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use soundpost_core::{FieldValue, StageTime};

/// An object of these labels.
pub(super) fn labels(labels: &[(String, String)]) -> String {
    object(labels.iter().map(|(name, value)| (name, value.as_str()))).unwrap_or_else(|| "{}".to_owned())
}

/// An object of these fields; `None` for none. A number that JSON has no word for is `null`.
pub(super) fn fields(fields: &[(String, FieldValue)]) -> Option<String> {
    object(fields.iter().map(|(name, value)| (name, Field(value))))
}

/// Stages as three objects by name; `None` for an empty one.
pub(super) struct Stages {
    /// Milliseconds.
    pub(super) ms: Option<String>,
    /// How many there were, of those of which there was not one.
    pub(super) counts: Option<String>,
    /// How many failed, of those of which any did.
    pub(super) failures: Option<String>,
}

/// The objects of these stages.
pub(super) fn stages(stages: &[StageTime]) -> Stages {
    let numbers = |number: fn(&StageTime) -> u32, usual: u32| {
        if stages.iter().all(|stage| number(stage) == usual) {
            return None;
        }
        let unusual = stages.iter().filter(|stage| number(stage) != usual);
        object(unusual.map(|stage| (&stage.name, number(stage))))
    };
    Stages {
        ms: object(stages.iter().map(|stage| (&stage.name, stage.nanos as f64 / 1e6))),
        counts: numbers(|stage| stage.count, 1),
        failures: numbers(|stage| stage.failures, 0),
    }
}

/// Labels of such text.
pub(super) fn read_labels(text: Option<&str>) -> serde_json::Result<Vec<(String, String)>> {
    read(text)
}

/// Fields of such text.
pub(super) fn read_fields(text: Option<&str>) -> serde_json::Result<Vec<(String, FieldValue)>> {
    Ok(read(text)?.into_iter().map(|(name, OwnField(value))| (name, value)).collect())
}

/// Stages of the object of milliseconds.
pub(super) fn read_stages(text: Option<&str>) -> serde_json::Result<Vec<StageTime>> {
    let stage = |(name, ms): (String, f64)| StageTime {
        name,
        count: 1,
        failures: 0,
        nanos: (ms * 1e6).round() as u64,
    };
    Ok(read(text)?.into_iter().map(stage).collect())
}

/// One of the other objects of stages.
pub(super) fn read_counts(text: Option<&str>) -> serde_json::Result<Vec<(String, u32)>> {
    read(text)
}

fn object<'a>(entries: impl Iterator<Item = (&'a String, impl Serialize)>) -> Option<String> {
    let mut entries = entries.peekable();
    entries.peek()?;
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
