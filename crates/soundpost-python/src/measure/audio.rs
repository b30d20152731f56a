//! The length of audio in Python objects, from shapes and lengths: nothing is copied, moved between devices or
//! consumed.

use std::path::Path;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple, PyType,
};
use pyo3::{PyTraverseError, PyVisit};

use super::header::{self, Length};
use super::measured::{Measured, unmeasurable};
use crate::import;

/// Maximum sample of silence, as a share of full scale: -60 dBFS.
const SILENCE_RATIO: f64 = 0.001;
/// Maximum depth of nested lists.
const MAX_DEPTH: usize = 4;

/// A measure of audio, as `soundpost.audio` creates it.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Measure {
    sample_rate: Option<f64>,
    key: Option<Py<PyAny>>,
    /// Bytes per sample of raw PCM.
    sample_width: usize,
    channels: usize,
    silence: bool,
}

#[pymethods]
impl Measure {
    #[new]
    #[pyo3(signature = (sample_rate=None, key=None, sample_width=2, channels=1, silence=false))]
    fn new(
        sample_rate: Option<f64>,
        key: Option<Py<PyAny>>,
        sample_width: usize,
        channels: usize,
        silence: bool,
    ) -> PyResult<Self> {
        if sample_rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err(PyValueError::new_err("sample_rate: give samples a second, such as 24000"));
        }
        if !(1..=8).contains(&sample_width) {
            return Err(PyValueError::new_err("sample_width: give bytes a sample, 1 to 8"));
        }
        if !(1..=64).contains(&channels) {
            return Err(PyValueError::new_err("channels: give 1 to 64"));
        }
        Ok(Self { sample_rate, key, sample_width, channels, silence })
    }

    /// Measures one item. Returns `Audio`, `Skip()`, an `Error`, or `None` for no output.
    ///
    /// Raises `TypeError` for an item that cannot be measured.
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.measure(item, true)?.into_answer(py)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let Self { sample_rate, key, sample_width, channels, silence } = slf.get();
        let arguments = (sample_rate, key, sample_width, channels, silence).into_pyobject(slf.py())?;
        Ok((slf.get_type(), arguments))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key)
    }
}

impl Measure {
    /// Measures `item`, and checks it for silence if the user asked for that and `check_silence` is true.
    ///
    /// # Errors
    /// `TypeError` for an item that cannot be measured.
    pub(crate) fn measure(&self, item: &Bound<'_, PyAny>, check_silence: bool) -> PyResult<Measured> {
        if item.is_none() {
            return Ok(Measured::Nothing);
        }
        self.measure_any(item, self.sample_rate, check_silence && self.silence, 0)
    }

    fn measure_any(
        &self,
        item: &Bound<'_, PyAny>,
        rate: Option<f64>,
        check_silence: bool,
        depth: usize,
    ) -> PyResult<Measured> {
        let py = item.py();
        if let Ok(bytes) = item.cast::<PyBytes>() {
            return self.measure_bytes(bytes.as_bytes(), rate, check_silence, item);
        }
        if let Ok(items) = item.cast::<PyDict>() {
            let Some(key) = &self.key else { return Err(unmeasurable(item, "give key=")) };
            return match items.get_item(key.bind(py))? {
                Some(inner) => self.measure_inner(&inner, rate, check_silence, depth),
                None => Ok(Measured::Skip),
            };
        }
        if let Ok(items) = item.cast::<PyTuple>() {
            if let Some((rate, inner)) = rate_and_array(items)? {
                return self.measure_inner(&inner, Some(rate), check_silence, depth);
            }
            return self.measure_all(items.iter(), rate, check_silence, depth);
        }
        if let Ok(items) = item.cast::<PyList>() {
            return self.measure_all(items.iter(), rate, check_silence, depth);
        }
        if item.is_instance_of::<PyByteArray>() || item.is_instance_of::<PyMemoryView>() {
            let length = match attribute(item, intern!(py, "nbytes"))? {
                Some(bytes) => bytes.extract()?,
                None => item.len()?,
            };
            return self.seconds_of_bytes(length, rate, item);
        }
        if let Some(shape) = attribute(item, intern!(py, "shape"))? {
            return self.measure_array(item, &shape, rate, check_silence);
        }
        if item.is_instance_of::<PyBool>() {
            return Ok(if item.is_truthy()? {
                Measured::Skip
            } else {
                Measured::Error("returned False".to_owned())
            });
        }
        if item.is_instance_of::<PyInt>() {
            let failed = item.lt(0)?;
            return Ok(if failed {
                Measured::Error(format!("returned {}", item.str()?))
            } else {
                Measured::Skip
            });
        }
        if item.is_instance_of::<PyString>() || item.hasattr(intern!(py, "__fspath__"))? {
            return measure_file(item);
        }
        if let Some(key) = self.key.as_ref().and_then(|key| key.bind(py).cast::<PyString>().ok()) {
            return match attribute(item, key)? {
                Some(inner) => self.measure_inner(&inner, rate, check_silence, depth),
                None => Ok(Measured::Skip),
            };
        }
        Err(unmeasurable(item, "give a function as audio="))
    }

