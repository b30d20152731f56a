//! Requests, few of them valid.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Maximum number of requests sent at once on one connection.
const BATCH: u64 = 8;

/// Results of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) connections: u64,
    /// Number of responses by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Number of connections that the server left open after the client had finished.
    pub(crate) hung: u64,
}

impl Tally {
    pub(crate) fn server_errors(&self) -> u64 {
        self.statuses.range(500..).map(|(_, count)| count).sum()
    }

    pub(crate) fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.connections += other.connections;
        self.hung += other.hung;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }
}

/// Sends requests from several threads; the same seed sends the same requests.
pub(crate) fn run(address: SocketAddr, requests: u64, threads: u64, seed: u64) -> Tally {
    let clients: Vec<_> = (0..threads)
        .map(|n| thread::spawn(move || client(address, requests / threads, Dice(seed * 1_000 + n + 1))))
        .collect();
    let mut tally = Tally::default();
    for client in clients {
        tally.merge(client.join().expect("a client"));
    }
    tally
}

fn client(address: SocketAddr, requests: u64, mut dice: Dice) -> Tally {
    let mut tally = Tally::default();
    while tally.requests < requests {
        let batch = 1 + dice.below(BATCH);
        // The server may ignore requests after a malformed one, so it is the last.
        let mut bytes: Vec<u8> = (1..batch).flat_map(|_| fair(&mut dice)).collect();
        bytes.extend(wild(&mut dice));
        let stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            // The ports of the loopback are exhausted for a moment.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            Err(error) => panic!("the server is gone: {error}"),
        };
        tally.requests += batch;
        tally.connections += 1;
        match exchange(stream, &bytes) {
            Ok(response) => count(&response, &mut tally.statuses),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tally.hung += 1,
            // A reset: the server closed the connection before it read everything.
            Err(_) => {}
        }
    }
    tally
}

fn exchange(mut stream: TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    // The server may close before it has read everything; its responses are read.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(response),
    }
}

/// Counts status lines. No response body contains such a line.
fn count(response: &[u8], statuses: &mut BTreeMap<u16, u64>) {
    for at in 0..response.len().saturating_sub(12) {
        if response[at..].starts_with(b"HTTP/1.") && response[at + 8] == b' ' {
            let status = std::str::from_utf8(&response[at + 9..at + 12]).ok().and_then(|s| s.parse().ok());
            *statuses.entry(status.expect("a status")).or_default() += 1;
        }
    }
}

/// Valid parts of requests.
const METHODS: &[&str] = &["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "TRACE", "get", "BREW"];
const TARGETS: &[&str] = &[
    "/healthz",
    "/",
    "/metrics",
    "/x",
    "*",
    "http://h/metrics",
    "/metrics?a=b&c[]=%00",
    "//",
    "/%2e%2e/etc/passwd",
    "/../..",
    "/metrics/",
    "/healthz?%",
];
/// The last is of another host.
const HOSTS: &[&str] = &["localhost", "127.0.0.1:9464", "[::1]", "LOCALHOST.", "other.example"];
const NAMES: &[&str] = &[
    "Accept",
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Host",
    "Range",
    "If-None-Match",
    "Cookie",
    "TE",
];
const VALUES: &[&str] = &[
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "*/*",
    "gzip",
    "application/openmetrics-text; version=abc",
    "text/plain;q=99999999999999999999",
    "application/openmetrics-text;q=\"",
    "application/openmetrics-text;version=\"1.0.0\\",
    ";;;,,,===///\"\"\"",
    "gzip;q=-1, identity;q=nan, *",
    "Bearer x",
    "Basic ????",
    "Basic Og==",
    "bytes=0-",
    "a\tb",
    "é",
    "",
];
/// Malformed parts of requests.
const WILD_METHODS: &[&str] = &["GET", "CONNECT", "G\0T", "PRI", ""];
const WILD_TARGETS: &[&str] =
    &["/metrics", "h:80", "", "/é", "/\u{1}", "?", "#", "/metrics#x", "https://u:p@h:99999/metrics"];
const WILD_VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1 x", "http/1.1", ""];
const WILD_NAMES: &[&str] = &[
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Expect",
    "Upgrade",
    "Trailer",
    "X-\u{7f}",
    " Bad",
    "Bad ",
    "",
    ":",
];
const WILD_VALUES: &[&str] = &[
    "0",
    "5",
    "-1",
    "18446744073709551616",
    "5, 5",
    "chunked",
    "gzip, chunked",
    "chunked, chunked",
    "close",
    "upgrade",
    "h2c",
    "100-continue",
    "\u{0}",
    "",
];
const BODIES: &[&str] = &["hello", "5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "0\r\n\r\n"];

/// Returns a well-formed request with random content.
fn fair(dice: &mut Dice) -> Vec<u8> {
    let (method, target, host) = (dice.pick(METHODS), dice.pick(TARGETS), dice.pick(HOSTS));
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for _ in 0..dice.below(6) {
        text.push_str(&format!("{}: {}\r\n", dice.pick(NAMES), dice.pick(VALUES)));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Returns a request that may be malformed, and is sometimes damaged.
fn wild(dice: &mut Dice) -> Vec<u8> {
    let end = if dice.below(20) == 0 { "\n" } else { "\r\n" };
    let (method, target) = (dice.pick(WILD_METHODS), dice.pick(WILD_TARGETS));
    let mut text = format!("{method} {target} {}{end}", dice.pick(WILD_VERSIONS));
    if dice.below(2) == 0 {
        text = format!("{} {} HTTP/1.1{end}", dice.pick(METHODS), dice.pick(TARGETS));
    }
    for _ in 0..dice.below(4) {
        text.push_str(&format!("{}: {}{end}", dice.pick(NAMES), dice.pick(VALUES)));
        text.push_str(&format!("{}: {}{end}", dice.pick(WILD_NAMES), dice.pick(WILD_VALUES)));
    }
    if dice.below(50) == 0 {
        text.push_str(&format!("X: {}{end}", "y".repeat(dice.below(20_000) as usize)));
    }
    text.push_str(end);
    if dice.below(5) == 0 {
        text.push_str(dice.pick(BODIES));
    }
    let mut bytes = text.into_bytes();
    if dice.below(2) == 0 {
        for _ in 0..=dice.below(4) {
            damage(&mut bytes, dice);
        }
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len() as u64) as usize;
    match dice.below(6) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.below(256) as u8,
        2 => bytes.insert(at, dice.below(256) as u8),
        3 => drop(bytes.remove(at)),
        4 => bytes.truncate(at),
        _ => bytes.extend_from_within(at..),
    }
}

/// A deterministic generator of random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }
}
