//! GELF over UDP, without any confirmation.

use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use soundpost_core::{CloseInChild, close_in_child};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::format::losses::Losses;
use crate::format::record::{Event, Origin};
use crate::graylog::Graylog;
use crate::graylog::gelf;
use crate::net::gzip::gzip;
use crate::options::address::Address;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Time to wait for an ICMP error after a batch.
const GRACE: Duration = Duration::from_millis(50);
/// Interval between lookups of the host's name, because no reply reveals that it has moved.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum records per millisecond. A server's socket holds a few hundred datagrams, and more are lost.
const PACE: usize = 48;
/// Default maximum of a batch.
const LIMITS: Limits = Limits { records: 12_288, bytes: 12 * 1024 * 1024 };

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
        Self {
            address: settings.server.address.clone(),
            timeout: settings.common.timeout,
            limits: LIMITS.with_records(settings.common.batch),
            socket: None,
        }
    }

    async fn send(&mut self, batch: Batch<'_>) -> Result<Answer, Verdict> {
        // Ends before the sink's own timeout.
        let sent = timeout(self.timeout * 9 / 10, self.try_send(batch)).await;
        let losses = sent.unwrap_or_else(|_| Err(self.address.later(&"not sent within the timeout")))?;
        Ok(Answer::taken(batch.records.len(), losses))
    }

    async fn try_send(&mut self, batch: Batch<'_>) -> Result<Losses, Verdict> {
        let address = &self.address;
        let later = |error: io::Error| address.later(&error);
        let known = self.socket.take().filter(|socket| socket.looked_up.elapsed() < LOOKUP_INTERVAL);
        let socket = match known {
            Some(socket) => socket,
            None => Socket::new(address).await.map_err(later)?,
        };
        let mut losses = Losses::default();
        let begun = Instant::now();
        for (sent, record) in batch.records.iter().enumerate() {
            if sent % PACE == 0 {
                sleep_until(begun + Duration::from_millis((sent / PACE) as u64)).await;
            }
            let Some(event) = Event::from_record(record) else { continue };
            let encoded = Verdict::of_panic(|| datagrams(&batch.origin, &event))?;
            let (datagrams, lost) = encoded.map_err(later)?;
            losses += lost;
            for datagram in datagrams {
                socket.socket.send(&datagram).await.map_err(later)?;
            }
        }
        sleep(GRACE).await;
        if let Some(error) = socket.socket.take_error().map_err(later)? {
            return Err(later(error));
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
            message = gzip(&message);
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

#[cfg(test)]
mod tests;
