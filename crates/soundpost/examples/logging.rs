//! Log events of a service, as in the guide.
//!
//! `cargo run --example logging`

use soundpost::{Seconds, Telemetry};
use tracing_subscriber::prelude::*;

/// Runs the example.
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("soundpost-logging-{}", std::process::id()));
    let telemetry = Telemetry::builder("tts").directory(&directory).redact(r"TICKET-\d+").start()?;

    let layer = telemetry.layer().with_max_level(tracing::Level::DEBUG);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let call = telemetry.operation("synthesize").start();
        let entered = soundpost::enter(call.handle());
        call.chunk(Seconds(0.64));
        tracing::info!(duration_ms = 942, "Audio generation completed for TICKET-7");
        drop(entered);
        call.finish();
    });
    assert!(telemetry.flush(std::time::Duration::from_secs(10)));
    telemetry.shutdown(std::time::Duration::from_secs(2));
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
