//! The Rust part of `make gpu-check`: samples all GPUs of the machine for some seconds, and prints a scrape.
//!
//! ```sh
//! cargo run -p soundpost --example gpu_check -- 3
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use soundpost::{GpuScope, Telemetry};

/// The first sample starts NVML, which takes up to a second or more.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(3.0), |text| text.parse())?;
    let telemetry = Telemetry::builder("gpu-check")
        .listen(None)
        .facade(false)
        .gpu(GpuScope::All)
        .sample_interval(Duration::from_millis(500))
        .start()?;
    let deadline = Instant::now() + PATIENCE;
    while !telemetry.render().contains("soundpost_gpu_available") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::try_from_secs_f64(seconds)?);
    println!("{}", telemetry.render());
    telemetry.shutdown(Duration::from_secs(2));
    Ok(())
}
