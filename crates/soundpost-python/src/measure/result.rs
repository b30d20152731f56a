//! Results of an `audio=` function beside seconds: [`Audio`], [`Skip`], [`Error`].

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
