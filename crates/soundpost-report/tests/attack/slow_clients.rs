//! Clients that hold connections and never finish, beside scrapers.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Limit of every wait.
const TOO_LONG: Duration = Duration::from_secs(30);

/// The clients, and the duration.
pub(crate) struct Attack {
    pub(crate) slow: usize,
    pub(crate) honest: usize,
    pub(crate) lasting: Duration,
    /// Interval between two bytes of a slow header, and before a closed client reconnects.
    pub(crate) pause: Duration,
    /// Interval between two scrapes of one scraper.
    pub(crate) interval: Duration,
}

/// Results of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Duration of each honest scrape, from connecting to the last byte; sorted.
    pub(crate) scrapes: Vec<Duration>,
    /// Number of honest scrapes without a whole response.
    pub(crate) failed: usize,
    /// Duration of each slow connection that the server closed; sorted.
    pub(crate) held: Vec<Duration>,
    /// Maximum duration of a slow connection that was open at the end.
    pub(crate) still_open: Duration,
}

impl Outcome {
    /// Returns the quantile of the scrape durations (0 to 1).
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.scrapes.len().saturating_sub(1);
        self.scrapes.get((last as f64 * share).ceil() as usize).copied().unwrap_or(TOO_LONG)
    }

    fn merge(&mut self, other: Self) {
        self.scrapes.extend(other.scrapes);
        self.held.extend(other.held);
        self.failed += other.failed;
        self.still_open = self.still_open.max(other.still_open);
    }
}

pub(crate) fn run(address: SocketAddr, attack: &Attack) -> Outcome {
    let until = Instant::now() + attack.lasting;
    let Attack { slow: slow_clients, honest: scrapers, pause, interval, .. } = *attack;
    let slow_ones = thread::spawn(move || {
        together((0..slow_clients).map(|n| -> Client {
            match n % 3 {
                0 => Box::pin(slow(address, until, pause, silent)),
                1 => Box::pin(slow(address, until, pause, move |stream| drip(stream, pause))),
                _ => Box::pin(slow(address, until, pause, never_reads)),
            }
        }))
    });
    // The scrapers have their own thread, so that slow clients do not delay them.
    let mut outcome =
        together((0..scrapers).map(|_| -> Client { Box::pin(honest(address, until, interval)) }));
    outcome.merge(slow_ones.join().expect("the slow clients"));
    outcome.scrapes.sort();
    outcome.held.sort();
    outcome
}

type Client = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Runs clients concurrently on this thread.
fn together(clients: impl Iterator<Item = Client>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut running: JoinSet<Outcome> = clients.collect();
        let mut outcome = Outcome::default();
        while let Some(other) = running.join_next().await {
            outcome.merge(other.expect("a client"));
        }
        outcome
    })
}

/// Holds a connection until the server closes it, and reconnects.
async fn slow<B, F>(address: SocketAddr, until: Instant, pause: Duration, behave: B) -> Outcome
where
    B: Fn(TcpStream) -> F,
    F: Future<Output = ()>,
{
    let mut outcome = Outcome::default();
    while Instant::now() < until {
        let Ok(stream) = connect_narrow(address).await else { continue };
        let start = Instant::now();
        match timeout_at(until, behave(stream)).await {
            Ok(()) => outcome.held.push(start.elapsed()),
            Err(_) => outcome.still_open = outcome.still_open.max(start.elapsed()),
        }
        sleep(pause).await;
    }
    outcome
}

/// Connects with a small window, so that a response does not fit into it.
async fn connect_narrow(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(address).await
}

async fn silent(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]).await;
}

async fn drip(stream: TcpStream, pause: Duration) {
    let (mut reader, mut writer) = stream.into_split();
    let dripping = async {
        let mut header = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ".to_vec();
        header.resize(1_000_000, b'x');
        for byte in header {
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
    };
    let mut answer = [0];
    tokio::select! {
        () = dripping => {}
        _ = reader.read(&mut answer) => {}
    }
}

async fn never_reads(mut stream: TcpStream) {
    if stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.is_ok() {
        // A connection closed by the server is closed for writing as well; nothing is read.
        while stream.write_all(b"\r\n").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Scrapes on a new connection each time, the worst case.
async fn honest(address: SocketAddr, until: Instant, interval: Duration) -> Outcome {
    let mut outcome = Outcome::default();
    while Instant::now() < until {
        let start = Instant::now();
        match timeout(TOO_LONG, scrape(address)).await {
            Ok(Ok(())) => outcome.scrapes.push(start.elapsed()),
            _ => outcome.failed += 1,
        }
        sleep(interval).await;
    }
    outcome
}

async fn scrape(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let whole = response.starts_with(b"HTTP/1.1 200 OK\r\n")
        && response.ends_with(b"_count{operation=\"operation-49\"} 5880\n");
    if whole { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}
