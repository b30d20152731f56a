//! `multiprocess_mode=` of gauges.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use soundpost::Merge;

/// Values of `multiprocess_mode`.
const MODES: [(&str, Merge); 5] = [
    ("sum", Merge::Sum),
    ("min", Merge::Min),
    ("max", Merge::Max),
    ("mostrecent", Merge::Last),
    ("all", Merge::PerProcess),
];

/// Returns the rule of a mode.
pub(super) fn rule(mode: &str) -> PyResult<Merge> {
    let known = MODES.iter().find(|(name, _)| *name == mode.strip_prefix("live").unwrap_or(mode));
    let refused = || format!("multiprocess_mode: {mode:?} is none of sum, min, max, mostrecent, all");
    known.map(|(_, merge)| *merge).ok_or_else(|| PyValueError::new_err(refused()))
}

/// Returns the mode of a rule.
pub(super) fn mode(merge: Merge) -> &'static str {
    MODES.iter().find(|(_, known)| *known == merge).map_or("sum", |(name, _)| name)
}
