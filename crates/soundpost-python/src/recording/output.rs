//! A call of the core, with the rules of the binding for its output and its errors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use soundpost::binding::torch::Devices;
use soundpost::binding::{KnownTexts, is_text_name};
use soundpost::{AudioLevels, Outcome, Seconds};

use crate::cell::GilCell;
use crate::exception::{Failure, is_path};
use crate::measure::{Measure, Measured, Pass, Verdict};
use crate::state::lock;
use crate::torch;

/// Maximum number of texts of a call that are hidden.
const MAX_TEXTS: usize = 64;

/// A call of the core, with the rules of the binding for its output and its errors.
pub(crate) struct Recording {
    core: soundpost::Call,
    /// The classes of `invalid=`.
    invalid: Option<Py<PyAny>>,
    /// Whether an item began an encoded stream.
    is_encoded: AtomicBool,
    /// Levels of the audio so far, where they are asked for.
    levels: OnceLock<Box<Mutex<AudioLevels>>>,
    /// The PyTorch devices that held memory at the start; `None` if the allocator was not read.
    devices: Option<Devices>,
    /// Whether it may have a text to synthesise.
    has_texts: AtomicBool,
    /// The texts to synthesise, in tuples and lists, until [`Recording::hide_texts`] reads them.
    texts: GilCell<Py<PyAny>>,
}

