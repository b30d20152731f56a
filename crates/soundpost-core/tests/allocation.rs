//! After the first call of a label set nothing on the record path allocates.
#![allow(clippy::expect_used)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::*;
use metrics::{Key, Label, Level, Metadata, Recorder};
use soundpost_core::{Seconds, Spec};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every method passes its arguments on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `work` runs a thousand times.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..1000 {
        work();
    }
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn nothing_is_allocated_on_the_record_path() {
    let home = Home::new();
    let calls = home.calls();
    let registry = calls.registry();
    let operation = calls.operation("op").labels(["voice"]).expect("labels").expects_output(true);
    let whole_call = || {
        let begin = operation
            .begin_with(["anna"])
            .traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let call = begin.queued(std::time::Duration::from_millis(1)).start();
        let _entered = soundpost_core::enter(call.handle());
        call.characters(128);
        drop(call.stage("llm"));
        for _ in 0..3 {
            call.hand_over(Seconds(0.5));
            call.resume();
        }
        call.finish();
    };
    assert_eq!(allocations(whole_call), 0, "a call with stages and chunks");
    assert_eq!(allocations(|| drop(operation.start_with(["anna"]))), 0, "an abandoned call");

    let counter = registry.family(Spec::counter("c")).expect("a family").counter(&[]).expect("a counter");
    let gauge = registry.family(Spec::gauge("g")).expect("a family").gauge(&[]).expect("a gauge");
    let spec = Spec::histogram("h", &[1.0]).exemplars();
    let histogram = registry.family(spec).expect("a family").histogram(&[]).expect("a histogram");
    assert_eq!(allocations(|| counter.increment_by(0.5)), 0);
    assert_eq!(allocations(|| gauge.set(0.5)), 0);
    assert_eq!(allocations(|| histogram.observe_with_exemplar(0.5, "id")), 0);

    let facade = registry.metrics_recorder();
    let metadata = Metadata::new("test", Level::INFO, None);
    let key = Key::from_parts("hits", vec![Label::new("route", "/tts")]);
    assert_eq!(allocations(|| facade.register_counter(&key, &metadata).increment(1)), 0, "a known key");
    let voices = registry.family(Spec::counter("voices").labels(&["language"])).expect("a family");
    let labelled = allocations(|| voices.counter(&["zh"]).expect("a counter").increment());
    assert!(labelled <= 1000, "at most the handle itself: {labelled} for a thousand");
}
