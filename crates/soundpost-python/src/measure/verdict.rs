//! The answer of an `outcome=` function.

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use soundpost::Outcome;

use super::measured::unmeasurable;
use super::result::{Error, Skip};
use crate::exception::Failure;

/// The answer of an `outcome=` function for one item or result.
#[derive(Default)]
pub(crate) struct Verdict {
    /// The item was the last one: a consumer who leaves has all of it.
    pub(crate) is_last: bool,
    /// The item is neither audio nor error.
    pub(crate) is_skipped: bool,
    /// The outcome that the call is marked with.
    pub(crate) mark: Option<Failure>,
}

impl Verdict {
    /// Interprets an answer: `None`, `"last"`, the name of an outcome, an exception, `Skip`, or several of these.
    ///
    /// # Errors
    /// `TypeError` for a value that such a function cannot return.
    pub(crate) fn from_answer(answer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut verdict = Self::default();
        verdict.add(answer)?;
        Ok(verdict)
    }

    fn add(&mut self, answer: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = answer.py();
        // `NotImplemented` stands for a function that raised, which was reported.
        if answer.is_none() || answer.is(py.NotImplemented()) {
            return Ok(());
        }
        if let Ok(several) = answer.cast::<PyTuple>() {
            return several.iter().try_for_each(|answer| self.add(&answer));
        }
        if let Ok(several) = answer.cast::<PyList>() {
            return several.iter().try_for_each(|answer| self.add(&answer));
        }
        if answer.is_instance_of::<Skip>() || answer.is(py.get_type::<Skip>()) {
            self.is_skipped = true;
            return Ok(());
        }
        if let Ok(word) = answer.cast::<PyString>() {
            let word = word.to_string_lossy();
            if word == "last" {
                self.is_last = true;
                return Ok(());
            }
            if let Some(outcome) = Outcome::from_name(&word) {
                self.mark = Some(Failure::of_outcome(outcome));
                return Ok(());
            }
        } else if let Some(failure) = failure_of(answer)? {
            self.mark = Some(failure);
            return Ok(());
        }
        let wanted = "an outcome function returns None, \"last\", the name of an outcome, an exception or soundpost.Skip";
        Err(unmeasurable(answer, wanted))
    }
}

/// Returns the failure of an exception, or of the class `soundpost.Error`; `None` for another object.
fn failure_of(error: &Bound<'_, PyAny>) -> PyResult<Option<Failure>> {
    let py = error.py();
    Ok(if error.is_instance_of::<Error>() || error.is(py.get_type::<Error>()) {
        Some(Failure::from_text(if error.is_instance_of::<Error>() {
            error.str()?.to_string_lossy().into_owned()
        } else {
            String::new()
        }))
    } else if error.is_instance_of::<PyBaseException>() {
        let error = PyErr::from_value(error.clone());
        Some(Failure::new(py, &error).or_invalid(py, &error, None))
    } else {
        None
    })
}

/// Reads what `call.mark` is given: the name of an outcome.
pub(crate) fn outcome(name: &Bound<'_, PyAny>) -> PyResult<Outcome> {
    let known = name.cast::<PyString>().ok().and_then(|name| Outcome::from_name(&name.to_string_lossy()));
    known.ok_or_else(|| unmeasurable(name, "give the name of an outcome, such as \"truncated\""))
}

/// Reads an error as `call.mark` and `call.fail` are given it: an exception, or the text of an error.
pub(crate) fn error(error: &Bound<'_, PyAny>) -> PyResult<Failure> {
    match failure_of(error)? {
        Some(failure) => Ok(failure),
        None => crate::value::with_field_text(&error.str()?, |text| Failure::from_text(text.to_owned())),
    }
}
