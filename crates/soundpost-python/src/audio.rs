//! How long the audio is that a call gave back. Only shapes and lengths are read: nothing is copied, moved
//! between devices, or consumed.

use std::path::Path;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple,
};
use pyo3::{PyTraverseError, PyVisit};

use crate::file;
use crate::result::{Audio, Error, Skip};

/// Below this share of full scale throughout is silence: -60 dBFS.
const SILENCE: f64 = 0.001;
/// Lists in lists deeper than this are not followed.
const MAX_DEPTH: usize = 4;

/// What one returned or yielded item is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// Audio of so many seconds, more than 0.
    Seconds(f64),
    /// The same, and silence throughout.
    Silence(f64),
    /// Output whose length cannot be told, such as a video file.
    Output,
    /// Neither audio nor error.
    Skip,
    /// No output: `None`, zero samples, a missing or empty file.
    Nothing,
    /// An error that was returned and not raised.
    Error(String),
}

/// How to measure: made by `soundpost.audio`.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Measure {
    sample_rate: Option<f64>,
    key: Option<Py<PyAny>>,
    /// Bytes of a sample of raw PCM.
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

    /// Measures one item: `Audio`, `Skip()`, an `Error`, or `None` where there is no output.
    ///
    /// Raises `TypeError` for what it cannot measure.
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self.hear(item, true)? {
            Heard::Seconds(seconds) => Some(Bound::new(py, Audio { seconds, silent: false })?.into_any()),
            Heard::Silence(seconds) => Some(Bound::new(py, Audio { seconds, silent: true })?.into_any()),
            Heard::Output | Heard::Skip => Some(Bound::new(py, Skip)?.into_any()),
            Heard::Nothing => None,
            Heard::Error(text) => Some(Error::new_err(text).into_value(py).into_bound(py).into_any()),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.key)
    }
}

/// What the user's function said.
pub(crate) fn told(said: &Bound<'_, PyAny>) -> PyResult<Heard> {
    let py = said.py();
    if let Ok(seconds) = said.extract::<f64>() {
        return seconds_of(seconds);
    }
    if said.is_none() {
        return Ok(Heard::Nothing);
    }
    if said.is_instance_of::<Skip>() || said.is(py.get_type::<Skip>()) {
        return Ok(Heard::Skip);
    }
    if let Ok(audio) = said.cast::<Audio>() {
        let audio = audio.get();
        return Ok(match seconds_of(audio.seconds)? {
            Heard::Seconds(seconds) if audio.silent => Heard::Silence(seconds),
            heard => heard,
        });
    }
    if said.is_instance_of::<Error>() || said.is(py.get_type::<Error>()) {
        return Ok(Heard::Error(said.str()?.to_string_lossy().into_owned()));
    }
    // The function raised, which was reported.
    if said.is(py.NotImplemented()) {
        return Ok(Heard::Output);
    }
    Err(unmeasurable(
        said,
        "an audio function gives seconds, soundpost.Skip, soundpost.Error or soundpost.Audio",
    ))
}

fn seconds_of(seconds: f64) -> PyResult<Heard> {
    if seconds == 0.0 {
        return Ok(Heard::Nothing);
    }
    if seconds.is_finite() && seconds > 0.0 {
        return Ok(Heard::Seconds(seconds));
    }
    Err(PyValueError::new_err(format!("{seconds} is no length of audio")))
}

fn unmeasurable(item: &Bound<'_, PyAny>, why: &str) -> PyErr {
    let class = item.get_type();
    let class = class.name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    PyTypeError::new_err(format!("cannot measure a {class}: {why}"))
}

impl Measure {
    /// Measures `item`; looks for silence only where asked to, and only if `listen` (nothing was heard yet).
    ///
    /// # Errors
    /// `TypeError` for what cannot be measured.
    pub(crate) fn hear(&self, item: &Bound<'_, PyAny>, listen: bool) -> PyResult<Heard> {
        if item.is_none() {
            return Ok(Heard::Nothing);
        }
        self.hear_any(item, self.sample_rate, listen && self.silence, 0)
    }

    fn hear_any(
        &self,
        item: &Bound<'_, PyAny>,
        rate: Option<f64>,
        listen: bool,
        depth: usize,
    ) -> PyResult<Heard> {
        let py = item.py();
        if let Ok(bytes) = item.cast::<PyBytes>() {
            return self.hear_bytes(bytes.as_bytes(), rate, listen, item);
        }
        if let Ok(items) = item.cast::<PyDict>() {
            let Some(key) = &self.key else { return Err(unmeasurable(item, "give key=")) };
            return match items.get_item(key.bind(py))? {
                Some(inner) => self.hear_inner(&inner, rate, listen, depth),
                None => Ok(Heard::Skip),
            };
        }
        if let Ok(items) = item.cast::<PyTuple>() {
            if let Some((rate, inner)) = rate_and_array(items)? {
                return self.hear_inner(&inner, Some(rate), listen, depth);
            }
            return self.hear_all(items.iter(), rate, listen, depth);
        }
        if let Ok(items) = item.cast::<PyList>() {
            return self.hear_all(items.iter(), rate, listen, depth);
        }
        if item.is_instance_of::<PyByteArray>() || item.is_instance_of::<PyMemoryView>() {
            let length = match attribute(item, intern!(py, "nbytes"))? {
                Some(bytes) => bytes.extract()?,
                None => item.len()?,
            };
            return self.seconds_of_bytes(length, rate, item);
        }
        if let Some(shape) = attribute(item, intern!(py, "shape"))? {
            return self.hear_array(item, &shape, rate, listen);
        }
        if item.is_instance_of::<PyBool>() {
            return Ok(if item.is_truthy()? {
                Heard::Skip
            } else {
                Heard::Error("returned False".to_owned())
            });
        }
        if item.is_instance_of::<PyInt>() {
            let failed = item.lt(0)?;
            return Ok(if failed { Heard::Error(format!("returned {}", item.str()?)) } else { Heard::Skip });
        }
        if item.is_instance_of::<PyString>() || item.hasattr(intern!(py, "__fspath__"))? {
            return hear_file(item);
        }
        if let Some(key) = self.key.as_ref().and_then(|key| key.bind(py).cast::<PyString>().ok()) {
            return match attribute(item, key)? {
                Some(inner) => self.hear_inner(&inner, rate, listen, depth),
                None => Ok(Heard::Skip),
            };
        }
        Err(unmeasurable(item, "give a function as audio="))
    }

