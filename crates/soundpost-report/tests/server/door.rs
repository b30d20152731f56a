//! The server with a real socket on a free port, in a thread with a runtime like the reporter's.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use soundpost_core::Unit;
use soundpost_core::snapshot::{
    Distribution, Exemplar, MetricFamily, MetricKind, MetricSeries, MetricValue, Snapshot,
};
use soundpost_report::{Health, Server, ServerConfig, Sources};
use tokio::sync::watch;

/// Limit of every wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The content that a test's server exposes, and the calls that it received.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) snapshot: Arc<Mutex<Snapshot>>,
    pub(crate) health: Arc<Mutex<Health>>,
    pub(crate) appendix: Option<String>,
    /// Number of renderings that will panic.
    pub(crate) panics: Arc<AtomicUsize>,
    pub(crate) faults: Arc<Mutex<Vec<&'static str>>>,
    pub(crate) scrapes: Arc<Mutex<Vec<Duration>>>,
    pub(crate) refused: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            snapshot: Arc::new(Mutex::new(small())),
            health: Arc::new(Mutex::new(Health {
                healthy: true,
                is_ready: true,
                is_loading: false,
                flags: vec![],
            })),
            appendix: None,
            panics: Arc::default(),
            faults: Arc::default(),
            scrapes: Arc::default(),
            refused: Arc::default(),
        }
    }

    pub(crate) fn sources(&self) -> Sources {
        let (snapshot, panics) = (Arc::clone(&self.snapshot), Arc::clone(&self.panics));
        let (health, faults, scrapes) = (self.health.clone(), self.faults.clone(), self.scrapes.clone());
        let refused = self.refused.clone();
        Sources {
            snapshot: Arc::new(move || {
                let left =
                    panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                assert!(left.is_err(), "a source that panics, as the test wants it");
                snapshot.lock().unwrap().clone()
            }),
            appendix: self.appendix.clone().map(|text| Arc::new(move || text.clone()) as Arc<_>),
            health: Arc::new(move || health.lock().unwrap().clone()),
            observe_scrape: Arc::new(move |took| scrapes.lock().unwrap().push(took)),
            fault: Arc::new(move |part| faults.lock().unwrap().push(part)),
            refused: Arc::new(move |message| refused.lock().unwrap().push(message.to_owned())),
        }
    }
}

/// A running server, which is stopped when it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn plain(stage: &Stage) -> Self {
        Self::start(&local(), stage)
    }

    pub(crate) fn start(config: &ServerConfig, stage: &Stage) -> Self {
        let server = Server::bind(config).unwrap();
        let address = server.address();
        let (stop, stopped) = watch::channel(false);
        let sources = stage.sources();
        let serve = move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(server.serve(sources, stopped))
                .unwrap();
        };
        // Stack size of the reporter's threads.
        let thread = thread::Builder::new().stack_size(512 * 1024).spawn(serve).unwrap();
        Self { address, stop, thread: Some(thread) }
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends one request on a new connection.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", path, headers)
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        exchange(&mut self.connect(), method, path, headers)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub(crate) fn exchange<S: Read + Write>(
    stream: &mut S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read_response(&mut BufReader::new(stream), method == "HEAD")
}

pub(crate) fn read_response(stream: &mut impl BufRead, head: bool) -> Response {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        assert!(headers.insert(name.to_lowercase(), value.to_owned()).is_none(), "{name} twice");
    }
    let length = headers["content-length"].parse().unwrap();
    let mut body = vec![0; if head { 0 } else { length }];
    stream.read_exact(&mut body).unwrap();
    Response { status, headers, body }
}

pub(crate) fn local() -> ServerConfig {
    ServerConfig::new(([127, 0, 0, 1], 0).into())
}

/// Returns one counter, and one histogram with an exemplar.
pub(crate) fn small() -> Snapshot {
    let labels = || [("operation".into(), "syn\"the\\size\n".into())].into();
    let exemplar = Exemplar { request_id: "req-1".into(), value: 0.5, unix_nanos: 1_767_323_045_678_000_000 };
    let family = |name: &str, kind, unit, value| MetricFamily {
        name: name.into(),
        kind,
        help: "What it \"is\".".into(),
        unit,
        series: vec![MetricSeries { labels: labels(), value }],
    };
    Snapshot {
        families: vec![
            family("calls", MetricKind::Counter, Unit::None, MetricValue::Int(3)),
            family(
                "duration_seconds",
                MetricKind::Histogram,
                Unit::Seconds,
                MetricValue::Distribution(Distribution {
                    bounds: [1.0].into(),
                    counts: vec![2, 1],
                    sum: 2.5,
                    exemplars: vec![Some(exemplar), None],
                }),
            ),
        ],
    }
}

/// Returns a snapshot that is larger than the buffers of a socket when rendered.
pub(crate) fn large() -> Snapshot {
    let value = "x".repeat(100_000);
    let series = (0..400).map(|n| MetricSeries {
        labels: [("value".into(), format!("{n:04}{value}").into())].into(),
        value: MetricValue::Int(n),
    });
    Snapshot {
        families: vec![MetricFamily {
            name: "large".into(),
            kind: MetricKind::Gauge,
            help: "".into(),
            unit: Unit::None,
            series: series.collect(),
        }],
    }
}
