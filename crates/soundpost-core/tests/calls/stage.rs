//! Stages.

use std::panic::{AssertUnwindSafe, catch_unwind};

use soundpost_core::Options;

use crate::common::*;
use crate::{Service, work};

#[test]
fn stages_are_timed_also_nested_overlapping_failing_and_repeated() {
    let service = Service::new();
    let call = service.start();
    {
        let _outer = call.stage("outer");
        let _inner = call.stage("inner");
        work(2);
    }
    let (first, second) = (call.stage("a"), call.stage("b"));
    drop(first);
    second.fail();
    drop(second);
    drop(call.stage("a"));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _stage = call.stage("panics");
        panic!("on purpose");
    }));
    assert!(caught.is_err());
    call.finish();
    let late = call.stage("late");
    drop(late);
    let snapshot = service.snapshot();
    let stage = |name: &'static str| [("operation", "op"), ("stage", name)];
    for (name, count) in [("outer", 1), ("inner", 1), ("a", 2), ("b", 1), ("panics", 1), ("late", 1)] {
        let times = distribution(&snapshot, "svc_stage_duration_seconds", &stage(name));
        assert_eq!(times.count(), count, "{name}");
    }
    assert!(distribution(&snapshot, "svc_stage_duration_seconds", &stage("outer")).sum >= 0.002);
    for (name, count) in [("a", 0.0), ("b", 1.0), ("panics", 1.0)] {
        assert_eq!(value(&snapshot, "svc_stage_failure", &stage(name)), Some(count), "{name}");
    }
}

#[test]
fn stages_outlive_their_call_and_need_none() {
    let service = Service::new();
    let call = service.start();
    let stage = call.stage("s");
    call.finish();
    drop(call);
    drop(stage);
    drop(service.calls.stage("alone"));
    let snapshot = service.snapshot();
    let alone = [("operation", "unknown"), ("stage", "alone")];
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &alone).count(), 1);
    let with = [("operation", "op"), ("stage", "s")];
    assert_eq!(distribution(&snapshot, "svc_stage_duration_seconds", &with).count(), 1);
    assert_eq!(service.finished(), 1.0);
}

#[test]
fn stage_names_beyond_the_limit_overflow() {
    let service = Service::with(Options { series_limit: 10, ..Options::default() });
    let call = service.start();
    for index in 0..50 {
        drop(call.stage(&format!("s{index}")));
    }
    call.finish();
    assert_eq!(total(&service.snapshot(), "svc_stage_duration_seconds", &[]), 50.0);
    let overflow = total(&service.snapshot(), "svc_stage_duration_seconds", &[("stage", "overflow")]);
    assert_eq!(overflow, 40.0);
}