impl Recording {
    /// Records a call that has just begun, and reads PyTorch's allocator.
    ///
    /// # Errors
    /// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(super) fn new(py: Python<'_>, core: soundpost::Call) -> PyResult<Self> {
        let devices = torch::read_start(py, &core)?;
        let (is_encoded, levels) = (AtomicBool::new(false), OnceLock::new());
        let (has_texts, texts) = (AtomicBool::new(false), GilCell::default());
        Ok(Self { core, invalid: None, is_encoded, levels, devices, has_texts, texts })
    }

    /// Sets the classes of errors that find fault with the request.
    #[inline]
    pub(super) fn with_invalid(mut self, py: Python<'_>, classes: Option<&Py<PyAny>>) -> Self {
        self.invalid = classes.map(|classes| classes.clone_ref(py));
        self
    }

    /// Sets the texts to synthesise, which are in no record.
    #[inline]
    pub(super) fn with_texts(self, texts: Option<Bound<'_, PyAny>>) -> Self {
        let has_texts = AtomicBool::new(texts.is_some());
        Self { has_texts, texts: GilCell::new(texts.map(Bound::unbind)), ..self }
    }

    /// Notes that a field of a name is set.
    pub(super) fn note_text(&self, field: &str) {
        if is_text_name(field) {
            self.has_texts.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the call may have a text to synthesise.
    #[inline]
    pub(super) fn has_texts(&self) -> bool {
        self.has_texts.load(Ordering::Relaxed)
    }

    /// Hides the texts of [`Recording::with_texts`] from now on. Most calls have neither log events nor errors.
    #[cold]
    fn hide_texts(&self, py: Python<'_>) {
        if let Some(texts) = self.texts.take(py) {
            self.hide(texts.into_bound(py));
        }
    }

    /// Hides texts to synthesise, in tuples and lists, in log events and errors from now on.
    pub(super) fn hide(&self, texts: Bound<'_, PyAny>) {
        self.has_texts.store(true, Ordering::Relaxed);
        let mut waiting = vec![texts];
        let mut left = MAX_TEXTS;
        while let Some(value) = waiting.pop()
            && left > 0
        {
            left -= 1;
            if let Ok(text) = value.cast::<PyString>() {
                let text = text.to_string_lossy();
                if !is_path(&text) {
                    self.core.handle().hide_text(&text);
                }
            } else if let Ok(items) = value.cast_exact::<PyTuple>() {
                waiting.extend(items.iter().take(left));
            } else if let Ok(items) = value.cast_exact::<PyList>() {
                waiting.extend(items.iter().take(left));
            }
        }
    }

    /// Returns the texts to synthesise, which log events have not.
    #[inline]
    pub(crate) fn known_texts(&self, py: Python<'_>) -> KnownTexts {
        if self.texts.is_some(py) {
            self.hide_texts(py);
        }
        self.core.handle().known_texts()
    }

    #[inline]
    pub(crate) fn core(&self) -> &soundpost::Call {
        &self.core
    }

    /// Measures an item.
    #[inline]
    pub(super) fn measure(&self, item: &Bound<'_, PyAny>, measure: &Measure) -> PyResult<Measured> {
        let check_silence = self.core.handle().is_silent();
        let levels = AudioLevels::default();
        let mut pass = Pass { check_silence, is_encoded: &self.is_encoded, levels };
        let measured = measure.measure(item, &mut pass);
        if pass.levels.samples() > 0 {
            let mut sum = lock(self.levels.get_or_init(Box::default));
            *sum = *sum + pass.levels;
        }
        measured
    }

    /// Records the levels of all audio, before the end.
    fn record_levels(&self) {
        if let Some(levels) = self.levels.get() {
            self.core.levels(&lock(levels));
        }
    }

    /// Records an item while the service goes on.
    #[inline]
    pub(super) fn record_chunk(&self, item: &Measured) {
        match item {
            Measured::Seconds(seconds) => self.core.chunk(Seconds(*seconds)),
            Measured::Output => {
                self.core.output();
                self.core.chunk(Seconds(0.0));
            }
            Measured::Encoded => {
                self.core.forget_length();
                self.record_chunk(&Measured::Output);
            }
            Measured::Silence(seconds) => self.core.silence(Seconds(*seconds)),
            Measured::Video { audio, video } => {
                self.core.chunk(Seconds(*audio));
                self.core.video(Seconds(*video));
            }
            Measured::Skip | Measured::Absent => self.core.progress(),
            Measured::Nothing => self.core.nothing(),
            Measured::Error(text) => {
                self.core.progress();
                self.mark(&Failure::from_text(text.clone()));
            }
        }
    }

    /// Records an item that is handed to the consumer, which ends the busy time.
    #[inline]
    pub(super) fn hand_over(&self, item: &Measured) {
        match item {
            Measured::Seconds(seconds) => self.core.hand_over(Seconds(*seconds)),
            Measured::Output => {
                self.core.output();
                self.core.hand_over(Seconds(0.0));
            }
            _ => {
                self.record_chunk(item);
                self.core.suspend();
            }
        }
    }

    /// Marks the call by what the user's `outcome=` function returned.
    pub(super) fn judge(&self, verdict: &Verdict) {
        if let Some(failure) = &verdict.mark {
            self.mark(failure);
        }
        if verdict.is_last {
            self.core.last();
        }
    }

    /// Marks the call with a failure, and goes on.
    pub(super) fn mark(&self, failure: &Failure) {
        Python::attach(|py| self.hide_texts(py));
        self.core.handle().mark_with(failure.outcome, &failure.kind, &failure.text);
    }

    /// Ends the call, whatever this returns; reads PyTorch's allocator first.
    ///
    /// # Errors
    /// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(super) fn end(&self, py: Python<'_>, end: impl FnOnce(&Self)) -> PyResult<()> {
        let read = torch::read_end(py, &self.core, self.devices);
        end(self);
        drop(self.texts.take(py));
        read
    }

    /// Ends the call with its only result.
    pub(super) fn finish_with(&self, result: &Measured) {
        match result {
            Measured::Seconds(seconds) => self.core.audio(Seconds(*seconds)),
            Measured::Silence(seconds) => self.core.handle().silence(Seconds(*seconds)),
            Measured::Video { audio, video } => {
                self.core.audio(Seconds(*audio));
                self.core.video(Seconds(*video));
            }
            Measured::Output | Measured::Encoded | Measured::Skip => self.core.output(),
            Measured::Nothing | Measured::Absent => self.core.nothing(),
            Measured::Error(text) => self.fail_with(&Failure::from_text(text.clone())),
        }
        self.finish();
    }

    /// Ends the call by its output: ok, empty, silent, or the error that was yielded.
    #[inline]
    pub(super) fn finish(&self) {
        self.record_levels();
        self.core.finish();
    }

    /// Ends the call because the consumer closed or dropped the generator.
    pub(super) fn abandon(&self) {
        self.record_levels();
        self.core.abandon();
    }

    /// Reads an exception by the rules of this call.
    pub(super) fn failure(&self, py: Python<'_>, error: &PyErr) -> Failure {
        Failure::new(py, error).or_invalid(py, error, self.invalid.as_ref())
    }

    /// Ends the call with an error that left it.
    pub(super) fn fail_with(&self, failure: &Failure) {
        Python::attach(|py| self.hide_texts(py));
        self.record_levels();
        self.core.end_raised(failure.outcome, &failure.kind, &failure.text);
    }
}

/// Marks a stage as failed with an exception, which a deciding stage passes on to its call.
pub(super) fn fail_stage(py: Python<'_>, stage: &soundpost::Stage, error: &PyErr) {
    if !stage.is_deciding() {
        return stage.fail();
    }
    if !error.is_instance_of::<PyException>(py) {
        return stage.fail_with(Outcome::Cancelled, "", "");
    }
    let failure = Failure::new(py, error).or_invalid(py, error, None);
    stage.fail_with(failure.outcome, &failure.kind, &failure.text);
}
