//! Measures a sink whose server is down for ten minutes while 5,000 calls a second are recorded.
//!
//! ```sh
//! cargo run --release -p soundpost --features sinks --example sink_outage [SECONDS [CALLS_A_SECOND]]
//! ```

#[path = "../tests/common/outage.rs"]
mod outage;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(600.0), |text| text.parse())?;
    let rate: f64 = arguments.next().map_or(Ok(5000.0), |text| text.parse())?;
    // Temporary files may be in memory, so the workspace is used.
    let directory =
        tempfile::tempdir_in(std::env::var_os("SOUNDPOST_DIRECTORY").unwrap_or_else(|| "target".into()))?;
    let found = outage::outage(directory.path(), (seconds * rate) as u64, Some(rate));
    println!("recorded in {:.0} s of outage: {}", found.outage.as_secs_f64(), found.recorded);
    println!("arrived in order: {}, repeated {}, lost {}", found.arrived, found.repeated, found.lost);
    let drained = found.drained.as_secs_f64();
    println!("drained in {drained:.1} s: {:.0} a second", found.recorded as f64 / drained);
    println!("resident memory grew by at most {:.1} MiB", found.growth as f64 / f64::from(1 << 20));
    println!("one call in 1,000 took longer than {:?}", found.slow_call);
    Ok(())
}
