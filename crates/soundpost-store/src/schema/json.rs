//! Labels, fields and stages as JSON objects, in their order.

use std::fmt;
use std::marker::PhantomData;

use rusqlite::types::{FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use soundpost_core::{FieldValue, StageTime};

/// Returns an object of labels.
pub(crate) fn labels(labels: &[(String, String)]) -> String {
    object(labels.iter().map(|(name, value)| (name, value.as_str()))).unwrap_or_else(|| "{}".to_owned())
}

/// Returns an object of fields, `None` without fields. A number that JSON cannot express is `null`.
pub(super) fn fields(fields: &[(String, FieldValue)]) -> Option<String> {
    object(fields.iter().map(|(name, value)| (name, Field(value))))
}

/// Returns an object of milliseconds by stage; `None` without stages.
pub(super) fn stage_times(stages: &[StageTime]) -> Option<String> {
    object(stages.iter().map(|stage| (&stage.name, stage.nanos as f64 / 1e6)))
}

/// Returns an object of the stages that were entered more than once.
pub(super) fn stage_counts(stages: &[StageTime]) -> Option<String> {
    object(stages.iter().filter(|stage| stage.count != 1).map(|stage| (&stage.name, stage.count)))
}

/// Returns an object of the stages that failed.
pub(super) fn stage_failures(stages: &[StageTime]) -> Option<String> {
    object(stages.iter().filter(|stage| stage.failures > 0).map(|stage| (&stage.name, stage.failures)))
}

/// Returns the column of an object.
pub(super) fn output(object: Option<String>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(object.map_or(Value::Null, Value::Text))
}

/// Reads a column of JSON.
pub(crate) fn read<T>(
    value: ValueRef<'_>,
    parse: fn(Option<&str>) -> serde_json::Result<T>,
) -> FromSqlResult<T> {
    parse(value.as_str_or_null()?).map_err(FromSqlError::other)
}

/// Returns the labels of an object.
pub(crate) fn read_labels(text: Option<&str>) -> serde_json::Result<Vec<(String, String)>> {
    entries(text)
}

/// Returns the fields of an object.
pub(super) fn read_fields(text: Option<&str>) -> serde_json::Result<Vec<(String, FieldValue)>> {
    Ok(entries(text)?.into_iter().map(|(name, OwnedField(value))| (name, value)).collect())
}

/// Returns the stages of an object of milliseconds, each entered once.
pub(super) fn read_stage_times(text: Option<&str>) -> serde_json::Result<Vec<StageTime>> {
    let stage = |(name, ms): (String, f64)| StageTime {
        name,
        count: 1,
        failures: 0,
        nanos: (ms * 1e6).round() as u64,
    };
    Ok(entries(text)?.into_iter().map(stage).collect())
}

/// Sets a number of the stages that an object names.
pub(super) fn read_counts(
    value: ValueRef<'_>,
    stages: &mut [StageTime],
    set: fn(&mut StageTime, u32),
) -> FromSqlResult<()> {
    for (name, count) in read(value, entries::<u32>)? {
        stages.iter_mut().filter(|stage| stage.name == name).for_each(|stage| set(stage, count));
    }
    Ok(())
}

fn object<'a>(entries: impl Iterator<Item = (&'a String, impl Serialize)>) -> Option<String> {
    let mut entries = entries.peekable();
    entries.peek()?;
    let mut text = Vec::with_capacity(128);
    // Writing to memory does not fail, and every key is text.
    serde_json::Serializer::new(&mut text).collect_map(entries).ok()?;
    String::from_utf8(text).ok()
}

fn entries<T: for<'de> Deserialize<'de>>(text: Option<&str>) -> serde_json::Result<Vec<(String, T)>> {
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

/// Entries of an object, in their order.
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

struct OwnedField(FieldValue);

impl<'de> Deserialize<'de> for OwnedField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = OwnedField;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text, a number or a truth value")
            }

            fn visit_str<E>(self, text: &str) -> Result<OwnedField, E> {
                Ok(OwnedField(FieldValue::Text(text.to_owned())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<OwnedField, E> {
                Ok(OwnedField(FieldValue::Int(number)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<OwnedField, E> {
                let whole = i64::try_from(number).map(FieldValue::Int);
                Ok(OwnedField(whole.unwrap_or(FieldValue::Float(number as f64))))
            }

            fn visit_f64<E>(self, number: f64) -> Result<OwnedField, E> {
                Ok(OwnedField(FieldValue::Float(number)))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<OwnedField, E> {
                Ok(OwnedField(FieldValue::Bool(truth)))
            }

            fn visit_unit<E>(self) -> Result<OwnedField, E> {
                Ok(OwnedField(FieldValue::Float(f64::NAN)))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
