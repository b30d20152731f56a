//! Waiting with a deadline, for all tests.

use std::time::{Duration, Instant};

/// Asks until it is so; fails after ten seconds.
#[track_caller]
pub(crate) fn until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < deadline, "not within 10 s");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
