//! The code behind `#[soundpost::instrument]`.

use std::error::Error;
use std::fmt::Display;
use std::sync::OnceLock;

use soundpost_core::{Call, CallFuture, CallHandle, Operation, Outcome, Stage, current_call, set_once};

/// One instrumented function: its operation, found when telemetry has been started.
pub struct Site {
    name: &'static str,
    labels: &'static [&'static str],
    operation: OnceLock<Operation>,
}

impl Site {
    /// A function recorded as `name`, with these label names.
    pub const fn new(name: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, labels, operation: OnceLock::new() }
    }

    /// What the function begins as: a call, a stage of the call around it, or nothing before telemetry.
    pub fn begin<const N: usize>(&self, values: impl FnOnce() -> [String; N]) -> Begun {
        if let Some(outer) = outer() {
            return Begun::Stage(outer.stage(self.name));
        }
        match self.operation() {
            Some(operation) => Begun::Call(operation.start_with(values())),
            None => Begun::Nothing,
        }
    }

    fn operation(&self) -> Option<&Operation> {
        self.operation.get().or_else(|| {
            let telemetry = crate::global()?;
            let operation = telemetry.operation(self.name).labels(self.labels).unwrap_or_else(|error| {
                telemetry.registry().diagnostics().warn_once("labels", &error.to_string());
                telemetry.operation(self.name)
            });
            Some(set_once(&self.operation, operation))
        })
    }
}

/// What an instrumented function runs as.
pub enum Begun {
    /// The outermost one.
    Call(Call),
    /// One inside of a call.
    Stage(Stage),
    /// No telemetry was started.
    Nothing,
}

impl Begun {
    /// Sets a field of the call.
    pub fn field(&self, name: &str, value: impl Into<soundpost_core::FieldValue>) {
        if let Self::Call(call) = self {
            call.field(name, value);
        }
    }

    /// Runs a function's body as this.
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

    /// Runs an async function's body as this.
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

/// An error whose kind is found by method resolution: a real [`Error`] with its sources, else its text.
pub struct Failure<'a, E: ?Sized>(pub &'a E);

/// For errors with sources.
pub trait AsError {
    /// Ends `call` with this error.
    fn fail(&self, call: &Call);
}

impl<E: Error + 'static> AsError for &Failure<'_, E> {
    fn fail(&self, call: &Call) {
        call.fail(self.0);
    }
}

/// For whatever can be printed; `{:#}` prints the whole chain of an `anyhow` error.
pub trait AsText {
    /// Ends `call` with this error.
    fn fail(&self, call: &Call);
}

impl<E: Display + ?Sized> AsText for Failure<'_, E> {
    fn fail(&self, call: &Call) {
        let text = format!("{:#}", self.0);
        call.end_with(Outcome::classify(&[], &text), "", &text);
    }
}

/// The call around this one, if it is running: an instrumented function inside becomes its stage.
fn outer() -> Option<CallHandle> {
    current_call().filter(CallHandle::is_active)
}
