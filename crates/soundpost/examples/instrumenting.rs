//! The Rust examples of the guide about calls: getting started, instrumenting, streaming, outcomes.
//!
//! ```sh
//! cargo run -p soundpost --example instrumenting
//! ```

use std::error::Error;
use std::fmt;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use soundpost::{Operation, Outcome, Seconds, Telemetry};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::builder("tts") // the only required setting
        .version("1.4.0")
        .label("env", "production") // on every metric
        .listen(([127, 0, 0, 1], 0)) // port 0: any free one
        .start()?;
    if let Some(address) = telemetry.address() {
        println!("metrics: http://{address}/metrics");
    }

    let accepted = Instant::now();
    let operation = telemetry.operation("synthesize").labels(["voice"])?;
    whole(&operation, "Hello, world.", "en-us", accepted)?;
    let (client, pieces) = mpsc::channel();
    stream(&operation, "Hello, world.", &client);
    drop(pieces);
    stream(&operation, "Hello, world.", &client);

    synthesize("Hello, world.", "en-us")?;
    drop(telemetry.stage("prefetch")); // a stage whose call is not known

    println!("{}", telemetry.render());
    telemetry.shutdown(Duration::from_secs(1));
    Ok(())
}

/// Handles a request with every method of a call.
fn whole(operation: &Operation, text: &str, voice: &str, accepted: Instant) -> Result<Vec<f32>, EngineError> {
    let call = operation
        .begin_with([known(voice)])
        .request_id("req-7d8e9f") // or .traceparent(header): the trace's id; default: a random one
        .queued(accepted.elapsed())
        .streaming(false)
        .start();
    call.field("char_count", text.chars().count());
    match speak(text) {
        Ok(samples) => {
            call.chunk(seconds(&samples));
            call.finish();
            Ok(samples)
        }
        Err(error) => {
            call.fail(&error); // oom, poisoned, timeout or error, by the error's text and sources
            Err(error)
        }
    }
}

/// Handles a stream. A call that is dropped without an end is `abandoned`.
fn stream(operation: &Operation, text: &str, client: &mpsc::Sender<Vec<f32>>) {
    let call = operation.start_with(["en-us"]);
    for piece in text.split(' ') {
        let samples = vec![0.0; 1_000 * piece.len()];
        call.chunk(seconds(&samples));
        call.suspend(); // from here the time is the client's
        if client.send(samples).is_err() {
            return; // the client left
        }
        call.resume();
    }
    call.finish();
}

#[soundpost::instrument(operation = "synthesize", labels(voice = known(voice)), fields(char_count = text.len()))]
fn synthesize(text: &str, voice: &str) -> Result<Vec<f32>, EngineError> {
    let text = frontend(text); // instrumented as well: inside of a call it is a stage
    let samples = speak(&text)?;
    if let Some(call) = soundpost::current_call() {
        call.chunk(seconds(&samples));
        if samples.len() > 60 * 24_000 {
            call.end(Outcome::Truncated);
        }
    }
    Ok(samples)
}

#[soundpost::instrument]
fn frontend(text: &str) -> String {
    text.to_lowercase()
}

/// Returns a label with few values, because clients can send any voice.
fn known(voice: &str) -> &str {
    if ["en-us", "cmn"].contains(&voice) { voice } else { "unknown" }
}

fn seconds(samples: &[f32]) -> Seconds {
    Seconds(samples.len() as f64 / 24_000.0)
}

/// A stand-in for an engine.
fn speak(text: &str) -> Result<Vec<f32>, EngineError> {
    if text.is_empty() { Err(EngineError) } else { Ok(vec![0.0; 1_000 * text.len()]) }
}

#[derive(Debug)]
struct EngineError;

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing to speak")
    }
}

impl Error for EngineError {}
