//! A scrape of 10,000 counters and 1,000 histograms of 15 buckets beside the peers.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus::Encoder;
use soundpost_benches::{BOUNDS, Service, fill};
use soundpost_report::exposition;

const COUNTERS: usize = 10_000;
const HISTOGRAMS: usize = 1_000;

fn scrape(criterion: &mut Criterion) {
    let service = Service::new(COUNTERS).unwrap();
    fill(&service.registry.metrics_recorder(), COUNTERS, HISTOGRAMS);
    let mut collector = service.collector();
    let peer = PrometheusBuilder::new().set_buckets(&BOUNDS).unwrap().build_recorder();
    fill(&peer, COUNTERS, HISTOGRAMS);
    let crate_prometheus = prometheus_registry();

    let mut group = criterion.benchmark_group("scrape");
    group.measurement_time(Duration::from_secs(10)).sample_size(50);
    group.bench_function("soundpost text", |b| {
        b.iter(|| black_box(exposition::text(&collector.snapshot())));
    });
    group.bench_function("soundpost openmetrics", |b| {
        b.iter(|| black_box(exposition::openmetrics(&collector.snapshot())));
    });
    group.bench_function("soundpost snapshot alone", |b| b.iter(|| black_box(collector.snapshot())));
    group.bench_function("metrics-exporter-prometheus", |b| b.iter(|| black_box(peer.handle().render())));
    group.bench_function("prometheus crate", |b| {
        b.iter(|| {
            let mut text = Vec::new();
            prometheus::TextEncoder::new().encode(&crate_prometheus.gather(), &mut text).unwrap();
            black_box(text)
        });
    });
}

fn prometheus_registry() -> prometheus::Registry {
    let registry = prometheus::Registry::new();
    for family in 0..10 {
        let options = prometheus::Opts::new(format!("requests_{family}_total"), "x");
        let counters = prometheus::IntCounterVec::new(options, &["voice"]).unwrap();
        let options =
            prometheus::HistogramOpts::new(format!("latency_{family}"), "x").buckets(BOUNDS.to_vec());
        let histograms = prometheus::HistogramVec::new(options, &["voice"]).unwrap();
        for index in (family..COUNTERS).step_by(10) {
            counters.with_label_values(&[&format!("voice-{index:05}")]).inc_by(index as u64);
        }
        for index in (family..HISTOGRAMS).step_by(10) {
            let histogram = histograms.with_label_values(&[&format!("voice-{index:05}")]);
            BOUNDS.iter().for_each(|bound| histogram.observe(*bound));
        }
        registry.register(Box::new(counters)).unwrap();
        registry.register(Box::new(histograms)).unwrap();
    }
    registry
}

criterion_group!(benches, scrape);
criterion_main!(benches);
