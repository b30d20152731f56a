//! Kinds of sinks, for the classes that Python makes of them.

use pyo3::prelude::*;
use soundpost::sink::{KINDS, TargetForm};

/// Class, kind, description, whether the target is a path, and options (name, type, description) of a sink.
type SinkClass = (&'static str, &'static str, &'static str, bool, Vec<(&'static str, &'static str, String)>);

/// Returns the kinds of sinks.
#[pyfunction]
pub(crate) fn sink_kinds() -> Vec<SinkClass> {
    let class = |kind: &soundpost::sink::RegisteredKind| {
        let options = kind.options().into_iter().map(|option| {
            let description = format!("{} Default: {}.", option.help.trim(), option.default);
            (option.name, option.python, description)
        });
        (kind.class, kind.name, kind.about, kind.target == TargetForm::Path, options.collect())
    };
    KINDS.iter().map(class).collect()
}
