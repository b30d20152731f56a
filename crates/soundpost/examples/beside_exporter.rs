//! Examples of the guide on metrics-exporter-prometheus, which need the feature of that name.
//!
//! ```sh
//! cargo run -p soundpost --features metrics-exporter-prometheus --example beside_exporter
//! ```

#[cfg(not(feature = "metrics-exporter-prometheus"))]
pub(crate) fn main() {
    println!("build this with --features metrics-exporter-prometheus");
}

#[cfg(feature = "metrics-exporter-prometheus")]
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use soundpost::Telemetry;

    let exporter = PrometheusBuilder::new().install_recorder()?; // as before
    metrics::counter!("requests_total").increment(1);

    let telemetry = Telemetry::builder("tts").append(exporter.clone()).listen(None).start()?;
    assert!(telemetry.render().contains("requests_total 1\n"));

    let through = Telemetry::builder("tts2").through_facade().listen(None).start()?;
    through.operation("synthesize").start().finish();
    assert!(exporter.render().contains("tts2_request_total{"));

    for telemetry in [telemetry, through] {
        telemetry.shutdown(std::time::Duration::from_secs(1));
    }
    Ok(())
}
