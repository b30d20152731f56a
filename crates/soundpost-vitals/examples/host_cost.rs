//! Cost of a sample of the host and of some processes.
//!
//! `cargo run --release -p soundpost-vitals --example host_cost [PID...]`: without pids it starts four processes.
//! Prints the CPU time of a sample, and the share of a core that it takes at one sample a second: once in a tight
//! loop, and once at 20 a second, where caches have gone cold in between.

use std::error::Error;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use soundpost_vitals::{Host, Processes, Readings, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let mut pids: Vec<u32> = std::env::args().skip(1).map(|pid| pid.parse()).collect::<Result<_, _>>()?;
    let mut children = Vec::new();
    if pids.is_empty() {
        for _ in 0..4 {
            children.push(Command::new("sleep").arg("600").spawn()?);
        }
        pids = children.iter().map(Child::id).collect();
        std::thread::sleep(Duration::from_millis(200));
    }
    let measured = measure(&pids);
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    measured
}

fn measure(pids: &[u32]) -> Result<(), Box<dyn Error>> {
    let (mut host, mut processes, mut readings) = (Host::new(), Processes::new(), Readings::default());
    let mut sample = || -> Result<usize, Box<dyn Error>> {
        readings.clear();
        host.sample(&mut readings)?;
        processes.set_pids(pids);
        processes.sample(&mut readings)?;
        Ok(readings.readings.len())
    };
    sample()?;
    for (name, count, pause) in [("tight loop", 5_000, 0), ("20 a second", 200, 50)] {
        let (cpu, wall) = (cpu_time()?, Instant::now());
        let mut values = 0;
        for _ in 0..count {
            values = sample()?;
            std::thread::sleep(Duration::from_millis(pause));
        }
        let cpu = (cpu_time()? - cpu).as_secs_f64() * 1e6 / f64::from(count);
        let wall = wall.elapsed().as_secs_f64() * 1e6 / f64::from(count);
        println!(
            "{name}: {cpu:.1} us of CPU a sample ({wall:.1} us in all), {values} values, {} processes: \
             {:.4} % of a core at one a second",
            pids.len(),
            cpu / 1e4
        );
    }
    Ok(())
}

/// CPU time of this thread.
fn cpu_time() -> Result<Duration, nix::Error> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from)
}
