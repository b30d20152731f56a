//! The service's work and its instrumentation: two operations, one per kind of response.

use std::ops::ControlFlow;

use bytes::Bytes;
use soundpost::{Call, Operation, Seconds, Telemetry};
use tokio::sync::mpsc;

use crate::engine::{Engine, EngineError};

/// The engine and its two operations.
pub(crate) struct Speech {
    engine: Engine,
    whole: Operation,
    streamed: Operation,
}

impl Speech {
    /// Creates the operations once, so that a request only records.
    pub(crate) fn new(telemetry: &Telemetry, engine: Engine) -> Result<Self, soundpost::Error> {
        Ok(Self {
            engine,
            whole: telemetry.operation("synthesize").labels(["voice"])?.expects_output(true),
            streamed: telemetry.operation("synthesize_stream").labels(["voice"])?.expects_output(true),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the whole text as PCM.
    pub(crate) fn synthesize(&self, text: &str, voice: &str) -> Result<Vec<u8>, EngineError> {
        let call = self.start(&self.whole, text, voice);
        let text = frontend(&call, text);
        let mut pcm = Vec::new();
        let made = {
            let _stage = call.stage("vocoder");
            self.engine.speak(&text, voice, |samples| {
                pcm.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
                ControlFlow::Continue(())
            })
        };
        if !pcm.is_empty() {
            call.chunk(self.seconds(pcm.len()));
        }
        finish(call, &made);
        made.map(|()| pcm)
    }

    /// Sends the text as pieces of PCM, as the engine produces them, until the receiver is gone.
    pub(crate) fn synthesize_stream(&self, text: &str, voice: &str, client: &mpsc::Sender<Piece>) {
        let call = self.start(&self.streamed, text, voice);
        let text = frontend(&call, text);
        let made = self.engine.speak(&text, voice, |samples| {
            let piece: Bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            call.chunk(self.seconds(piece.len()));
            match client.blocking_send(Ok(piece)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        if client.is_closed() {
            return; // dropped unfinished, the call is recorded as abandoned
        }
        finish(call, &made);
        if let Err(error) = made {
            let _ = client.blocking_send(Err(error)); // a disconnected client needs no error
        }
    }

    fn start(&self, operation: &Operation, text: &str, voice: &str) -> Call {
        // A label needs few values, and the client chooses the voice: all unsupported voices share one value.
        let label = if self.engine.voices().contains_key(voice) { voice } else { "unknown" };
        let call = operation.start_with([label]);
        call.field("char_count", text.chars().count() as u64);
        call
    }

    fn seconds(&self, bytes: usize) -> Seconds {
        Seconds(bytes as f64 / 2.0 / f64::from(self.engine.sample_rate()))
    }
}

/// Item of the stream to a client.
pub(crate) type Piece = Result<Bytes, EngineError>;

/// Collapses white space to single spaces.
fn frontend(call: &Call, text: &str) -> String {
    let _stage = call.stage("frontend");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn finish(call: Call, made: &Result<(), EngineError>) {
    match made {
        Ok(()) => call.finish(),
        Err(error) => call.fail(error),
    }
}