    fn hear_inner(
        &self,
        item: &Bound<'_, PyAny>,
        rate: Option<f64>,
        listen: bool,
        depth: usize,
    ) -> PyResult<Heard> {
        if item.is_none() {
            return Ok(Heard::Skip);
        }
        if depth == MAX_DEPTH {
            return Err(unmeasurable(item, "it lies too deep in lists"));
        }
        self.hear_any(item, rate, listen, depth + 1)
    }

    /// Several pieces, one after the other.
    fn hear_all<'py>(
        &self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        rate: Option<f64>,
        listen: bool,
        depth: usize,
    ) -> PyResult<Heard> {
        let (mut seconds, mut silent, mut output) = (0.0, true, false);
        for item in items {
            match self.hear_inner(&item, rate, listen && silent, depth)? {
                Heard::Seconds(more) => {
                    seconds += more;
                    silent = false;
                }
                Heard::Silence(more) => seconds += more,
                Heard::Output => output = true,
                Heard::Skip | Heard::Nothing => {}
                error @ Heard::Error(_) => return Ok(error),
            }
        }
        Ok(match seconds_of(seconds)? {
            Heard::Seconds(seconds) if silent => Heard::Silence(seconds),
            Heard::Nothing if output => Heard::Output,
            heard => heard,
        })
    }

    /// An array or tensor: `[N]`, `[channels, N]` or `[N, channels]`; the longest axis is time.
    fn hear_array(
        &self,
        item: &Bound<'_, PyAny>,
        shape: &Bound<'_, PyAny>,
        rate: Option<f64>,
        listen: bool,
    ) -> PyResult<Heard> {
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
            return Ok(Heard::Nothing);
        }
        let Some(rate) = rate else { return Err(unmeasurable(item, "give sample_rate=")) };
        let seconds = samples as f64 / rate;
        Ok(if listen && array_is_silent(item)? { Heard::Silence(seconds) } else { Heard::Seconds(seconds) })
    }

    fn hear_bytes(
        &self,
        bytes: &[u8],
        rate: Option<f64>,
        listen: bool,
        item: &Bound<'_, PyAny>,
    ) -> PyResult<Heard> {
        if let Some(length) = file::length_of_bytes(bytes) {
            return Ok(match length {
                // A header sent ahead of the samples.
                file::Length::Seconds(0.0) => Heard::Skip,
                file::Length::Seconds(seconds) => Heard::Seconds(seconds),
                file::Length::Unknown => Heard::Output,
            });
        }
        let heard = self.seconds_of_bytes(bytes.len(), rate, item)?;
        Ok(match heard {
            Heard::Seconds(seconds) if listen && self.sample_width == 2 && pcm_is_silent(bytes) => {
                Heard::Silence(seconds)
            }
            heard => heard,
        })
    }

    fn seconds_of_bytes(&self, bytes: usize, rate: Option<f64>, item: &Bound<'_, PyAny>) -> PyResult<Heard> {
        let samples = bytes / (self.sample_width * self.channels);
        if samples == 0 {
            return Ok(Heard::Nothing);
        }
        let Some(rate) = rate else { return Err(unmeasurable(item, "give sample_rate=")) };
        Ok(Heard::Seconds(samples as f64 / rate))
    }
}

/// `(rate, array)`, the pair that Gradio and several engines use.
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

/// Whether the highest and lowest sample are below -60 dBFS. A tensor that is not in the CPU's memory is not
/// looked at.
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
    Ok(highest.max(-lowest) < full_scale * SILENCE)
}

fn pcm_is_silent(bytes: &[u8]) -> bool {
    let limit = (f64::from(1_u32 << 15) * SILENCE) as u16;
    let (samples, _) = bytes.as_chunks::<2>();
    samples.iter().all(|sample| i16::from_le_bytes(*sample).unsigned_abs() <= limit)
}

/// A path: a missing or empty file is no output.
fn hear_file(path: &Bound<'_, PyAny>) -> PyResult<Heard> {
    let py = path.py();
    // What cannot be a path is the path of no file.
    let Ok(path) = py.import(intern!(py, "os"))?.call_method1(intern!(py, "fsencode"), (path,)) else {
        return Ok(Heard::Nothing);
    };
    let path = path.cast::<PyBytes>()?.as_bytes().to_owned();
    Ok(py.detach(|| {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(&path));
        match file::length_of_file(path) {
            Some(file::Length::Seconds(0.0)) | None => Heard::Nothing,
            Some(file::Length::Seconds(seconds)) => Heard::Seconds(seconds),
            Some(file::Length::Unknown) => Heard::Output,
        }
    }))
}
