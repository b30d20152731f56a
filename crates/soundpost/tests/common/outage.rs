//! A service that records while the server of its sink is down, until the server is back.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use soundpost::Telemetry;
use soundpost::sink::{Loki, LokiEncoding, LokiExtras};
use soundpost_store::Reader;
use soundpost_testkit::{Reply, Server};

const SERVICE: &str = "outage";
/// Number of calls between waits for the store without a rate, so that no ring overflows.
const BURST: u64 = 2000;
/// Maximum number of calls that can precede an earlier one.
const NEAR: usize = 100;
/// Maximum measured duration of a call, microseconds.
const LONGEST: usize = 100_000;

/// The results of an outage.
#[derive(Debug, Default)]
pub struct Outage {
    pub recorded: u64,
    /// Calls that the server received in order, and duplicates.
    pub arrived: u64,
    pub repeated: u64,
    /// Records that were not counted as delivered at the end.
    pub lost: u64,
    /// Peak growth of resident memory, bytes.
    pub growth: u64,
    /// 99.9th percentile of the calls' durations.
    pub slow_call: Duration,
    pub outage: Duration,
    /// Time from the server's return until all records arrived.
    pub drained: Duration,
}

/// Calls that the server received, with the ids `n0`, `n1`, ...
#[derive(Default)]
struct Seen {
    /// Number of calls that all arrived.
    next: u64,
    /// Later calls that arrived before. A Loki request is ordered by time, so a clock correction swaps calls that ended
    /// within the same microsecond.
    early: BTreeSet<u64>,
    repeated: u64,
}

impl Seen {
    fn take(&mut self, body: &str) {
        for part in body.split("request_id=n").skip(1) {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let number: u64 = part[..end].parse().unwrap();
            if number < self.next || !self.early.insert(number) {
                self.repeated += 1;
            }
            while self.early.remove(&self.next) {
                self.next += 1;
            }
            assert!(self.early.len() <= NEAR, "n{number} came long before n{}", self.next);
        }
    }
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Records calls while the server is down, at a rate or as fast as they are stored. Then restarts the server.
pub fn outage(directory: &Path, calls: u64, rate: Option<f64>) -> Outage {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let loki = Loki::new(&format!("http://{address}"))
        .unwrap()
        .encoding(LokiEncoding::Json)
        .extras(LokiExtras::Logfmt);
    let telemetry = Telemetry::builder(SERVICE)
        .start_event(false)
        .directory(directory)
        .listen(None)
        .sample_interval(None)
        .facade(false)
        // Calls of ten minutes at 5,000 a second.
        .store_bytes(4 << 30)
        .sink(loki.longest_wait(Duration::from_millis(500)))
        .start()
        .unwrap();
    let operation = telemetry.operation("synthesize");
    let mut took = vec![0u64; LONGEST + 1];
    let start = resident();
    let mut outage = Outage { recorded: calls, ..Outage::default() };
    let began = Instant::now();
    for number in 0..calls {
        let call = Instant::now();
        operation.begin().request_id(&format!("n{number}")).start().finish();
        took[(call.elapsed().as_micros() as usize).min(LONGEST)] += 1;
        match rate {
            Some(rate) if number % 50 == 0 => {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            None if number % BURST == BURST - 1 => drop(telemetry.flush(Duration::from_secs(30))),
            _ => {}
        }
        if number % 1000 == 0 {
            outage.growth = outage.growth.max(resident().saturating_sub(start));
        }
    }
    assert!(telemetry.flush(Duration::from_secs(30)));
    outage.outage = began.elapsed();
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let keep = seen.clone();
    let back = Instant::now();
    let _server = Server::on(TcpListener::bind(address).unwrap(), move |request| {
        let mut body = String::new();
        flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut body).unwrap();
        keep.lock().unwrap().take(&body);
        Reply::status(204)
    });
    let reader = Reader::open(telemetry.directory()).unwrap().unwrap();
    let state = || reader.sinks().unwrap().into_iter().find(|state| state.sink == "loki").unwrap();
    let patience = Duration::from_secs(30) + Duration::from_micros(calls * 200);
    while state().pending > 0 {
        assert!(back.elapsed() < patience, "{:?}", state());
        outage.growth = outage.growth.max(resident().saturating_sub(start));
        std::thread::sleep(Duration::from_millis(5));
    }
    outage.drained = back.elapsed();
    outage.lost = calls - state().delivered;
    {
        let seen = seen.lock().unwrap();
        (outage.arrived, outage.repeated) = (seen.next, seen.repeated);
    }
    let mut slowest = calls / 1000;
    let slow = took.iter().enumerate().rev().find(|(_, count)| {
        let found = **count > slowest;
        slowest = slowest.saturating_sub(**count);
        found
    });
    outage.slow_call = Duration::from_micros(slow.map_or(0, |(micros, _)| micros as u64 + 1));
    telemetry.shutdown(Duration::from_secs(2));
    outage
}
