//! Tests of connections to servers that read, stall and close.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Other};
use std::time::Instant;

use tokio::time::timeout;

use super::*;
use crate::graylog::Graylog;

const LIMIT: Duration = Duration::from_secs(10);

/// Returns both ends of a connection.
async fn pair() -> (Connection, Other) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Graylog::new(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let connector = connect::Connector::new(&settings.server, LIMIT, None).unwrap();
    let connection = Connection::new(connector.connect().await.unwrap());
    (connection, listener.accept().unwrap().0)
}

/// Waits until the peer's kernel has all written data.
async fn settled(connection: &Connection) {
    let begun = Instant::now();
    while connection.acked() != Some(connection.written()) {
        assert!(begun.elapsed() < LIMIT, "{:?} of {}", connection.acked(), connection.written());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn acknowledged_bytes_are_counted() {
    let (mut connection, mut server) = pair().await;
    assert_eq!((connection.acked(), connection.written()), (Some(0), 0));
    for size in [1, 1000, 100_000] {
        connection.queue().extend(vec![b'x'; size]);
        connection.flush().await.unwrap();
        let mut read = vec![0; size];
        server.read_exact(&mut read).unwrap();
        settled(&connection).await;
    }
    assert_eq!(connection.written(), 101_001);
}

#[tokio::test]
async fn queued_bytes_are_not_counted_as_acknowledged() {
    let (mut connection, mut server) = pair().await;
    let sent: Vec<u8> = (0..64 << 20).map(|index| (index % 251) as u8).collect();
    connection.queue().extend_from_slice(&sent);
    timeout(Duration::from_millis(300), connection.flush()).await.unwrap_err();
    assert!(connection.acked().unwrap() < connection.written(), "all of it was acknowledged");
    assert!(connection.written() < sent.len() as u64);
    let reader = std::thread::spawn(move || {
        let mut read = vec![0; 64 << 20];
        server.read_exact(&mut read).unwrap();
        (read, server)
    });
    // The flush continues.
    timeout(LIMIT, connection.flush()).await.unwrap().unwrap();
    assert!(reader.join().unwrap().0 == sent);
    settled(&connection).await;
}

#[tokio::test]
async fn each_kind_of_close_is_detected() {
    // An orderly close.
    let (mut connection, server) = pair().await;
    drop(server);
    let error = timeout(LIMIT, connection.ended()).await.unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    connection.queue().push(b'x');
    assert_eq!(connection.flush().await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    // A reset, because of unread data.
    let (mut connection, mut server) = pair().await;
    connection.queue().extend([0; 1000]);
    connection.flush().await.unwrap();
    server.read_exact(&mut [0; 1]).unwrap();
    drop(server);
    assert_eq!(timeout(LIMIT, connection.ended()).await.unwrap().kind(), ErrorKind::ConnectionReset);
    // The server closes only its sending half.
    let (mut connection, server) = pair().await;
    server.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(timeout(LIMIT, connection.ended()).await.unwrap().kind(), ErrorKind::ConnectionAborted);
}

#[tokio::test]
async fn received_data_is_discarded() {
    let (mut connection, mut server) = pair().await;
    server.write_all(b"hello").unwrap();
    timeout(Duration::from_millis(50), connection.ended()).await.unwrap_err();
    connection.queue().push(b'x');
    connection.flush().await.unwrap();
    settled(&connection).await;
    let talker = std::thread::spawn(move || while server.write_all(&[b'x'; 65_536]).is_ok() {});
    assert_eq!(timeout(LIMIT, connection.ended()).await.unwrap().kind(), ErrorKind::InvalidData);
    drop(connection);
    talker.join().unwrap();
}
