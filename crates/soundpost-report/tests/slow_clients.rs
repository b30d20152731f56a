//! Row E7 of docs/reliability.md, with small numbers; the example `slow_clients` runs it in full.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "attack/slow_clients.rs"]
mod slow_clients;
#[path = "attack/target.rs"]
mod target;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use slow_clients::{Attack, run};

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn slow_clients_do_not_lock_scrapers_out() {
    let faults = Arc::new(AtomicUsize::new(0));
    let address = target::start(&faults);
    let before = threads();
    let attack = Attack {
        slow: 150,
        honest: 3,
        lasting: Duration::from_secs(3),
        pause: Duration::from_millis(500),
        interval: Duration::from_millis(20),
    };
    let outcome = run(address, &attack);
    assert_eq!(outcome.failed, 0);
    assert!(outcome.scrapes.len() > 20);
    // The requirement is 100 ms on an idle machine; here other tests run at the same time.
    assert!(outcome.quantile(0.99) < Duration::from_secs(1), "{:?}", outcome.quantile(0.99));
    assert!(!outcome.held.is_empty());
    assert!(*outcome.held.last().unwrap() <= Duration::from_secs(10));
    assert_eq!(threads(), before, "a thread per client");
    assert_eq!(faults.load(Ordering::SeqCst), 0);
}
