//! Results of an `audio=` function beside seconds: [`Audio`], [`Video`], [`Skip`], [`Error`].

use pyo3::prelude::*;

pyo3::create_exception!(
    soundpost,
    Error,
    pyo3::exceptions::PyException,
    "A fault of Soundpost, raised only under `SOUNDPOST_STRICT=1`. An `audio=` function returns one for a result that \
     is an error: `soundpost.Error(\"no face found\")`."
);

/// Audio of a known length.
#[pyclass(frozen, module = "soundpost", eq)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Audio {
    /// The playing time in seconds.
    #[pyo3(get)]
    pub(crate) seconds: f64,
    /// Whether the audio is silent; see `silence=` of `soundpost.audio`.
    #[pyo3(get)]
    pub(crate) silent: bool,
}

#[pymethods]
impl Audio {
    #[new]
    #[pyo3(signature = (seconds, *, silent=false))]
    fn new(seconds: f64, silent: bool) -> Self {
        Self { seconds, silent }
    }

    fn __repr__(&self) -> String {
        let silent = if self.silent { ", silent=True" } else { "" };
        format!("Audio({}{silent})", self.seconds)
    }
}

/// An item that is neither audio nor error: a header, a progress message.
#[pyclass(frozen, module = "soundpost")]
#[derive(Debug)]
pub(crate) struct Skip;

#[pymethods]
impl Skip {
    #[new]
    fn new() -> Self {
        Self
    }

    fn __repr__(&self) -> &'static str {
        "Skip()"
    }
}

/// Video of a known length, and the audio in the same file.
#[pyclass(frozen, module = "soundpost", eq)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Video {
    /// The playing time of the video in seconds.
    #[pyo3(get)]
    pub(crate) seconds: f64,
    /// The playing time of its audio in seconds; 0 without any.
    #[pyo3(get)]
    pub(crate) audio_seconds: f64,
}

#[pymethods]
impl Video {
    #[new]
    #[pyo3(signature = (seconds, *, audio_seconds=0.0))]
    fn new(seconds: f64, audio_seconds: f64) -> Self {
        Self { seconds, audio_seconds }
    }

    fn __repr__(&self) -> String {
        format!("Video({}, audio_seconds={})", self.seconds, self.audio_seconds)
    }
}
