//! A damaged history of vitals: its reader returns series and samples, or refuses the file.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use soundpost_core::history::{HistoryReader, HistoryWriter, Point};
use soundpost_fuzz::{Home, Template};

struct Bench {
    home: Home,
    file: PathBuf,
    template: Template,
}

static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| {
    let home = Home::new();
    let writer = HistoryWriter::open(&home.service(), 1 << 20);
    let gpus = ["0".to_owned(), "GPU-1".to_owned()];
    for moment in 0..20 {
        let points = ["gpu_memory_used_bytes", "gpu_utilization_ratio"].map(|name| Point {
            name,
            label_names: &["gpu", "uuid"],
            label_values: &gpus,
            value: (moment % 7 != 3).then_some(moment as f64),
        });
        writer.append_at(moment * 1_000_000_000, moment * 1_000_000_000, points);
    }
    drop(writer);
    let file = home.segment(Some("history"));
    let template = Template::new(fs::read(&file).expect("the history"));
    Mutex::new(Bench { home, file, template })
});

fuzz_target!(|input: &[u8]| {
    let bench = BENCH.lock().expect("a lock");
    fs::write(&bench.file, bench.template.edited(input)).expect("written");
    if let Ok(mut reader) = HistoryReader::open(&bench.home.service()) {
        let _ = (reader.is_over(), reader.max_age(), reader.series().count());
        let samples = reader.samples(0..=u64::MAX);
        assert!(samples.is_sorted_by_key(|sample| sample.at));
        reader.as_of(5_000_000_000, 2_000_000_000);
    }
    // A writer continues an intact file and replaces any other.
    drop(HistoryWriter::open(&bench.home.service(), 1 << 20));
});
