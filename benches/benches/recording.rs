//! Recording beside the peers: a counter, a histogram, a whole call.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use metrics::Recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use soundpost_benches::{BOUNDS, CHUNK, METADATA, Service, drained, key, whole_call};
use soundpost_core::{Seconds, Spec};

fn counter(criterion: &mut Criterion) {
    let service = Service::new(100).unwrap();
    let peer = PrometheusBuilder::new().build_recorder();
    let key = key("requests", 1);
    let mut group = criterion.benchmark_group("counter");
    let ours = service.registry.metrics_recorder().register_counter(&key, &METADATA);
    group.bench_function("soundpost facade", |b| b.iter(|| black_box(&ours).increment(1)));
    let theirs = peer.register_counter(&key, &METADATA);
    group.bench_function("metrics-exporter-prometheus", |b| b.iter(|| black_box(&theirs).increment(1)));
    let theirs = prometheus::IntCounter::new("a", "b").unwrap();
    group.bench_function("prometheus IntCounter", |b| b.iter(|| black_box(&theirs).inc()));
    let ours = service.registry.family(Spec::counter("typed")).unwrap().counter(&[]).unwrap();
    group.bench_function("soundpost typed f64", |b| b.iter(|| black_box(&ours).increment_by(1.0)));
    let theirs = prometheus::Counter::new("a", "b").unwrap();
    group.bench_function("prometheus Counter", |b| b.iter(|| black_box(&theirs).inc()));
}

fn histogram(criterion: &mut Criterion) {
    let service = Service::new(100).unwrap();
    let peer = PrometheusBuilder::new().set_buckets(&BOUNDS).unwrap().build_recorder();
    let key = key("latency", 1);
    let mut group = criterion.benchmark_group("histogram");
    let ours = service.registry.metrics_recorder().register_histogram(&key, &METADATA);
    group.bench_function("soundpost facade", |b| b.iter(|| black_box(&ours).record(black_box(0.25))));
    let theirs = peer.register_histogram(&key, &METADATA);
    group.bench_function("metrics-exporter-prometheus", |b| {
        b.iter(|| black_box(&theirs).record(black_box(0.25)));
        // It keeps every sample until it renders.
        peer.handle().run_upkeep();
    });
    let options = prometheus::HistogramOpts::new("a", "b").buckets(BOUNDS.to_vec());
    let theirs = prometheus::Histogram::with_opts(options).unwrap();
    group.bench_function("prometheus Histogram", |b| b.iter(|| black_box(&theirs).observe(black_box(0.25))));
}

fn call(criterion: &mut Criterion) {
    let service = Service::new(100).unwrap();
    let operation = service.calls.operation("synthesize").labels(["emotion"]).unwrap();
    let mut drain = service.drain();
    let mut group = criterion.benchmark_group("call");
    group.bench_function("start, finish, 1 label", |b| {
        let record = || operation.start_with([black_box("neutral")]).finish();
        b.iter_custom(|times| drained(&mut drain, times, record));
    });
    group.bench_function("with audio and characters", |b| {
        let record = || {
            let call = operation.start_with([black_box("neutral")]);
            call.characters(128);
            call.chunk(Seconds(0.64));
            call.finish();
        };
        b.iter_custom(|times| drained(&mut drain, times, record));
    });
    let running = operation.start_with(["neutral"]);
    group.bench_function("stage", |b| b.iter(|| drop(running.stage(black_box("vocoder")))));
    group.bench_function("chunk", |b| b.iter(|| running.chunk(Seconds(black_box(0.64)))));
}

/// Measures a call of a service, with room in the event ring and with a full ring.
fn ring(criterion: &mut Criterion) {
    let service = Service::new(100).unwrap();
    let operation = service.calls.operation("synthesize").labels(["emotion"]).unwrap();
    let record = || whole_call(&operation);
    let mut drain = service.drain();
    let mut group = criterion.benchmark_group("call, 6 fields, 3 stages");
    group.bench_function("into the ring", |b| b.iter_custom(|times| drained(&mut drain, times, record)));
    (0..100 * CHUNK).for_each(|_| record());
    group.bench_function("the ring is full", |b| b.iter(record));
}

criterion_group!(benches, counter, histogram, call, ring);
criterion_main!(benches);
