//! A call of the core, with what the binding measured of its output.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use soundpost::binding::torch::Devices;
use soundpost::{Outcome, Seconds};

use crate::exception::Failure;
use crate::measure::Measured;
use crate::state::lock;
use crate::torch;

/// A call of the core, with what the binding measured of its output.
pub(crate) struct Recording {
    core: soundpost::Call,
    has_sound: AtomicBool,
    has_silence: AtomicBool,
    /// The text of the first error that was yielded.
    yielded_error: Mutex<Option<String>>,
    /// The PyTorch devices that held memory at the start; `None` if the allocator was not read.
    devices: Option<Devices>,
}

impl Recording {
    /// Records a call that has just begun, and reads PyTorch's allocator.
    ///
    /// # Errors
    /// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(super) fn new(py: Python<'_>, core: soundpost::Call) -> PyResult<Self> {
        let devices = torch::read_start(py, &core)?;
        Ok(Self {
            core,
            has_sound: AtomicBool::new(false),
            has_silence: AtomicBool::new(false),
            yielded_error: Mutex::new(None),
            devices,
        })
    }

    #[inline]
    pub(crate) fn core(&self) -> &soundpost::Call {
        &self.core
    }

    /// Returns whether the next item has to be checked for silence.
    #[inline]
    pub(super) fn is_still_silent(&self) -> bool {
        !self.has_sound.load(Ordering::Relaxed)
    }

    /// Records an item while the service goes on.
    #[inline]
    pub(super) fn record_chunk(&self, item: &Measured) {
        match item {
            Measured::Seconds(_) | Measured::Output => self.core.chunk(self.chunk_audio(item)),
            // Silence has a length, but does not count as the first audio.
            Measured::Silence(seconds) => {
                self.has_silence.store(true, Ordering::Relaxed);
                self.core.chunk(Seconds(0.0));
                self.core.audio(Seconds(*seconds));
            }
            Measured::Skip | Measured::Nothing => self.core.progress(),
            Measured::Error(text) => {
                self.core.progress();
                lock(&self.yielded_error).get_or_insert_with(|| text.clone());
            }
        }
    }

    /// Records an item that is handed to the consumer, which ends the busy time.
    #[inline]
    pub(super) fn hand_over(&self, item: &Measured) {
        if let Measured::Seconds(_) | Measured::Output = item {
            self.core.hand_over(self.chunk_audio(item));
        } else {
            self.record_chunk(item);
            self.core.suspend();
        }
    }

    #[inline]
    fn chunk_audio(&self, item: &Measured) -> Seconds {
        let Measured::Seconds(seconds) = item else { return Seconds(0.0) };
        self.has_sound.store(true, Ordering::Relaxed);
        Seconds(*seconds)
    }

    /// Records audio that is part of one result.
    pub(super) fn add_audio(&self, seconds: f64) {
        self.has_sound.store(true, Ordering::Relaxed);
        self.core.audio(Seconds(seconds));
    }

    /// Ends the call, whatever this returns; reads PyTorch's allocator first.
    ///
    /// # Errors
    /// With an interrupt, or with a fault under `SOUNDPOST_STRICT`.
    #[inline]
    pub(super) fn end(&self, py: Python<'_>, end: impl FnOnce(&Self)) -> PyResult<()> {
        let read = torch::read_end(py, &self.core, self.devices);
        end(self);
        read
    }

    /// Ends the call with its only result.
    pub(super) fn finish_with(&self, result: &Measured) {
        match result {
            Measured::Seconds(seconds) => {
                self.add_audio(*seconds);
                self.finish();
            }
            Measured::Silence(seconds) => {
                self.has_silence.store(true, Ordering::Relaxed);
                self.core.audio(Seconds(*seconds));
                self.finish();
            }
            Measured::Output | Measured::Skip => self.core.end(Outcome::Ok),
            Measured::Nothing => self.finish(),
            Measured::Error(text) => self.fail_with(&Failure::from_text(text.clone())),
        }
    }

    /// Ends the call by its output: ok, empty, silent, or the error that was yielded.
    #[inline]
    pub(super) fn finish(&self) {
        if self.fail_with_yielded_error() {
            return;
        }
        if self.has_silence.load(Ordering::Relaxed) && self.is_still_silent() {
            self.core.end(Outcome::Silent);
        } else {
            self.core.finish();
        }
    }

    /// Ends the call because the consumer closed or dropped the generator.
    pub(super) fn abandon(&self) {
        if !self.fail_with_yielded_error() {
            self.core.abandon();
        }
    }

    fn fail_with_yielded_error(&self) -> bool {
        let text = lock(&self.yielded_error).take();
        text.map(|text| self.fail_with(&Failure::from_text(text))).is_some()
    }

    pub(super) fn fail_with(&self, failure: &Failure) {
        self.core.end_with(failure.outcome, &failure.kind, &failure.text);
    }
}
