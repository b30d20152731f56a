//! Python values as label texts and field values.

use std::borrow::Cow;
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PySlice, PyString};
use soundpost::FieldValue;

/// Maximum length in bytes of the text of a field; the core truncates further, after redaction.
const MAX_FIELD_BYTES: usize = 16_384;
/// Maximum number of label values that are resolved without an allocation.
const STACK_VALUES: usize = 4;

/// Returns the text of a label value: the string itself, or its `str()`.
#[inline]
pub(crate) fn text<'py>(value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    match value.cast_into_exact::<PyString>() {
        Ok(text) => Ok(text),
        Err(other) => other.into_inner().str(),
    }
}

/// Calls `use_texts` with the texts of `count` values.
///
/// Lone surrogates, which no wire format can carry, become U+FFFD.
#[inline]
pub(crate) fn with_texts<'py, R>(
    count: usize,
    mut value: impl FnMut(usize) -> PyResult<Option<Bound<'py, PyString>>>,
    use_texts: impl FnOnce(&[&str]) -> R,
) -> PyResult<R> {
    if count == 1 {
        let string = value(0)?;
        return Ok(use_texts(&[&*clean(&string)]));
    }
    if count <= STACK_VALUES {
        let mut strings = [const { None }; STACK_VALUES];
        for (index, slot) in strings.iter_mut().enumerate().take(count) {
            *slot = value(index)?;
        }
        let texts = strings.each_ref().map(clean);
        let texts = texts.each_ref().map(|text| &**text);
        return Ok(use_texts(&texts[..count]));
    }
    let strings = (0..count).map(value).collect::<PyResult<Vec<_>>>()?;
    let texts: Vec<Cow<'_, str>> = strings.iter().map(clean).collect();
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    Ok(use_texts(&texts))
}

#[inline]
fn clean<'a>(string: &'a Option<Bound<'_, PyString>>) -> Cow<'a, str> {
    string.as_ref().map_or(Cow::Borrowed(""), |string| string.to_string_lossy())
}

/// Calls `use_text` with the first `most` characters of a text, without converting the rest.
#[inline]
pub(crate) fn with_text<R>(
    text: &Bound<'_, PyString>,
    most: usize,
    use_text: impl FnOnce(&str) -> R,
) -> PyResult<R> {
    if text.is_exact_instance_of::<PyString>() && text.len()? <= most {
        return Ok(use_text(&text.to_string_lossy()));
    }
    beginning(text, most).map(|beginning| use_text(&beginning.to_string_lossy()))
}

/// Returns the first characters, also of a subclass that overrides slicing.
#[cold]
fn beginning<'py>(text: &Bound<'py, PyString>, most: usize) -> PyResult<Bound<'py, PyString>> {
    let py = text.py();
    let slice = PySlice::new(py, 0, most.try_into()?, 1);
    let beginning = py.get_type::<PyString>().call_method1(intern!(py, "__getitem__"), (text, slice))?;
    Ok(beginning.cast_into::<PyString>()?)
}

/// Returns a field's value; `None` for Python's `None`, which is left out.
///
/// # Errors
/// `TypeError` for an array or tensor, whose value would have to be copied from its device.
pub(crate) fn field(value: &Bound<'_, PyAny>) -> PyResult<Option<FieldValue>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return with_text(text, MAX_FIELD_BYTES, |text| Some(FieldValue::from(shortened(text))));
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Some(FieldValue::from(truth.is_true())));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Some(match value.extract::<i64>() {
            Ok(number) => FieldValue::from(number),
            Err(_) => FieldValue::from(shortened(&value.str()?.to_string_lossy())),
        }));
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Some(FieldValue::from(value.extract::<f64>()?)));
    }
    let py = value.py();
    if value.hasattr(intern!(py, "shape"))? {
        let scalar = value.getattr(intern!(py, "shape"))?.len().is_ok_and(|dimensions| dimensions == 0);
        let on_device = value.hasattr(intern!(py, "is_cuda"))?;
        if !scalar || on_device {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "a field takes a number, a text or a truth value",
            ));
        }
        return Ok(Some(match value.extract::<i64>() {
            Ok(number) => FieldValue::from(number),
            Err(_) => FieldValue::from(value.extract::<f64>()?),
        }));
    }
    with_text(&value.str()?, MAX_FIELD_BYTES, |text| Some(FieldValue::from(shortened(text))))
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_FIELD_BYTES)]
}

/// Returns a duration; `None` for a negative or non-finite number of seconds.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
