//! The length of audio in Python objects, from shapes, lengths and headers: nothing is copied, moved between devices
//! or consumed.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple, PyType,
};
use pyo3::{PyTraverseError, PyVisit};
use soundpost::AudioLevels;

use super::measured::{Measured, unmeasurable};
use super::samples::{is_silent_array, levels_of_array, with_buffer};
use super::source::{Pass, Rules};
use super::text::Text;

/// Maximum depth of nested lists.
const MAX_DEPTH: usize = 4;

/// A measure of audio, as `soundpost.audio` and `soundpost.video` create it.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Measure {
    sample_rate: Option<f64>,
    key: Option<Py<PyAny>>,
    /// Bytes per sample of raw PCM.
    sample_width: usize,
    channels: usize,
    silence: bool,
    batch_axis: Option<isize>,
    /// Full scale of samples that are floats.
    full_scale: Option<f64>,
    quality: bool,
    video: bool,
}

#[pymethods]
impl Measure {
    #[new]
    #[pyo3(signature = (
        sample_rate=None, key=None, sample_width=2, channels=1, silence=false, batch_axis=None, full_scale=None,
        quality=false, video=false
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        sample_rate: Option<f64>,
        key: Option<Py<PyAny>>,
        sample_width: usize,
        channels: usize,
        silence: bool,
        batch_axis: Option<isize>,
        full_scale: Option<f64>,
        quality: bool,
        video: bool,
    ) -> PyResult<Self> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        if sample_rate.is_some_and(|rate| !is_positive(rate)) {
            return Err(PyValueError::new_err("sample_rate: give samples a second, such as 24000"));
        }
        if !(1..=8).contains(&sample_width) {
            return Err(PyValueError::new_err("sample_width: give bytes a sample, 1 to 8"));
        }
        if !(1..=64).contains(&channels) {
            return Err(PyValueError::new_err("channels: give 1 to 64"));
        }
        if full_scale.is_some_and(|scale| !is_positive(scale)) {
            return Err(PyValueError::new_err("full_scale: give the largest sample, such as 32768"));
        }
        Ok(Self { sample_rate, key, sample_width, channels, silence, batch_axis, full_scale, quality, video })
    }

    /// Measures one item. Returns `Audio`, `Video`, `Skip()`, an `Error`, or `None` for no output.
    ///
    /// Raises `TypeError` for an item that cannot be measured.
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let is_encoded = AtomicBool::new(false);
        let levels = AudioLevels::default();
        self.measure(item, &mut Pass { check_silence: true, is_encoded: &is_encoded, levels })?
            .into_answer(py)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let measure = slf.get();
        let Self { sample_rate, key, sample_width, channels, silence, .. } = measure;
        let Self { batch_axis, full_scale, quality, video, .. } = measure;
        let arguments =
            (sample_rate, key, sample_width, channels, silence, batch_axis, full_scale, quality, video)
                .into_pyobject(slf.py())?;
        Ok((slf.get_type(), arguments))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key)
    }
}

impl Measure {
    /// Measures `item`. Checks it for silence if the user asked for that and the pass does.
    ///
    /// # Errors
    /// `TypeError` for an item that cannot be measured.
    pub(crate) fn measure(&self, item: &Bound<'_, PyAny>, pass: &mut Pass<'_>) -> PyResult<Measured> {
        pass.check_silence &= self.silence;
        self.measure_inner(item, self.sample_rate, pass, 0)
    }

    fn measure_inner(
        &self,
        item: &Bound<'_, PyAny>,
        rate: Option<f64>,
        pass: &mut Pass<'_>,
        depth: usize,
    ) -> PyResult<Measured> {
        if item.is_none() {
            return Ok(Measured::Nothing);
        }
        if depth > MAX_DEPTH {
            return Err(unmeasurable(item, "it lies too deep in lists"));
        }
        self.measure_any(item, rate, pass, depth)
    }

