//! Python values as numbers, texts, label values and field values.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyMapping, PySlice, PyString};
use pyo3::{Borrowed, intern};
use soundpost::FieldValue;

/// Maximum length in bytes of the text of a field; the core truncates further, after redaction.
const MAX_FIELD_BYTES: usize = 16_384;
/// Maximum number of characters that are read of a name or label value; the core counts and cuts a longer one.
const MAX_NAME_CHARACTERS: usize = 300;
/// Maximum number of label values that are resolved without an allocation.
const STACK_VALUES: usize = 4;

/// A number as a caller gave it: anything that `float()` accepts. The error is for the caller of this crate to report.
pub(crate) struct Number(pub(crate) PyResult<f64>);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = Infallible;

    #[inline]
    fn extract(value: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self(number(&value)))
    }
}

/// A name as a caller gave it; lone surrogates become U+FFFD.
#[derive(Default)]
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        name(&value).map(Self)
    }
}

/// Several names, from any iterable but a text.
#[derive(Default)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl<'py> FromPyObject<'_, 'py> for Texts {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("give a list of texts, not a text"));
        }
        value.try_iter()?.map(|item| name(&item?)).collect::<PyResult<_>>().map(Self)
    }
}

/// Returns a number, as Python's `float()` does.
#[inline]
pub(crate) fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    match value.cast_exact::<PyFloat>() {
        Ok(float) => Ok(float.value()),
        Err(_) => converted(value),
    }
}

fn converted(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if value.is_exact_instance_of::<PyInt>() {
        return value.extract();
    }
    value.py().get_type::<PyFloat>().call1((value,))?.extract()
}

/// Returns the beginning of a name.
///
/// # Errors
/// `TypeError` for an object that is no text.
pub(crate) fn name(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("it was given a {}, not a text", class_of(value))));
    };
    with_text(text, MAX_NAME_CHARACTERS, str::to_owned)
}

/// Returns the name of an object's class.
pub(crate) fn class_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns the pairs of a mapping.
///
/// # Errors
/// `TypeError` for an object that is none, and what its methods raise.
pub(crate) fn pairs<'py>(value: &Bound<'py, PyAny>) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    let Ok(mapping) = value.cast::<PyMapping>() else {
        return Err(PyTypeError::new_err(format!("it was given a {}, not a dict", class_of(value))));
    };
    mapping.items()?.iter().map(|pair| pair.extract()).collect()
}

/// Returns the text of a label value: the string itself, or its `str()`; of a long one only the beginning.
#[inline]
pub(crate) fn text<'py>(value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let text = match value.cast_into_exact::<PyString>() {
        Ok(text) => text,
        Err(other) => other.into_inner().str()?,
    };
    if text.is_exact_instance_of::<PyString>() && text.len()? <= MAX_NAME_CHARACTERS {
        return Ok(text);
    }
    beginning(&text, MAX_NAME_CHARACTERS)
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

/// Calls `use_text` with the beginning of a field's text.
pub(crate) fn with_field_text<R>(
    text: &Bound<'_, PyString>,
    use_text: impl FnOnce(&str) -> R,
) -> PyResult<R> {
    with_text(text, MAX_FIELD_BYTES, |text| use_text(&text[..text.floor_char_boundary(MAX_FIELD_BYTES)]))
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
        return with_field_text(text, |text| Some(FieldValue::from(text)));
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Some(FieldValue::from(truth.is_true())));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Some(match value.extract::<i64>() {
            Ok(number) => FieldValue::from(number),
            Err(_) => return with_field_text(&value.str()?, |text| Some(FieldValue::from(text))),
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
            return Err(PyTypeError::new_err("a field takes a number, a text or a truth value"));
        }
        // The scalar of NumPy as a value of Python, which may be a text, a truth value or a date.
        let item = value.getattr_opt(intern!(py, "item"))?.map(|item| item.call0()).transpose()?;
        return match item {
            Some(item) if !item.hasattr(intern!(py, "shape"))? => field(&item),
            _ => number(value).map(|number| Some(FieldValue::from(number))),
        };
    }
    with_field_text(&value.str()?, |text| Some(FieldValue::from(text)))
}

/// Returns a duration; `None` for a negative or non-finite number of seconds.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
