//! A damaged segment: the collector reads it, and merges it into the service's totals.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use soundpost_core::Registry;
use soundpost_core::snapshot::Collector;
use soundpost_fuzz::{Home, Template, segment};

struct Bench {
    home: Home,
    registry: Arc<Registry>,
    file: PathBuf,
    template: Template,
}

static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| {
    let home = Home::new();
    let registry = home.registry();
    let file = home.segment(Some("specimen.segment"));
    Mutex::new(Bench { home, registry, file, template: Template::new(segment()) })
});

fuzz_target!(|input: &[u8]| {
    let bench = BENCH.lock().expect("a lock");
    fs::write(&bench.file, bench.template.edited(input)).expect("written");
    let mut collector = Collector::new(bench.home.service(), bench.registry.clone());
    drop(collector.snapshot());
    drop((collector.in_flight(), collector.pids(), collector.constant_labels()));
    collector.merge_dead();
    drop(collector.snapshot());
    for entry in fs::read_dir(bench.file.parent().expect("a directory")).expect("a directory").flatten() {
        if entry.file_name().to_string_lossy().starts_with("specimen") {
            fs::remove_file(entry.path()).expect("removed");
        }
    }
});
