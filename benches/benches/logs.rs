//! Log events beside a peer: `tracing::info!` with six fields.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use soundpost_benches::{Service, drained};
use soundpost_core::LogLayer;
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

fn say() {
    tracing::info!(
        duration_ms = black_box(942),
        audio_seconds = black_box(4.2),
        rtf = black_box(0.22),
        emotion = black_box("sad"),
        model_version = black_box("V23"),
        streaming = black_box(true),
        "Audio generation completed"
    );
}

fn event(criterion: &mut Criterion) {
    let service = Service::new(100).unwrap();
    let mut drain = service.drain();
    let mut group = criterion.benchmark_group("tracing::info!, 6 fields");
    let layer = LogLayer::new(service.registry.clone());
    with_default(tracing_subscriber::registry().with(layer), || {
        group.bench_function("soundpost layer", |b| b.iter_custom(|times| drained(&mut drain, times, say)));
    });
    let json = tracing_subscriber::fmt().json().with_writer(std::io::sink).finish();
    with_default(json, || group.bench_function("tracing-subscriber JSON, to nowhere", |b| b.iter(say)));
}

criterion_group!(benches, event);
criterion_main!(benches);
