//! Calls, stages and chunks through their public doors: every outcome and every request metric.
#![allow(clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod full;
mod future;
mod judgement;
mod label;
mod levels;
mod measure;
mod outcome;
mod request_id;
mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use soundpost_core::snapshot::Snapshot;
use soundpost_core::{Call, Calls, Options, Outcome, Seconds, Spec};

struct Service {
    home: Home,
    calls: Arc<Calls>,
}

impl Service {
    fn new() -> Self {
        let home = Home::new();
        let calls = home.calls();
        Self { home, calls }
    }

    fn with(options: Options) -> Self {
        let home = Home::new();
        let calls = Calls::new(&home.registry_with(options)).expect("request metrics");
        Self { home, calls }
    }

    fn snapshot(&self) -> Snapshot {
        self.home.snapshot(self.calls.registry())
    }

    /// Finished calls of the operation `op` with this outcome.
    fn count(&self, outcome: Outcome) -> f64 {
        let labels = [("operation", "op"), ("status", outcome.status().name()), ("outcome", outcome.name())];
        value(&self.snapshot(), "svc_request", &labels).unwrap_or(0.0)
    }

    fn finished(&self) -> f64 {
        total(&self.snapshot(), "svc_request", &[])
    }

    fn in_flight(&self) -> f64 {
        value(&self.snapshot(), "svc_requests_in_flight", &[("operation", "op")]).expect("known")
    }

    fn start(&self) -> Call {
        self.calls.operation("op").start()
    }

    fn observed(&self, name: &str) -> (u64, f64) {
        let snapshot = self.snapshot();
        let name = format!("svc_{name}");
        match series(&snapshot, &name, &[("operation", "op")]) {
            Some(_) => {
                let distribution = distribution(&snapshot, &name, &[("operation", "op")]);
                (distribution.count(), distribution.sum)
            }
            None => (0, 0.0),
        }
    }
}

/// Lets at least this much time pass, working.
fn work(millis: u64) {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[track_caller]
fn assert_between(value: f64, low: f64, high: f64) {
    assert!((low..=high).contains(&value), "{value} is not between {low} and {high}");
}

#[test]
fn more_calls_than_slots_are_all_counted() {
    let service = Service::with(small());
    let calls: Vec<Call> = (0..100).map(|_| service.start()).collect();
    assert_between(service.in_flight(), 8.0, 100.0);
    for call in &calls {
        call.chunk(Seconds(1.0));
        assert!(call.is_active());
    }
    for call in &calls[..90] {
        call.finish();
        call.end(Outcome::Error);
    }
    drop(calls);
    assert_eq!((service.count(Outcome::Ok), service.count(Outcome::Abandoned)), (90.0, 10.0));
    assert_eq!(value(&service.snapshot(), "svc_audio_seconds", &[("operation", "op")]), Some(100.0));
    assert_eq!(service.in_flight(), 0.0);
}

#[test]
fn fields_are_kept_bounded() {
    let service = Service::new();
    let call = service.start();
    for index in 0..100 {
        call.field(&format!("f{index}"), index);
    }
    call.field("f0", "again");
    call.field("f1", "é".repeat(10_000));
    let fields = call.fields();
    assert_eq!(fields.len(), 64);
    assert_eq!(fields[0], ("f0".into(), "again".into()));
    assert_eq!(fields[1].1, "é".repeat(4096).into());
}

#[test]
fn unhealthy_reasons_come_and_go() {
    let service = Service::new();
    let read = || value(&service.snapshot(), "svc_unhealthy", &[("reason", "disk")]);
    service.calls.set_unhealthy("disk", true);
    assert_eq!(read(), Some(1.0));
    service.calls.set_unhealthy("disk", false);
    assert_eq!(read(), Some(0.0));
}
