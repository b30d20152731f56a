//! The example of the README.
//!
//! ```sh
//! cargo run -p soundpost --example readme
//! ```

use std::error::Error;

use soundpost::{Seconds, Telemetry};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::builder("tts").listen(([127, 0, 0, 1], 9464)).start()?;
    let synthesize = telemetry.operation("synthesize").labels(["voice"])?; // once

    let call = synthesize.start_with(["en-us"]); // per request
    call.field("char_count", 13);
    {
        let _stage = call.stage("frontend");
        normalise("Hello, world.");
    }
    for samples in speak("Hello, world.") {
        call.chunk(Seconds(samples.len() as f64 / 24_000.0));
    }
    call.finish();

    println!("{}", telemetry.render());
    telemetry.shutdown(std::time::Duration::from_secs(1));
    Ok(())
}

fn normalise(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A stand-in for an engine: ten pieces of a tenth of a second.
fn speak(_text: &str) -> impl Iterator<Item = Vec<f32>> {
    (0..10).map(|_| vec![0.0; 2_400])
}
