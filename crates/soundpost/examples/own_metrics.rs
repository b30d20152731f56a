//! The Rust examples of the guide on custom metrics.
//!
//! ```sh
//! cargo run -p soundpost --example own_metrics
//! ```

use std::error::Error;
use std::time::Duration;

use soundpost::{Merge, Spec, Telemetry, Unit};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::builder("tts")
        .buckets("render", &[0.01, 0.1, 1.0]) // of a histogram that comes through the facade
        .listen(None)
        .start()?;

    typed(&telemetry)?;
    facade();

    let text = telemetry.render();
    assert!(text.contains("render_seconds_sum 0.3\n"), "{text}");
    assert!(text.contains("voices_loaded_total{lang=\"en\"} 3\n"), "{text}");
    println!("{text}");
    telemetry.shutdown(Duration::from_secs(1));
    Ok(())
}

fn typed(telemetry: &Telemetry) -> Result<(), soundpost::Error> {
    let load = Spec::histogram("tts_model_load", &[1.0, 5.0, 20.0, 60.0])
        .unit(Unit::Seconds) // exposed as tts_model_load_seconds
        .help("Time to load a model.")
        .labels(&["model"]);
    let load = telemetry.family(load)?.histogram(&["base"])?; // once
    load.observe(3.2); // as often as you like: it cannot fail

    let spec = Spec::gauge("tts_cache_fill").unit(Unit::Ratio).merge(Merge::Max);
    telemetry.family(spec)?.gauge(&[])?.set(0.25);
    Ok(())
}

fn facade() {
    metrics::counter!("voices_loaded_total", "lang" => "en").increment(3);
    // Describe before the first use: the unit decides the name and the scale.
    metrics::describe_histogram!("render", metrics::Unit::Milliseconds, "Time to render a frame.");
    metrics::histogram!("render").record(300.0); // render_seconds, 0.3
}
