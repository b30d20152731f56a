//! Labels, fields and stages as JSON objects, in their order.

use std::fmt;
use std::marker::PhantomData;

use rusqlite::types::{FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use soundpost_core::{FieldValue, StageTime};

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

pub(super) fn output(object: Option<String>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(object.map_or(Value::Null, Value::Text))
}

pub(crate) fn read<T>(
    value: ValueRef<'_>,
    parse: fn(Option<&str>) -> serde_json::Result<T>,
) -> FromSqlResult<T> {
    parse(value.as_str_or_null()?).map_err(FromSqlError::other)
}

pub(crate) fn read_labels(text: Option<&str>) -> serde_json::Result<Vec<(String, String)>> {
    entries(text)
}

pub(super) fn read_fields(text: Option<&str>) -> serde_json::Result<Vec<(String, FieldValue)>> {
    let field = |(name, value): (String, serde_json::Value)| {
        let value = match value {
            serde_json::Value::String(text) => FieldValue::Text(text),
            serde_json::Value::Bool(truth) => FieldValue::Bool(truth),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(whole) => FieldValue::Int(whole),
                None => FieldValue::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::Null => FieldValue::Float(f64::NAN),
            _ => return Err(serde_json::Error::custom("not text, a number or a truth value")),
        };
        Ok((name, value))
    };
    entries(text)?.into_iter().map(field).collect()
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
