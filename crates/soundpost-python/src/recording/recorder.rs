//! The recorder of one decorated function, compiled when the function is decorated.
//!
//! The wrapper, a Python function, calls the wrapped function itself. Before Python 3.14, a daemon thread that asks
//! for the GIL while the interpreter ends is unwound by force, and that must meet no frame of Rust. So the host's
//! code runs between the calls into this module and not inside them.

use std::time::Duration;

use pyo3::exceptions::PyGeneratorExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use soundpost::Outcome;
use soundpost::binding::is_text_name;

use super::active::{Active, Rules};
use super::call::{self, Around, Call, around};
use super::coroutine::CoroutineRecorder;
use super::deferred::{Deferred, DeferredKind, Places};
use super::generator::GeneratorRecorder;
use super::operation::{self, LazyOperation, Origin, id_text};
use super::output::Recording;
use super::request;
use crate::fault::{self, part};
use crate::import;
use crate::measure::Measure;
use crate::state;
use crate::value::{Text, Texts};

/// The recorder of one decorated function.
///
/// The wrapper passes a tuple of values: those of the labels, then those of the fields. The other numbers are
/// indices into it.
#[pyclass(frozen, module = "soundpost._native")]
pub(crate) struct Recorder {
    operation: LazyOperation,
    /// True for `@soundpost.stage`, which never begins a call.
    is_stage: bool,
    fields: Vec<String>,
    request_id: Option<usize>,
    traceparent: Option<usize>,
    queued_at: Option<usize>,
    streaming: Option<usize>,
    /// The texts to synthesise.
    texts: Option<usize>,
    audio: Option<Py<Measure>>,
    /// The user's functions, see `python/soundpost/_judgement.py`.
    judge: Option<Py<PyAny>>,
    expects_output: bool,
    /// The classes of `invalid=`.
    invalid: Option<Py<PyAny>>,
    /// True for a stage whose failure is one of its call.
    decides: bool,
    places: Places,
}

