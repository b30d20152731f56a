//! The server under attack.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use soundpost_core::Unit;
use soundpost_core::snapshot::{Distribution, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot};
use soundpost_report::{Health, Server, ServerConfig, Sources};
use tokio::sync::watch;

/// Starts a server on a free port until the process ends; `faults` counts its faults.
pub(crate) fn start(faults: &Arc<AtomicUsize>) -> SocketAddr {
    let server = Server::bind(&ServerConfig::new(([127, 0, 0, 1], 0).into())).expect("a free port");
    let address = server.address();
    let (snapshot, faults) = (Arc::new(service()), Arc::clone(faults));
    let sources = Sources {
        snapshot: Arc::new(move || Snapshot::clone(&snapshot)),
        appendix: None,
        health: Arc::new(|| Health { healthy: true, is_ready: true, is_loading: false, flags: vec![] }),
        observe_scrape: Arc::new(|_| {}),
        fault: Arc::new(move |_| {
            faults.fetch_add(1, Ordering::SeqCst);
        }),
        refused: Arc::new(|_| {}),
    };
    thread::Builder::new()
        .name("serve".into())
        .spawn(move || {
            let (_stop, stopped) = watch::channel(false);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.and_then(|runtime| runtime.block_on(server.serve(sources, stopped)));
            served.expect("a server");
        })
        .expect("a thread");
    address
}

/// Returns the metrics of a large service: 500 counters and 50 histograms, about 150 KB.
fn service() -> Snapshot {
    let bounds: Arc<[f64]> = (1..=15).map(|n| f64::from(n) / 4.0).collect();
    let series = |n: u64, value| MetricSeries {
        labels: [("operation".into(), format!("operation-{n}").into())].into(),
        value,
    };
    let distribution = |n: u64| {
        MetricValue::Distribution(Distribution {
            bounds: Arc::clone(&bounds),
            counts: (0..16).map(|bucket| bucket * n).collect(),
            sum: n as f64 * 1.5,
            exemplars: vec![],
        })
    };
    let family = |name: &str, kind, unit, series| MetricFamily {
        name: name.into(),
        kind,
        help: "For the attack".into(),
        unit,
        series,
    };
    let counters = (0..500).map(|n| series(n, MetricValue::Int(n * 1_000))).collect();
    let histograms = (0..50).map(|n| series(n, distribution(n))).collect();
    Snapshot {
        families: vec![
            family("calls", MetricKind::Counter, Unit::None, counters),
            family("duration_seconds", MetricKind::Histogram, Unit::Seconds, histograms),
        ],
    }
}