    fn measure_any(
        &self,
        item: &Bound<'_, PyAny>,
        rate: Option<f64>,
        pass: &mut Pass<'_>,
        depth: usize,
    ) -> PyResult<Measured> {
        let (py, rules) = (item.py(), self.rules(rate));
        let or_error = |measured: Result<Measured, String>| measured.map_err(|why| unmeasurable(item, &why));
        if let Ok(bytes) = item.cast::<PyBytes>() {
            return or_error(rules.measure_bytes(bytes.as_bytes(), pass));
        }
        if let Ok(items) = item.cast::<PyDict>() {
            let Some(key) = &self.key else { return Err(unmeasurable(item, "give key=")) };
            let inner = items.get_item(key.bind(py))?;
            return inner
                .map_or(Ok(Measured::Absent), |inner| self.measure_inner(&inner, rate, pass, depth + 1));
        }
        if let Ok(items) = item.cast::<PyTuple>() {
            return self.measure_tuple(items, rate, pass, depth);
        }
        if let Ok(items) = item.cast::<PyList>() {
            return self.measure_all(items.iter(), rate, pass, depth);
        }
        if item.is_instance_of::<PyByteArray>() || item.is_instance_of::<PyMemoryView>() {
            let measured = with_buffer(item, |bytes, _| rules.measure_bytes(bytes, pass));
            let length = || match item.getattr_opt(intern!(py, "nbytes"))? {
                Some(bytes) => bytes.extract(),
                None => item.len(),
            };
            return match measured {
                Some(measured) => or_error(measured),
                None => or_error(rules.seconds_of(length()?)),
            };
        }
        if let Some(shape) = item.getattr_opt(intern!(py, "shape"))? {
            return self.measure_array(item, &shape, rate, pass);
        }
        if item.is_instance_of::<PyBool>() || item.is_instance_of::<PyInt>() {
            let is_error = if item.is_instance_of::<PyBool>() { !item.is_truthy()? } else { item.lt(0)? };
            return Ok(if is_error {
                Measured::Error(format!("returned {}", item.str()?))
            } else {
                Measured::Skip
            });
        }
        if let Ok(text) = item.cast::<PyString>() {
            return match Text::of(text) {
                Text::Path => self.measure_file(item, pass),
                Text::Output => Ok(Measured::Output),
                Text::Nothing => Ok(Measured::Nothing),
            };
        }
        if item.hasattr(intern!(py, "__fspath__"))? {
            return self.measure_file(item, pass);
        }
        if let Some(key) = self.key.as_ref().and_then(|key| key.bind(py).cast::<PyString>().ok()) {
            let inner = item.getattr_opt(key)?;
            return inner
                .map_or(Ok(Measured::Absent), |inner| self.measure_inner(&inner, rate, pass, depth + 1));
        }
        Err(unmeasurable(item, "give a function as audio="))
    }

    fn rules(&self, rate: Option<f64>) -> Rules {
        let (width, channels) = (self.sample_width, self.channels);
        Rules { rate, width, channels, quality: self.quality, video: self.video }
    }

    /// Measures a tuple: the audio at the position or attribute `key`, the audio beside a sample rate, or the pieces
    /// that are like the first.
    fn measure_tuple(
        &self,
        items: &Bound<'_, PyTuple>,
        rate: Option<f64>,
        pass: &mut Pass<'_>,
        depth: usize,
    ) -> PyResult<Measured> {
        let py = items.py();
        if let Some(key) = &self.key {
            let key = key.bind(py);
            let inner = match (key.extract::<usize>(), key.cast::<PyString>()) {
                (Ok(position), _) if !key.is_instance_of::<PyBool>() => Some(items.get_item(position).ok()),
                (_, Ok(name)) => items.getattr_opt(name)?.map(Some),
                _ => None,
            };
            // Without such an attribute, each item is looked at.
            if let Some(inner) = inner {
                let own = self.rate_in(items)?.or(rate);
                return inner
                    .map_or(Ok(Measured::Absent), |inner| self.measure_inner(&inner, own, pass, depth + 1));
            }
        }
        if let Some(own) = self.rate_in(items)? {
            for inner in items {
                if as_rate(&inner)?.is_none() {
                    return self.measure_inner(&inner, Some(own), pass, depth + 1);
                }
            }
        }
        let Ok(first) = items.get_item(0) else { return Ok(Measured::Nothing) };
        let like = kind_of(&first)?;
        let mut pieces = Vec::with_capacity(items.len());
        for inner in items {
            if kind_of(&inner)? == like {
                pieces.push(inner);
            }
        }
        self.measure_all(pieces.into_iter(), rate, pass, depth)
    }

    /// Returns the sample rate that a tuple carries beside its audio.
    fn rate_in(&self, items: &Bound<'_, PyTuple>) -> PyResult<Option<f64>> {
        if items.len() < 2 {
            return Ok(None);
        }
        let mut rate = None;
        let mut has_other = false;
        for item in items {
            match as_rate(&item)? {
                Some(found) => rate = rate.or(Some(found)),
                None => has_other = true,
            }
        }
        Ok(rate.filter(|_| has_other))
    }