#[pymethods]
impl Recorder {
    #[new]
    #[pyo3(signature = (
        operation, *, stage=false, labels=Texts::default(), fields=Texts::default(), request_id=None, traceparent=None,
        queued_at=None, streaming=None, texts=None, audio=None, judge=None, expects_output=false, invalid=None, decides=false,
        iterates=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        operation: Text,
        stage: bool,
        labels: Texts,
        fields: Texts,
        request_id: Option<usize>,
        traceparent: Option<usize>,
        queued_at: Option<usize>,
        streaming: Option<usize>,
        texts: Option<usize>,
        audio: Option<Py<Measure>>,
        judge: Option<Py<PyAny>>,
        expects_output: bool,
        invalid: Option<Py<PyAny>>,
        decides: bool,
        iterates: Option<Py<PyAny>>,
    ) -> Self {
        let (operation, is_stage) = (LazyOperation::new(operation.0, labels.0), stage);
        Self {
            operation,
            is_stage,
            fields: fields.0,
            request_id,
            traceparent,
            queued_at,
            streaming,
            texts,
            audio,
            judge,
            expects_output,
            invalid,
            decides,
            places: Places::new(iterates),
        }
    }

    /// The user's functions that measure and judge an item or result.
    #[getter]
    fn judge(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.judge.as_ref().map(|judge| judge.clone_ref(py))
    }

    /// Begins a call, or a stage inside another call. Returns the argument for the `end` methods.
    fn begin<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.activate(values, false)?.into_entered(values.py(), self.id())
    }

    /// Ends the recording with a result, and returns the result.
    ///
    /// A generator, coroutine or asynchronous generator is returned as one that is recorded while it runs; its functions
    /// get `scope`.
    #[pyo3(signature = (active, result, scope=None))]
    fn end<'py>(
        slf: &Bound<'py, Self>,
        active: Option<&Bound<'py, PyAny>>,
        result: Bound<'py, PyAny>,
        scope: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(active) = active else { return Ok(result) };
        let active = Active::from_entered(active);
        match slf.get().places.find(&result)? {
            None => active.finish_with(&result, slf.get().audio.as_ref())?,
            Some(Deferred::Whole(whole, kind)) => return Self::defer(slf, active, whole, kind, scope),
            Some(Deferred::Part(place, part, kind)) => {
                let part = Self::defer(slf, active, part, kind, scope)?;
                let replaced = import::object(
                    slf.py(),
                    intern!(slf.py(), "soundpost._deferred"),
                    intern!(slf.py(), "replaced"),
                )?;
                return replaced.call1((&slf.get().operation.name, result, place, part));
            }
            Some(Deferred::Lost) => slf.get().lose(slf.py(), &active)?,
        }
        Ok(result)
    }

    /// Ends the recording with a result, by what the user's functions returned for it. Returns the result.
    fn end_as<'py>(
        &self,
        active: Option<&Bound<'py, PyAny>>,
        result: Bound<'py, PyAny>,
        answers: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(active) = active {
            let rules = Rules { answers, measure: self.audio.as_ref() };
            Active::from_entered(active).finish_as(&result, rules)?;
        }
        Ok(result)
    }

    /// Ends the recording with an exception. `active` is what `begin` returned, or another object if an interrupt came
    /// before the wrapper had that.
    fn end_failed<'py>(&self, active: Option<&Bound<'py, PyAny>>, error: &Bound<'py, PyAny>) -> PyResult<()> {
        let Some(active) = active else { return Ok(()) };
        let (py, active) = (active.py(), Active::from_interrupted(active, self.id()));
        if error.is_instance_of::<PyGeneratorExit>() {
            active.end(py, |recording| recording.core().end(Outcome::Cancelled))
        } else {
            active.fail(py, &PyErr::from_value(error.clone()))
        }
    }

    /// Returns whether a result runs later: a generator, coroutine or asynchronous generator.
    fn is_deferred(&self, result: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.places.find(result)?.is_some())
    }

    /// Begins the recording of a generator; the wrapper calls it at the first resumption.
    fn record_generator<'py>(
        &self,
        generator: Bound<'py, PyAny>,
        values: &Bound<'py, PyTuple>,
    ) -> PyResult<GeneratorRecorder> {
        let active = self.activate(values, true)?;
        self.generator_recorder(generator, active)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let Self {
            operation,
            is_stage,
            fields,
            request_id,
            traceparent,
            queued_at,
            streaming,
            texts,
            audio,
            judge,
            expects_output,
            invalid,
            decides,
            places,
        } = slf.get();
        let options = PyDict::new(py);
        options.set_item("stage", is_stage)?;
        options.set_item("labels", &operation.labels)?;
        options.set_item("fields", fields)?;
        options.set_item("request_id", request_id)?;
        options.set_item("traceparent", traceparent)?;
        options.set_item("queued_at", queued_at)?;
        options.set_item("streaming", streaming)?;
        options.set_item("texts", texts)?;
        options.set_item("audio", audio)?;
        options.set_item("judge", judge)?;
        options.set_item("expects_output", expects_output)?;
        options.set_item("invalid", invalid)?;
        options.set_item("decides", decides)?;
        options.set_item("iterates", places.named())?;
        let new = import::object(py, intern!(py, "copyreg"), intern!(py, "__newobj_ex__"))?;
        Ok((new, (slf.get_type(), (&operation.name,), options).into_pyobject(py)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.judge)?;
        visit.call(&self.audio)
    }
}

impl Recorder {
    /// Returns the address of this recorder, which identifies it while it lives.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    #[inline]
    fn activate(&self, values: &Bound<'_, PyTuple>, is_generator: bool) -> PyResult<Active> {
        let py = values.py();
        let Some(generation) = state::generation() else { return Ok(Active::Off) };
        match around(py) {
            Around::Call(current) => {
                if let Some(recording) = current.get().recording() {
                    self.hide_texts(values, recording)?;
                }
                return Ok(self.stage(current.get().begin_stage(&self.operation.name)));
            }
            Around::Ended => return Ok(Active::Off),
            Around::Nothing => {}
        }
        if self.is_stage {
            return Ok(self.stage(call::begin_stage(py, &self.operation.name)));
        }
        let Some(operation) = self.operation.resolve(py, generation)? else { return Ok(Active::Off) };
        let call = Py::new(py, Call::own(self.start(values, generation, &operation, is_generator)?))?;
        request::join(py, &call)?;
        for (index, name) in self.fields.iter().enumerate() {
            call.get().set_field(name, &values.get_item(self.operation.labels.len() + index)?)?;
        }
        Ok(Active::Call(call))
    }

    /// Hides the texts to synthesise of a stage, which its call does not have.
    fn hide_texts(&self, values: &Bound<'_, PyTuple>, recording: &Recording) -> PyResult<()> {
        let is_text = |index: &usize| is_text_name(&self.fields[*index]);
        let fields = (0..self.fields.len()).filter(is_text).map(|index| self.operation.labels.len() + index);
        for index in self.texts.into_iter().chain(fields) {
            recording.hide(values.get_item(index)?);
        }
        Ok(())
    }

