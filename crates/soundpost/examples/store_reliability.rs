//! Measures the store's reliability over many kills: `cargo run --release -p soundpost --example store_reliability --
//! [TIMES]`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/common/store_kills.rs"]
mod store_kills;

use std::time::Instant;

fn main() {
    store_kills::play_role();
    let times = std::env::args().nth(1).map_or(200, |times| times.parse().unwrap());
    let started = Instant::now();
    let kills = store_kills::kill(times);
    println!(
        "{} recording processes and {} reporters killed; {} calls whose recording had returned, 0 lost, 0 twice; \
         {} finished and {} died are stored, {} of them before the recovery, which took {:.0?} ({:.0?} of processor time); {:.0} s in all",
        kills.recorders,
        kills.reporters,
        kills.returned,
        kills.finished,
        kills.died,
        kills.before,
        kills.recovery,
        kills.processor,
        started.elapsed().as_secs_f64()
    );
}
