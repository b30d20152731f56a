//! Limits for clients: time, header bytes, connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::door::{PATIENCE, Running, Stage, exchange, large, local};
use soundpost_report::{Limits, ServerConfig};

const SHORT: Duration = Duration::from_millis(300);

fn limited(limits: Limits) -> ServerConfig {
    ServerConfig { limits, ..local() }
}

/// Reads to the end of the connection, and returns the time until it.
fn end_of(stream: &mut TcpStream, since: Instant) -> Duration {
    let mut rest = Vec::new();
    // A reset is an end as well.
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "still open");
    }
    since.elapsed()
}

#[test]
fn default_limits_are_as_documented() {
    let limits = Limits::default();
    assert_eq!(limits.connections, 32);
    assert_eq!(limits.header, Duration::from_secs(5));
    assert_eq!(limits.response, Duration::from_secs(10));
}

#[test]
fn header_has_a_deadline() {
    let server = Running::start(&limited(Limits { header: SHORT, ..Limits::default() }), &Stage::new());
    for start in ["", "GET /metrics HTTP/1.1\r\nx: "] {
        let since = Instant::now();
        let mut stream = server.connect();
        stream.write_all(start.as_bytes()).unwrap();
        let after = end_of(&mut stream, since);
        assert!(after >= SHORT && after < PATIENCE, "{after:?}");
    }
}

#[test]
fn slow_header_does_not_extend_the_deadline() {
    let server = Running::start(&limited(Limits { header: SHORT, ..Limits::default() }), &Stage::new());
    let since = Instant::now();
    let mut stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut buffer = [0];
    // Sends one byte every 10 ms until the server closes the connection.
    while stream.write_all(b"x").is_ok() {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => panic!("an answer to half a header"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        assert!(since.elapsed() < PATIENCE);
    }
    assert!(since.elapsed() >= SHORT);
}

#[test]
fn second_header_has_the_same_deadline() {
    let server = Running::start(&limited(Limits { header: SHORT, ..Limits::default() }), &Stage::new());
    let mut stream = server.connect();
    assert_eq!(exchange(&mut stream, "GET", "/healthz", &[]).status, 200);
    let since = Instant::now();
    stream.write_all(b"GET /").unwrap();
    let after = end_of(&mut stream, since);
    assert!(after < PATIENCE, "{after:?}");
}

#[test]
fn idle_connection_has_a_deadline() {
    let limits = Limits { idle: SHORT, ..Limits::default() };
    let server = Running::start(&limited(limits), &Stage::new());
    let mut stream = server.connect();
    let since = Instant::now();
    assert_eq!(exchange(&mut stream, "GET", "/metrics", &[]).status, 200);
    let after = end_of(&mut stream, since);
    assert!(after >= SHORT && after < Duration::from_secs(5), "{after:?}");
}

#[test]
fn response_has_a_deadline() {
    let stage = Stage::new();
    *stage.snapshot.lock().unwrap() = large();
    let limits = Limits { response: SHORT, ..Limits::default() };
    let server = Running::start(&limited(limits), &stage);
    let mut stream = server.connect();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    // The first byte shows that the response has begun; the client reads no more until the deadline.
    stream.read_exact(&mut [0]).unwrap();
    let mut probe = server.connect();
    let until = Instant::now() + 3 * SHORT;
    while Instant::now() < until {
        assert_eq!(exchange(&mut probe, "GET", "/healthz", &[]).status, 200);
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 40_000_000, "the whole response came");
}

#[test]
fn header_has_a_maximum_size() {
    let server = Running::plain(&Stage::new());
    let fits = "x".repeat(7_900);
    assert_eq!(server.get("/healthz", &[("x", &fits)]).status, 200);
    for request in [
        format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(9_000)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9_000)),
        format!("GET /healthz HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)),
    ] {
        let mut stream = server.connect();
        // The server may close before everything is written.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = [0; 12];
        if stream.read_exact(&mut answer).is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 431");
        }
    }
}

#[test]
fn slowest_connection_is_replaced() {
    let server = Running::start(&limited(Limits { connections: 4, ..Limits::default() }), &Stage::new());
    // One idle connection after a request; then three that never send one.
    let mut idle = server.connect();
    assert_eq!(exchange(&mut idle, "GET", "/healthz", &[]).status, 200);
    let mut silent: Vec<_> = (0..3).map(|_| server.connect()).collect();
    // A fifth replaces the first that never sent a request.
    let mut fifth = server.connect();
    assert_eq!(exchange(&mut fifth, "GET", "/healthz", &[]).status, 200);
    assert!(end_of(&mut silent.remove(0), Instant::now()) < Limits::default().header);
    // The idle connection and the fifth stay open.
    for _ in 0..2 {
        assert_eq!(exchange(&mut idle, "GET", "/healthz", &[]).status, 200);
        assert_eq!(exchange(&mut fifth, "GET", "/healthz", &[]).status, 200);
        assert_eq!(server.get("/healthz", &[]).status, 200);
    }
}

#[test]
fn idle_connection_is_replaced_if_none_is_slower() {
    let server = Running::start(&limited(Limits { connections: 2, ..Limits::default() }), &Stage::new());
    let mut first = server.connect();
    assert_eq!(exchange(&mut first, "GET", "/healthz", &[]).status, 200);
    let mut second = server.connect();
    assert_eq!(exchange(&mut second, "GET", "/healthz", &[]).status, 200);
    let mut third = server.connect();
    assert_eq!(exchange(&mut third, "GET", "/healthz", &[]).status, 200);
    end_of(&mut first, Instant::now());
    assert_eq!(exchange(&mut second, "GET", "/healthz", &[]).status, 200);
}
