//! Names that sinks use for figures of their own. A caller's label or field of such a name gets a `_` at its end, in
//! every sink and every record, so that a query means the same everywhere.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use soundpost_core::FieldValue;
use soundpost_store::{CALL_COLUMNS, EVENT_COLUMNS};

use super::ERROR;

/// Names around a record's columns: those of Soundpost, and those that a server reserves.
const FRAME: [&str; 27] = [
    "_field",
    "_measurement",
    "error",
    "file",
    "full_message",
    "gpu",
    "host",
    "id",
    "instance",
    "job",
    "level",
    "line",
    "logger",
    "message",
    "mig",
    "node_id",
    "operation",
    "request_id",
    "service",
    "short_message",
    "source",
    "stack",
    "thread",
    "time",
    "timestamp",
    "traceback",
    "version",
];

/// Fields in which the error of a call or log event is recorded.
const RECORDED: [&str; 3] = [ERROR, "error_type", "stack"];

static OWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let columns = CALL_COLUMNS.iter().map(|column| column.name());
    FRAME.into_iter().chain(columns).chain(EVENT_COLUMNS.iter().map(|column| column.name())).collect()
});

/// Returns the name of a stage's figure.
pub(super) fn push_stage(out: &mut String, stage: &str) {
    out.extend(["stage_", stage, "_ms"]);
}

/// Returns the name of a field as sinks write it. Texts under [`RECORDED`] are those of an error and keep their names.
pub(super) fn of_field<'n>(name: &'n str, value: &FieldValue) -> Cow<'n, str> {
    match value {
        FieldValue::Text(_) if RECORDED.contains(&name) => Cow::Borrowed(name),
        _ => of_caller(name),
    }
}

/// Returns a caller's name as sinks write it.
pub(super) fn of_caller(name: &str) -> Cow<'_, str> {
    let is_stage = || name.starts_with("stage_") && name.ends_with("_ms");
    if OWN.contains(name) || is_stage() { Cow::Owned(format!("{name}_")) } else { Cow::Borrowed(name) }
}
