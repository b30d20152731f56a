//! Shared test helpers: a temporary directory, a scrape, waiting with a deadline.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use soundpost::{Builder, Telemetry};

/// A temporary directory of one test, removed with its segments in shared memory.
pub struct Directory(tempfile::TempDir);

impl Directory {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns a builder of a service in this directory that serves on a free port.
    pub fn serving(&self, service: &str) -> Builder {
        Telemetry::builder(service).directory(self.path()).listen(([127, 0, 0, 1], 0)).facade(false)
    }
}

/// Ends the service's run after a test, so that nothing stays in shared memory.
pub struct Ending(pub Telemetry);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.shutdown(Duration::from_secs(2));
    }
}

/// Returns head and body of `GET path`, with additional header lines.
pub fn get(address: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Returns the samples of a text that begin with `name`, one a line.
pub fn samples<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(name)).collect()
}

/// Returns the value of the only sample with this name and labels.
pub fn value(text: &str, sample: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a condition holds; fails after ten seconds.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        // A pause leaves the processor to the other threads.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs a test of this program in a separate process, because it limits the process.
pub fn in_a_process(test: &str, body: impl FnOnce()) {
    const CHILD: &str = "SOUNDPOST_TEST_PROCESS";
    if std::env::var(CHILD).is_ok_and(|running| running == test) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let output =
        Command::new(program).args(["--exact", test, "--nocapture"]).env(CHILD, test).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    print!("{}", text(&output.stdout));
}
