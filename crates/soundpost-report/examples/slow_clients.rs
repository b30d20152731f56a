//! Row E7 of docs/reliability.md: 1,000 slow clients and 10 honest scrapers, against a server in a
//! process of its own.
//!
//! `cargo run --release -p soundpost-report --example slow_clients [slow] [honest] [seconds]`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../tests/attack/slow_clients.rs"]
mod slow_clients;
#[path = "../tests/attack/target.rs"]
mod target;

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use slow_clients::{Attack, run};

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let mut numbers = env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let mut next = |default| numbers.next().unwrap_or(default);
    let (slow, honest, seconds) = (next(1_000), next(10), next(30));
    let (mut server, address) = start();
    let attack = |slow, seconds| Attack {
        slow,
        honest: honest as usize,
        lasting: Duration::from_secs(seconds),
        pause: Duration::from_secs(1),
        interval: Duration::from_millis(50),
    };
    // The honest clients alone, for comparison.
    let calm = run(address, &attack(0, 3));
    let (rss, threads) = (status(&server, "VmHWM"), status(&server, "Threads"));
    let outcome = run(address, &attack(slow as usize, seconds));
    let (rss_after, threads_after) = (status(&server, "VmHWM"), status(&server, "Threads"));
    let _ = server.kill();
    let _ = server.wait();

    let longest = outcome.held.last().copied().unwrap_or_default();
    println!(
        "scrapes       {} ({} failed), {} before the attack",
        outcome.scrapes.len(),
        outcome.failed,
        calm.scrapes.len()
    );
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        println!("{name}           {:.1?} ({:.1?} before)", outcome.quantile(share), calm.quantile(share));
    }
    println!("slow closed   {} times, the longest after {longest:.1?}", outcome.held.len());
    println!("still open    {:.1?} at most", outcome.still_open);
    println!("peak RSS      {rss} KiB before, {} KiB more", rss_after.saturating_sub(rss));
    println!("threads       {threads} before, {threads_after} after");
    let held = outcome.failed == 0
        && outcome.quantile(0.99) < Duration::from_millis(100)
        && longest.max(outcome.still_open) <= Duration::from_millis(10_100)
        && rss_after - rss < 16 * 1024
        && threads == threads_after;
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the server's process: prints the address and serves until it is killed.
fn serve() -> ExitCode {
    println!("{}", target::start(&Arc::default()));
    let _ = io::stdin().lines().count();
    ExitCode::SUCCESS
}

fn start() -> (Child, SocketAddr) {
    let mut server = Command::new(env::current_exe().expect("this program"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server's process");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
    (server, line.trim().parse().expect("an address"))
}

/// Reads a number from `/proc/PID/status`.
fn status(process: &Child, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("its status");
    let line = status.lines().find(|line| line.starts_with(key)).expect("the key");
    line.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
