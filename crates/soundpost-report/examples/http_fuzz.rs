//! Row E8 of docs/reliability.md: a million requests, few of them right; never a 5xx, never a panic.
//!
//! `cargo run --release -p soundpost-report --example http_fuzz [requests] [seed]`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../tests/attack/http_fuzz.rs"]
mod http_fuzz;
#[path = "../tests/attack/target.rs"]
mod target;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, panic};

fn main() -> ExitCode {
    let mut numbers = env::args().skip(1).map(|arg| arg.parse().expect("a number"));
    let (requests, seed) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(1));
    let faults = Arc::new(AtomicUsize::new(0));
    let panics = Arc::clone(&faults);
    panic::set_hook(Box::new(move |info| {
        eprintln!("{info}");
        panics.fetch_add(1, Ordering::SeqCst);
    }));
    let address = target::start(&faults);
    let start = Instant::now();
    let tally = http_fuzz::run(address, requests, 2, seed);
    let faults = faults.load(Ordering::SeqCst);
    println!("requests      {} on {} connections", tally.requests, tally.connections);
    println!("took          {:.1} s", start.elapsed().as_secs_f64());
    println!("answered      {}", tally.answered());
    for (status, count) in &tally.statuses {
        println!("status {status}    {count}");
    }
    println!("5xx           {}", tally.server_errors());
    println!("hung          {}", tally.hung);
    println!("panics        {faults}");
    if tally.server_errors() == 0 && tally.hung == 0 && faults == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
