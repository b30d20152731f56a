//! The kind and length of one returned or yielded item.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::result::{Audio, Error, Skip, Video};

/// The kind and length of one returned or yielded item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Measured {
    /// Audio of this many seconds, more than 0.
    Seconds(f64),
    /// Audio of this many seconds that is silent throughout.
    Silence(f64),
    /// A file with these tracks, seconds.
    Video { audio: f64, video: f64 },
    /// Output of unknown length.
    Output,
    /// Encoded output of unknown length, or a later piece of an encoded stream: the call's audio has no length.
    Encoded,
    /// Neither audio nor error.
    Skip,
    /// An item without the key or attribute: no audio, and a result without it is none.
    Absent,
    /// No output: `None`, zero samples, a missing or empty file.
    Nothing,
    /// The text of an error that was returned instead of raised.
    Error(String),
}

impl Measured {
    /// Checks a length in seconds.
    pub(super) fn from_seconds(seconds: f64) -> PyResult<Self> {
        if seconds == 0.0 {
            return Ok(Self::Nothing);
        }
        if seconds.is_finite() && seconds > 0.0 {
            return Ok(Self::Seconds(seconds));
        }
        Err(PyValueError::new_err(format!("{seconds} is no length of audio")))
    }

    /// Returns silence of the same length.
    pub(super) fn into_silence(self) -> Self {
        if let Self::Seconds(seconds) = self { Self::Silence(seconds) } else { self }
    }

    /// Interprets what the user's `audio=` function returned.
    ///
    /// # Errors
    /// `TypeError` for a value that such a function cannot return.
    pub(crate) fn from_answer(answer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = answer.py();
        if let Ok(seconds) = answer.extract::<f64>() {
            return Self::from_seconds(seconds);
        }
        if answer.is_none() {
            return Ok(Self::Nothing);
        }
        if answer.is_instance_of::<Skip>() || answer.is(py.get_type::<Skip>()) {
            return Ok(Self::Skip);
        }
        if let Ok(audio) = answer.cast::<Audio>() {
            let measured = Self::from_seconds(audio.get().seconds)?;
            return Ok(if audio.get().silent { measured.into_silence() } else { measured });
        }
        if let Ok(video) = answer.cast::<Video>() {
            let Video { seconds, audio_seconds } = *video.get();
            return Ok(match Self::from_seconds(seconds + audio_seconds)? {
                Self::Nothing => Self::Nothing,
                _ => Self::Video { audio: audio_seconds, video: seconds },
            });
        }
        if answer.is_instance_of::<Error>() || answer.is(py.get_type::<Error>()) {
            return Ok(Self::Error(answer.str()?.to_string_lossy().into_owned()));
        }
        // The function raised, which was reported.
        if answer.is(py.NotImplemented()) {
            return Ok(Self::Output);
        }
        let wanted = "an audio function returns seconds, soundpost.Skip, soundpost.Error, soundpost.Audio or soundpost.Video";
        Err(unmeasurable(answer, wanted))
    }

    /// Returns the object that [`Measured::from_answer`] interprets as this.
    pub(super) fn into_answer(self, py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
        Ok(match self {
            Self::Seconds(seconds) => Some(Bound::new(py, Audio { seconds, silent: false })?.into_any()),
            Self::Silence(seconds) => Some(Bound::new(py, Audio { seconds, silent: true })?.into_any()),
            Self::Video { audio, video } => {
                Some(Bound::new(py, Video { seconds: video, audio_seconds: audio })?.into_any())
            }
            Self::Output | Self::Encoded | Self::Skip | Self::Absent => {
                Some(Bound::new(py, Skip)?.into_any())
            }
            Self::Nothing => None,
            Self::Error(text) => Some(Error::new_err(text).into_value(py).into_bound(py).into_any()),
        })
    }
}

/// Returns the error for an item that cannot be measured.
pub(super) fn unmeasurable(item: &Bound<'_, PyAny>, why: &str) -> PyErr {
    let class = item.get_type();
    let class = class.name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    PyTypeError::new_err(format!("cannot measure a {class}: {why}"))
}