    fn measure_inner(
        &self,
        item: &Bound<'_, PyAny>,
        rate: Option<f64>,
        check_silence: bool,
        depth: usize,
    ) -> PyResult<Measured> {
        if item.is_none() {
            return Ok(Measured::Skip);
        }
        if depth == MAX_DEPTH {
            return Err(unmeasurable(item, "it lies too deep in lists"));
        }
        self.measure_any(item, rate, check_silence, depth + 1)
    }

    /// Adds up several pieces.
    fn measure_all<'py>(
        &self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        rate: Option<f64>,
        check_silence: bool,
        depth: usize,
    ) -> PyResult<Measured> {
        let (mut seconds, mut silent, mut output) = (0.0, true, false);
        for item in items {
            match self.measure_inner(&item, rate, check_silence && silent, depth)? {
                Measured::Seconds(more) => {
                    seconds += more;
                    silent = false;
                }
                Measured::Silence(more) => seconds += more,
                Measured::Output => output = true,
                Measured::Skip | Measured::Nothing => {}
                error @ Measured::Error(_) => return Ok(error),
            }
        }
        Ok(match Measured::from_seconds(seconds)? {
            measured @ Measured::Seconds(_) if silent => measured.into_silence(),
            Measured::Nothing if output => Measured::Output,
            measured => measured,
        })
    }

    /// Measures an array or tensor: `[N]`, `[channels, N]` or `[N, channels]`; the longest axis is time.
    fn measure_array(
        &self,
        item: &Bound<'_, PyAny>,
        shape: &Bound<'_, PyAny>,
        rate: Option<f64>,
        check_silence: bool,
    ) -> PyResult<Measured> {
        let Ok(shape) = shape.cast::<PyTuple>() else {
            return Err(unmeasurable(item, "its shape is no tuple"));
        };
        let (mut samples, mut empty) = (0_u64, shape.is_empty());
        for axis in 0..shape.len() {
            let length: u64 = shape.get_borrowed_item(axis)?.extract()?;
            empty |= length == 0;
            samples = samples.max(length);
        }
        if empty {
            return Ok(Measured::Nothing);
        }
        let Some(rate) = rate else { return Err(unmeasurable(item, "give sample_rate=")) };
        let seconds = samples as f64 / rate;
        Ok(if check_silence && array_is_silent(item)? {
            Measured::Silence(seconds)
        } else {
            Measured::Seconds(seconds)
        })
    }

    fn measure_bytes(
        &self,
        bytes: &[u8],
        rate: Option<f64>,
        check_silence: bool,
        item: &Bound<'_, PyAny>,
    ) -> PyResult<Measured> {
        if let Some(length) = header::length_of_bytes(bytes) {
            return Ok(match length {
                // A header sent ahead of the samples.
                Length::Seconds(0.0) => Measured::Skip,
                Length::Seconds(seconds) => Measured::Seconds(seconds),
                Length::Unknown => Measured::Output,
            });
        }
        let measured = self.seconds_of_bytes(bytes.len(), rate, item)?;
        Ok(match measured {
            Measured::Seconds(seconds) if check_silence && self.sample_width == 2 && pcm_is_silent(bytes) => {
                Measured::Silence(seconds)
            }
            measured => measured,
        })
    }

    fn seconds_of_bytes(
        &self,
        bytes: usize,
        rate: Option<f64>,
        item: &Bound<'_, PyAny>,
    ) -> PyResult<Measured> {
        let samples = bytes / (self.sample_width * self.channels);
        if samples == 0 {
            return Ok(Measured::Nothing);
        }
        let Some(rate) = rate else { return Err(unmeasurable(item, "give sample_rate=")) };
        Ok(Measured::Seconds(samples as f64 / rate))
    }
}

