//! The store's thread: a panic in it loses nothing.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use soundpost_core::snapshot::MetricValue;
use soundpost_core::{Calls, Options, Registry, ServiceDir, ServiceIdentity};
use soundpost_report::{Config, Reporter};
use soundpost_store::{CallFilter, Limits, Now, Reader};

const PANICS: u64 = 3;

#[test]
fn panic_of_the_store_thread_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let place = ServiceDir::open_with_shared_memory(root.path(), "svc", root.path()).unwrap();
    let registry = Registry::open(&place, ServiceIdentity::new("svc"), Options::default()).unwrap();
    let calls = Calls::new(&registry).unwrap();
    let operation = calls.operation("op");
    (0..100).for_each(|_| operation.start().finish());
    // A file that is no store is set aside under a name with the time: this reads the clock, which panics.
    std::fs::write(place.directory().join("store.sqlite"), [b'x'; 10_000]).unwrap();
    let left = AtomicU64::new(PANICS);
    let last = Arc::new(Mutex::new(None));
    let panicked = last.clone();
    let injected = move || {
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            *panicked.lock().unwrap() = Some(Instant::now());
            std::panic::panic_any("injected");
        }
        Now::read()
    };
    let config = Config {
        server: None,
        idle_limit: Duration::from_secs(600),
        appendix: None,
        sample_interval: None,
        gpu_memory_interval: None,
        gpus: None,
        store: Some(Limits { clock: Arc::new(injected), ..Limits::default() }),
        sinks: Vec::new(),
        agent: false,
        supervised: None,
    };
    let reporter = Reporter::start(place.clone(), registry, calls, config).unwrap();
    assert!(reporter.flush(Duration::from_secs(10)));
    let back = last.lock().unwrap().unwrap().elapsed();
    assert!(back < Duration::from_secs(1), "{back:?}");
    let errors = reporter.snapshot();
    let errors = errors.families.iter().find(|family| &*family.name == "soundpost_errors").unwrap();
    let of_store =
        errors.series.iter().find(|series| series.labels.iter().any(|(_, part)| &**part == "store"));
    // One for each panic, and one for the file.
    assert_eq!(of_store.unwrap().value, MetricValue::Int(PANICS + 1));
    let reader = Reader::open(place.directory()).unwrap().unwrap();
    assert_eq!(reader.summary(&CallFilter::default()).unwrap().total(), 100);
    reporter.shutdown(Duration::from_secs(5));
}
