//! A damaged event ring: the ring reader reads its calls and log events, and the calls that were in flight.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use soundpost_core::Registry;
use soundpost_core::snapshot::RingReader;
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
    let mut reader = RingReader::new(bench.home.service(), bench.registry.clone());
    reader.attach(|_| Ok::<_, ()>(None)).expect("attached");
    let batch = reader.read(1000, |call| call.ended >= call.started);
    let _ = (reader.fill(), reader.has_room(), batch.is_empty());
    let deaths = reader.read_deaths();
    reader.stored(&batch.positions);
    reader.stored(&deaths.positions);
    drop(reader);
    fs::remove_file(&bench.file).expect("removed");
});