    /// Adds up several pieces.
    fn measure_all<'py>(
        &self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        rate: Option<f64>,
        pass: &mut Pass<'_>,
        depth: usize,
    ) -> PyResult<Measured> {
        let (mut seconds, mut videos, mut silent) = (0.0, 0.0, true);
        let (mut output, mut encoded) = (false, false);
        for item in items {
            match self.measure_inner(&item, rate, pass, depth + 1)? {
                Measured::Seconds(more) => {
                    seconds += more;
                    silent = false;
                    pass.check_silence = false;
                }
                Measured::Silence(more) => seconds += more,
                Measured::Video { audio, video } => {
                    seconds += audio;
                    videos += video;
                }
                Measured::Output => output = true,
                Measured::Encoded => encoded = true,
                Measured::Skip | Measured::Nothing | Measured::Absent => {}
                error @ Measured::Error(_) => return Ok(error),
            }
        }
        Ok(match Measured::from_seconds(seconds)? {
            _ if encoded => Measured::Encoded,
            _ if videos > 0.0 => Measured::Video { audio: seconds, video: videos },
            measured @ Measured::Seconds(_) if silent => measured.into_silence(),
            Measured::Nothing if output => Measured::Output,
            measured => measured,
        })
    }

    /// Measures an array or tensor: `[N]`, `[channels, N]` or `[N, channels]`; the longest axis is time, other than
    /// that of a batch, whose items follow each other.
    fn measure_array(
        &self,
        item: &Bound<'_, PyAny>,
        shape: &Bound<'_, PyAny>,
        rate: Option<f64>,
        pass: &mut Pass<'_>,
    ) -> PyResult<Measured> {
        let Ok(shape) = shape.cast::<PyTuple>() else {
            return Err(unmeasurable(item, "its shape is no tuple"));
        };
        let batch_axis = self.batch_axis.filter(|_| shape.len() > 1);
        let batch_axis = batch_axis.map(|axis| if axis < 0 { axis + shape.len() as isize } else { axis });
        let (mut samples, mut batch, mut is_empty) = (0_u64, 1_u64, shape.is_empty());
        for axis in 0..shape.len() {
            let length: u64 = shape.get_borrowed_item(axis)?.extract()?;
            is_empty |= length == 0;
            if batch_axis == Some(axis as isize) {
                batch = length;
            } else {
                samples = samples.max(length);
            }
        }
        if is_empty {
            return Ok(Measured::Nothing);
        }
        let Some(rate) = rate else { return Err(unmeasurable(item, "give sample_rate=")) };
        let measured = Measured::Seconds((samples * batch) as f64 / rate);
        if self.quality
            && let Some(levels) = levels_of_array(item, self.full_scale.unwrap_or(1.0))?
        {
            return Ok(self.rules(None).judged(measured, levels, pass));
        }
        let is_silent = pass.check_silence && is_silent_array(item, self.full_scale)?;
        Ok(if is_silent { measured.into_silence() } else { measured })
    }

    fn measure_file(&self, path: &Bound<'_, PyAny>, pass: &mut Pass<'_>) -> PyResult<Measured> {
        use std::os::unix::ffi::OsStrExt;
        let (py, rules) = (path.py(), self.rules(self.sample_rate));
        // A text that cannot be a path is the path of no file.
        let Ok(path) = py.import(intern!(py, "os"))?.call_method1(intern!(py, "fsencode"), (path,)) else {
            return Ok(Measured::Nothing);
        };
        let path = path.cast::<PyBytes>()?.as_bytes().to_owned();
        Ok(py.detach(|| rules.measure_file(Path::new(std::ffi::OsStr::from_bytes(&path)), pass)))
    }
}

/// Returns a number of any integer type, or an integral float, as a sample rate.
fn as_rate(item: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let py = item.py();
    let is_number = if item.is_instance_of::<PyBool>() || item.is_none() {
        false
    } else if item.is_instance_of::<PyInt>() || item.is_instance_of::<PyFloat>() {
        true
    } else {
        // A scalar of NumPy; a tensor on another device would have to be waited for.
        item.getattr_opt(intern!(py, "shape"))?.is_some_and(|shape| shape.len().is_ok_and(|axes| axes == 0))
            && !item.hasattr(intern!(py, "is_cuda"))?
    };
    let number = if is_number { item.extract::<f64>().unwrap_or(0.0) } else { 0.0 };
    Ok((number.is_finite() && number > 0.0 && number.fract() == 0.0).then_some(number))
}

/// Returns the class of an item, and the number of axes longer than 1 of an array.
fn kind_of(item: &Bound<'_, PyAny>) -> PyResult<(usize, usize)> {
    let shape = item.getattr_opt(intern!(item.py(), "shape"))?;
    let axes = shape.and_then(|shape| shape.cast_into::<PyTuple>().ok()).map_or(0, |shape| {
        shape.iter().filter(|length| length.extract::<u64>().is_ok_and(|length| length > 1)).count()
    });
    Ok((item.get_type_ptr().addr(), axes))
}
