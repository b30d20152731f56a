//! GELF over UDP, without any confirmation.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use soundpost_core::{CloseInChild, close_in_child, thread};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::format::losses::Losses;
use crate::format::record::{Event, Origin};
use crate::graylog::gelf;
use crate::graylog::options::Graylog;
use crate::graylog::stopped::Stopped;
use crate::options::address::Address;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Time to wait for an ICMP error after a batch.
const GRACE: Duration = Duration::from_millis(50);

/// Interval between lookups of the host's name, because no reply reveals that it has moved.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);

/// Maximum records per millisecond. A server's socket holds a few hundred datagrams, and more are lost.
const PACE: usize = 48;

/// Default batch size, records.
const RECORDS: usize = 12_288;

/// Maximum memory of a batch, bytes.
const BYTES: usize = 12 * 1024 * 1024;

/// Sends datagrams to an input for GELF over UDP.
pub(crate) struct GelfUdp {
    address: Address,
    timeout: Duration,
    limits: Limits,
    socket: Option<Socket>,
}

struct Socket {
    // Dropped before the socket, because its descriptor can be reused as soon as it is closed.
    _closed_in_child: CloseInChild,
    socket: UdpSocket,
    looked_up: Instant,
}

impl GelfUdp {
    pub(crate) fn new(settings: &Graylog) -> Self {
        let records = settings.common.batch.unwrap_or(RECORDS);
        Self {
            address: settings.server.address.clone(),
            timeout: settings.common.timeout,
            limits: Limits { records, bytes: BYTES },
            socket: None,
        }
    }

    async fn send(&mut self, batch: Batch<'_>) -> Answer {
        // Ends before the sink's own timeout.
        match timeout(self.timeout * 9 / 10, self.try_send(batch)).await {
            Ok(Ok(losses)) => Answer::taken(batch.records.len(), losses),
            Ok(Err(Stopped::Failed(error))) => Answer::none(self.later(&error)),
            Ok(Err(Stopped::Unwritable(panic))) => Answer::none(Verdict::unwritable(&panic)),
            Err(_) => Answer::none(self.later(&"not sent within the timeout")),
        }
    }

    fn later(&self, why: &dyn Display) -> Verdict {
        Verdict::later(format!("{}: {why}", self.address))
    }

    async fn try_send(&mut self, batch: Batch<'_>) -> Result<Losses, Stopped> {
        let known = self.socket.take().filter(|socket| socket.looked_up.elapsed() < LOOKUP_INTERVAL);
        let socket = match known {
            Some(socket) => socket,
            None => Socket::new(&self.address).await?,
        };
        let mut losses = Losses::default();
        let begun = Instant::now();
        for (sent, record) in batch.records.iter().enumerate() {
            if sent % PACE == 0 {
                sleep_until(begun + Duration::from_millis((sent / PACE) as u64)).await;
            }
            let Some(event) = Event::from_record(record) else { continue };
            let (datagrams, lost) =
                thread::guarded(|| datagrams(&batch.origin, &event)).map_err(Stopped::Unwritable)??;
            losses += lost;
            for datagram in datagrams {
                socket.socket.send(&datagram).await?;
            }
        }
        sleep(GRACE).await;
        if let Some(error) = socket.socket.take_error()? {
            return Err(error.into());
        }
        self.socket = Some(socket);
        Ok(losses)
    }
}

impl Transport for GelfUdp {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(self.send(batch))
    }
}

impl Socket {
    /// Opens a connected socket, which receives ICMP errors.
    async fn new(address: &Address) -> io::Result<Self> {
        let mut last = None;
        for address in tokio::net::lookup_host((address.host.as_str(), address.port)).await? {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).await?;
            let closed_in_child = close_in_child(socket.as_raw_fd());
            match socket.connect(address).await {
                Ok(()) => {
                    return Ok(Self { _closed_in_child: closed_in_child, socket, looked_up: Instant::now() });
                }
                Err(error) => {
                    drop(closed_in_child);
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("the host has no address")))
    }
}

/// Returns the datagrams of an event, which is shortened until it fits.
fn datagrams(origin: &Origin<'_>, event: &Event<'_>) -> io::Result<(Vec<Vec<u8>>, Losses)> {
    let (mut message, mut limit) = (Vec::new(), gelf::FRAME);
    loop {
        message.clear();
        let losses = gelf::push(&mut message, origin, event, limit);
        // Most messages fit uncompressed, and servers accept both.
        if message.len() > gelf::CHUNK {
            message = gzipped(&message)?;
        }
        let mut id = [0; 8];
        // The system's random numbers differ in a forked child.
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        match gelf::datagrams(&message, id) {
            Some(datagrams) => return Ok((datagrams, losses)),
            None => limit /= 2,
        }
    }
}

fn gzipped(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(message)?;
    gzip.finish()
}

#[cfg(test)]
mod tests;
