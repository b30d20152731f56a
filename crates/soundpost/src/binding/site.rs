//! The code behind `#[soundpost::instrument]`.

use std::error::Error;
use std::fmt::Display;
use std::sync::OnceLock;

use soundpost_core::{Call, CallFuture, CallHandle, Operation, Outcome, Stage, current_call, set_once};

use crate::scope;
use crate::telemetry::Telemetry;

/// One instrumented function. Its operation is resolved when telemetry has been started.
pub struct Site {
    name: &'static str,
    labels: &'static [&'static str],
    operation: OnceLock<Operation>,
}

impl Site {
    /// Creates the site of a function recorded as `name`, with these label names.
    pub const fn new(name: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, labels, operation: OnceLock::new() }
    }

    /// Begins a call, or a stage inside of a running call, or nothing before telemetry is started.
    pub fn begin<const N: usize>(&self, values: impl FnOnce() -> [String; N]) -> Begun {
        if let Some(outer) = outer() {
            return Begun::Stage(outer.stage(self.name));
        }
        let scoped = scope::current().map(|telemetry| self.operation_of(&telemetry));
        match scoped.as_ref().or_else(|| self.operation()) {
            Some(operation) => Begun::Call(operation.start_with(values())),
            None => Begun::Nothing,
        }
    }

    fn operation(&self) -> Option<&Operation> {
        self.operation.get().or_else(|| {
            let telemetry = crate::global()?;
            Some(set_once(&self.operation, self.operation_of(telemetry)))
        })
    }

    fn operation_of(&self, telemetry: &Telemetry) -> Operation {
        telemetry.operation(self.name).labels(self.labels).unwrap_or_else(|error| {
            telemetry.registry().diagnostics().warn_once("labels", &error.to_string());
            telemetry.operation(self.name)
        })
    }
}

/// The recording of an instrumented function.
pub enum Begun {
    /// The outermost function is a call.
    Call(Call),
    /// A function inside of a call is its stage.
    Stage(Stage),
    /// Telemetry is not started.
    Nothing,
}

impl Begun {
    /// Sets a field of the call.
    pub fn field(&self, name: &str, value: impl Into<soundpost_core::FieldValue>) {
        if let Self::Call(call) = self {
            call.field(name, value);
        }
    }

    /// Runs a function's body under this recording.
    pub fn run<T>(self, body: impl FnOnce() -> T, conclude: impl FnOnce(&Call, &T)) -> T {
        match self {
            Self::Call(call) => {
                let output = {
                    let _entered = soundpost_core::enter(call.handle());
                    body()
                };
                conclude(&call, &output);
                output
            }
            Self::Stage(stage) => {
                let _stage = stage;
                body()
            }
            Self::Nothing => body(),
        }
    }

    /// Runs an async function's body under this recording.
    pub async fn run_async<F: Future>(self, body: F, conclude: impl FnOnce(&Call, &F::Output)) -> F::Output {
        match self {
            Self::Call(call) => CallFuture::new(call, body, conclude).await,
            Self::Stage(stage) => {
                let _stage = stage;
                body.await
            }
            Self::Nothing => body.await,
        }
    }
}

/// An error for method resolution: an [`Error`] is recorded with its sources, another value as text.
pub struct Failure<'a, E: ?Sized>(pub &'a E);

/// For errors with sources.
pub trait AsError {
    /// Ends `call` with this error.
    fn fail(&self, call: &Call);
}

impl<E: Error + 'static> AsError for &Failure<'_, E> {
    fn fail(&self, call: &Call) {
        call.end_raised(Outcome::of_error(self.0), "", &self.0.to_string());
    }
}

/// For values that can be printed. `{:#}` prints the whole chain of an `anyhow` error.
pub trait AsText {
    /// Ends `call` with this error.
    fn fail(&self, call: &Call);
}

impl<E: Display + ?Sized> AsText for Failure<'_, E> {
    fn fail(&self, call: &Call) {
        let text = format!("{:#}", self.0);
        call.end_raised(Outcome::classify(&[], &text), "", &text);
    }
}

/// Returns the running call around this function.
fn outer() -> Option<CallHandle> {
    current_call().filter(CallHandle::is_active)
}