/// Returns the parts of `(rate, array)`, the pair that Gradio and several engines use.
fn rate_and_array<'py>(pair: &Bound<'py, PyTuple>) -> PyResult<Option<(f64, Bound<'py, PyAny>)>> {
    if pair.len() != 2 {
        return Ok(None);
    }
    let (rate, inner) = (pair.get_item(0)?, pair.get_item(1)?);
    let number = rate.is_instance_of::<PyInt>() || rate.is_instance_of::<PyFloat>();
    let rate = if number { rate.extract::<f64>()? } else { 0.0 };
    Ok((rate.is_finite() && rate > 0.0).then_some((rate, inner)))
}

fn attribute<'py>(
    item: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    item.getattr_opt(name)
}

/// Returns whether the highest and lowest sample are below -60 dBFS; false for a tensor outside the CPU's memory.
fn array_is_silent(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = item.py();
    if let Some(device) = attribute(item, intern!(py, "device"))?
        && device.str()?.to_string_lossy() != "cpu"
    {
        return Ok(false);
    }
    let full_scale = match &*item.getattr(intern!(py, "dtype"))?.str()?.to_string_lossy() {
        kind if kind.ends_with("int8") => f64::from(1_u32 << 7),
        kind if kind.ends_with("int16") => f64::from(1_u32 << 15),
        kind if kind.ends_with("int32") => f64::from(1_u32 << 31),
        _ => 1.0,
    };
    // PyTorch warns where a number is taken from a tensor that is being differentiated.
    let differentiated = attribute(item, intern!(py, "requires_grad"))?.map(|grad| grad.is_truthy());
    let item = match differentiated.transpose()? {
        Some(true) => &item.call_method0(intern!(py, "detach"))?,
        _ => item,
    };
    let highest: f64 = item.call_method0(intern!(py, "max"))?.extract()?;
    let lowest: f64 = item.call_method0(intern!(py, "min"))?.extract()?;
    Ok(highest.max(-lowest) < full_scale * SILENCE_RATIO)
}

fn pcm_is_silent(bytes: &[u8]) -> bool {
    let limit = (f64::from(1_u32 << 15) * SILENCE_RATIO) as u16;
    let (samples, _) = bytes.as_chunks::<2>();
    samples.iter().all(|sample| i16::from_le_bytes(*sample).unsigned_abs() <= limit)
}

/// Measures a file; a missing or empty one is no output.
fn measure_file(path: &Bound<'_, PyAny>) -> PyResult<Measured> {
    let py = path.py();
    // A text that cannot be a path is the path of no file.
    let Ok(path) = import::object(py, intern!(py, "os"), intern!(py, "fsencode"))?.call1((path,)) else {
        return Ok(Measured::Nothing);
    };
    let path = path.cast::<PyBytes>()?.as_bytes().to_owned();
    Ok(py.detach(|| {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(&path));
        match header::length_of_file(path) {
            Some(Length::Seconds(0.0)) | None => Measured::Nothing,
            Some(Length::Seconds(seconds)) => Measured::Seconds(seconds),
            Some(Length::Unknown) => Measured::Output,
        }
    }))
}
