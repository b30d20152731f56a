//! A service that already runs metrics-exporter-prometheus, and adds Soundpost beside it.
//!
//! `existing-exporter through` keeps the exporter's recorder: Soundpost's instruments write to it too, and its
//! own endpoint or `render()` shows them. `existing-exporter append` has Soundpost's endpoint show what the
//! exporter renders, below its own. Both record a few calls and print what a scrape would get.

use std::error::Error;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use soundpost::{Seconds, Telemetry};

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    // What the service had before.
    let exporter = PrometheusBuilder::new().set_buckets(&soundpost::LATENCY_BUCKETS)?.install_recorder()?;
    metrics::counter!("voices_loaded_total").increment(3);

    let builder = Telemetry::builder("existing").version("1.0").no_listen();
    let telemetry = match mode.as_str() {
        "through" => builder.through_facade().start()?,
        "append" => builder.append(exporter.clone()).start()?,
        other => return Err(format!("{other:?}: say `through` or `append`").into()),
    };

    let synthesize = telemetry.operation("synthesize").labels(["voice"]);
    for voice in ["en", "cmn", "en"] {
        let call = synthesize.start([voice]);
        call.field("char_count", 42);
        call.chunk(Seconds(0.5));
        call.finish();
    }

    match mode.as_str() {
        "through" => println!("{}", exporter.render()),
        _ => println!("{}", telemetry.render(false)),
    }
    telemetry.shutdown(Duration::from_secs(1));
    Ok(())
}
