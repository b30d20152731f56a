//! Memory per series: heap bytes and, for Soundpost, words of the segment; one kind and recorder per run.
//!
//! `memory` runs itself once per pair, so that measurements do not share memory, and prints a table.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics_exporter_prometheus::PrometheusBuilder;
use soundpost_benches::{BOUNDS, Service, fill};

/// Allocator that counts live heap bytes.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SERIES: usize = 5000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [recorder, kind] = arguments.as_slice() {
        return measure(recorder, kind);
    }
    println!("{:<12} {:<30} {:>12}", "kind", "recorder", "bytes/series");
    for kind in ["counter", "histogram"] {
        for recorder in ["soundpost", "metrics-exporter-prometheus"] {
            let program = std::env::current_exe().unwrap();
            let output = Command::new(program).args([recorder, kind]).output().unwrap();
            print!("{kind:<12} {recorder:<30} {:>12}", String::from_utf8(output.stdout).unwrap());
        }
    }
}

fn measure(recorder: &str, kind: &str) {
    let (counters, histograms) = if kind == "counter" { (SERIES, 0) } else { (0, SERIES) };
    let (heap, shared) = if recorder == "soundpost" {
        let service = Service::new(SERIES).unwrap();
        let facade = service.registry.metrics_recorder();
        let (heap, shared) = (LIVE.load(Ordering::Relaxed), service.registry.used_bytes());
        fill(&facade, counters, histograms);
        (LIVE.load(Ordering::Relaxed) - heap, service.registry.used_bytes() - shared)
    } else {
        let peer = PrometheusBuilder::new().set_buckets(&BOUNDS).unwrap().build_recorder();
        let heap = LIVE.load(Ordering::Relaxed);
        fill(&peer, counters, histograms);
        peer.handle().run_upkeep();
        (LIVE.load(Ordering::Relaxed) - heap, 0)
    };
    println!("{}", (heap + shared) / SERIES);
}
