//! Examples of the guide on sinks.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use soundpost::Telemetry;
use soundpost::sink::{Capture, Graylog, InfluxDb, JsonLines, Loki};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("soundpost-sinks-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("influx"), "token")?;
    captured(&directory)?;
    shipped(&directory, &directory)?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn shipped(directory: &Path, secrets: &Path) -> Result<(), Box<dyn Error>> {
    std::env::set_current_dir(directory)?;
    let influx = InfluxDb::new("http://influx:8086")?
        .org("tts")
        .bucket("performance")
        .token_file(secrets.join("influx"));
    let telemetry = Telemetry::builder("indextts2")
        .sink(influx)
        .sink(Graylog::new("tcp://graylog:12201")?)
        .sink(Loki::new("http://loki:3100")?.tenant("speech"))
        .sink(JsonLines::new("logs/tts.jsonl")?)
        .directory(directory)
        .listen(None)
        .start()?;
    telemetry.shutdown(Duration::from_secs(2));
    Ok(())
}

fn captured(directory: &Path) -> Result<(), Box<dyn Error>> {
    let capture = Capture::new();
    let telemetry = Telemetry::builder("indextts2").directory(directory).sink(capture.clone()).start()?;
    telemetry.operation("synthesize").start().finish();
    telemetry.flush(Duration::from_secs(10));
    assert!(capture.lines().iter().any(|line| line.contains("Audio generation completed")));
    telemetry.shutdown(Duration::from_secs(2));
    Ok(())
}
