//! A service with metrics-exporter-prometheus that adds Soundpost.
//!
//! `existing-exporter through` keeps the exporter's recorder: Soundpost writes to it too, and the exporter's
//! endpoint or `render()` exposes the metrics. `existing-exporter append` appends the exporter's rendering to
//! Soundpost's endpoint. Both record a few calls and print the text of a scrape.

use std::error::Error;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use soundpost::{Seconds, Telemetry};

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    // The service's existing metrics.
    let exporter = PrometheusBuilder::new().set_buckets(&soundpost::LATENCY_BUCKETS)?.install_recorder()?;
    metrics::counter!("voices_loaded_total").increment(3);

    let builder = Telemetry::builder("existing").version("1.0").listen(None);
    let telemetry = match mode.as_str() {
        "through" => builder.through_facade().start()?,
        "append" => builder.append(exporter.clone()).start()?,
        other => return Err(format!("{other:?}: say `through` or `append`").into()),
    };

    let synthesize = telemetry.operation("synthesize").labels(["voice"])?;
    for voice in ["en", "cmn", "en"] {
        let call = synthesize.start_with([voice]);
        call.field("char_count", 42);
        call.chunk(Seconds(0.5));
        call.finish();
    }

    match mode.as_str() {
        "through" => println!("{}", exporter.render()),
        _ => println!("{}", telemetry.render()),
    }
    telemetry.shutdown(Duration::from_secs(1));
    Ok(())
}
