//! Row E8 of docs/reliability.md, with small numbers; the example `http_fuzz` runs it in full.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "attack/http_fuzz.rs"]
mod http_fuzz;
#[path = "attack/target.rs"]
mod target;

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn no_request_is_answered_with_5xx() {
    let faults = Arc::new(AtomicUsize::new(0));
    let panics = Arc::clone(&faults);
    panic::set_hook(Box::new(move |_| {
        panics.fetch_add(1, Ordering::SeqCst);
    }));
    let address = target::start(&faults);
    let tally = http_fuzz::run(address, 20_000, 2, 1);
    let _ = panic::take_hook();
    assert_eq!((tally.server_errors(), tally.hung), (0, 0), "{tally:?}");
    assert_eq!(faults.load(Ordering::SeqCst), 0);
    // Most requests were accepted.
    assert!(tally.answered() > tally.requests * 9 / 10, "{tally:?}");
    for status in [200, 400, 404, 405, 421] {
        assert!(tally.statuses.contains_key(&status), "{tally:?}");
    }
}
