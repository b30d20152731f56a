//! Log events beside a peer: `tracing::info!` with six fields, and the cost of redaction.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use soundpost_benches::{Service, drained};
use soundpost_core::LogLayer;
use soundpost_redact::{Hits, Redactor};
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

fn redaction(criterion: &mut Criterion) {
    let redactor = Redactor::default();
    let line =
        "2026-01-02T03:04:05.678Z Audio generation completed duration=0.94s audio=4.20s rtf=0.22 voice=anna ";
    let chinese = "合成完成，音频四点二秒，用时零点九四秒，情感高兴。";
    let mut group = criterion.benchmark_group("redact clean text");
    for (name, text) in
        [("a line", line.to_owned()), ("10 KiB", line.repeat(100)), ("Chinese", chinese.repeat(100))]
    {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| redactor.text(black_box(&text), 64 * 1024, &mut Hits::default()).cut);
        });
    }
}

criterion_group!(benches, event, redaction);
criterion_main!(benches);