    fn stage(&self, stage: Option<soundpost::Stage>) -> Active {
        Active::stage(stage.map(|stage| stage.decides(self.decides)))
    }

    #[inline]
    fn start(
        &self,
        values: &Bound<'_, PyTuple>,
        generation: u64,
        operation: &soundpost::Operation,
        is_generator: bool,
    ) -> PyResult<Recording> {
        let origin = Origin {
            request_id: self.id_text(values, "request_id", self.request_id)?,
            traceparent: self.id_text(values, "traceparent", self.traceparent)?,
            queued: self.queued(values)?,
        };
        let origin = request::complete(values.py(), origin);
        let streaming = self.streams(values)?.unwrap_or(is_generator);
        let expects_output = is_generator || self.expects_output;
        let recording = self.operation.start(
            values.py(),
            operation,
            &origin,
            generation,
            |index| values.get_item(index),
            |builder| builder.streaming(streaming).expects_output(expects_output),
        )?;
        let texts = self.texts.map(|index| values.get_item(index)).transpose()?;
        Ok(recording.with_texts(texts).with_invalid(values.py(), self.invalid.as_ref()))
    }

    fn id_text(
        &self,
        values: &Bound<'_, PyTuple>,
        name: &str,
        index: Option<usize>,
    ) -> PyResult<Option<String>> {
        index.map_or(Ok(None), |index| id_text(&self.operation.name, name, values.get_item(index)?))
    }

    fn queued(&self, values: &Bound<'_, PyTuple>) -> PyResult<Option<Duration>> {
        self.queued_at
            .map_or(Ok(None), |index| operation::queued(&self.operation.name, &values.get_item(index)?))
    }

    fn streams(&self, values: &Bound<'_, PyTuple>) -> PyResult<Option<bool>> {
        self.streaming
            .map_or(Ok(None), |index| operation::streams(&self.operation.name, &values.get_item(index)?))
    }

    /// Goes on recording in the generator or coroutine that a plain function returned.
    #[cold]
    fn defer<'py>(
        slf: &Bound<'py, Self>,
        active: Active,
        result: Bound<'py, PyAny>,
        kind: DeferredKind,
        scope: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, recorder) = (slf.py(), slf.get());
        if let Some(recording) = active.recording() {
            recording.core().suspend();
        }
        let function = |name| import::object(py, intern!(py, "soundpost._functions"), name);
        if let DeferredKind::Coroutine | DeferredKind::Future = kind {
            let drive = match kind {
                DeferredKind::Future => {
                    // The service works on it meanwhile.
                    active.resume();
                    intern!(py, "follow_future")
                }
                _ => intern!(py, "drive_coroutine"),
            };
            let coroutine = Bound::new(py, CoroutineRecorder::new(active, recorder.id()))?;
            return function(drive)?.call1((result, slf, coroutine, scope));
        }
        if let Some(recording) = active.recording() {
            recording.core().expects_output();
            if recorder.streaming.is_none() {
                recording.core().streaming(true);
            }
        }
        let drive = match kind {
            DeferredKind::AsyncGenerator => intern!(py, "drive_async"),
            _ => intern!(py, "drive"),
        };
        let generator = Bound::new(py, recorder.generator_recorder(result.clone(), active)?)?;
        let driven = function(drive)?.call1((generator, recorder.judge(py), scope))?;
        if kind != DeferredKind::Iterator {
            return Ok(driven);
        }
        import::object(py, intern!(py, "soundpost._deferred"), intern!(py, "followed"))?
            .call1((result, driven))
    }

    /// Records nothing of a result that runs later where it cannot be followed.
    #[cold]
    fn lose(&self, py: Python<'_>, active: &Active) -> PyResult<()> {
        active.end(py, |recording| recording.core().discard())?;
        let name = &self.operation.name;
        let text = format!(
            "{name:?}: a part of its result runs later; name its key or attribute as iterates=, or give iterates=False"
        );
        fault::report(py, part::ITERATES, name, None, &text)
    }

    fn generator_recorder(&self, generator: Bound<'_, PyAny>, active: Active) -> PyResult<GeneratorRecorder> {
        let py = generator.py();
        let audio = self.audio.as_ref().map(|audio| audio.clone_ref(py));
        // A judge with a `measure` leaves the end to its items.
        let is_judged = match &self.judge {
            Some(judge) => judge.bind(py).getattr(intern!(py, "measure"))?.is_none(),
            None => false,
        };
        GeneratorRecorder::new(generator, active, audio, is_judged)
    }
}
