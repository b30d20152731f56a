//! Tests of delivery to servers that read, close, reset, stall and do not accept.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value as Json;
use soundpost_store::Record;

use super::*;
use crate::format::fixtures::{ORIGIN, numbered_call};

/// A grace period longer than a test.
const NEVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

fn records(sequences: std::ops::Range<u64>) -> Vec<Record> {
    sequences.map(numbered_call).map(Record::Call).collect()
}

fn transport(listener: &TcpListener, grace: Duration) -> GelfTcp {
    let settings = Graylog::new(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    GelfTcp { grace, ..GelfTcp::new(&settings).unwrap() }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

async fn deliver(transport: &mut GelfTcp, records: &[Record]) -> Answer {
    transport.deliver(Batch { origin: ORIGIN, records }).await.unwrap_or_else(Answer::none)
}

/// Returns the number of a record. Zero characters are omitted.
fn number(frame: &Json) -> u64 {
    frame["_char_count"].as_u64().unwrap_or(0)
}

/// Starts a server of one connection that sends the number in each frame to a channel.
fn reader(listener: &TcpListener) -> (mpsc::Receiver<u64>, JoinHandle<()>) {
    let (frames, read) = mpsc::channel();
    let listener = listener.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        let stream = BufReader::new(listener.accept().unwrap().0);
        for frame in stream.split(0) {
            let Ok(Ok(frame)) = frame.map(|frame| serde_json::from_slice::<Json>(&frame)) else { break };
            let _ = frames.send(number(&frame));
        }
    });
    (read, thread)
}

#[track_caller]
fn assert_later(answer: &Answer, settled: usize) {
    assert!(matches!(answer.rest, Verdict::Later { .. }), "{answer:?}");
    assert_eq!(answer.settled, settled);
}

#[tokio::test]
async fn records_arrive_in_order_over_one_connection() {
    let listener = listen();
    let (read, thread) = reader(&listener);
    let mut transport = transport(&listener, SHORT);
    for batch in [records(0..1), records(1..5000), records(5000..5001)] {
        let begun = Instant::now();
        assert_eq!(deliver(&mut transport, &batch).await, Answer::taken(batch.len(), Losses::default()));
        assert!(begun.elapsed() >= SHORT);
    }
    drop(transport);
    thread.join().unwrap();
    assert!(read.iter().eq(0..5001));
}

#[tokio::test]
async fn records_are_settled_after_the_grace_period() {
    let listener = listen();
    let (read, _thread) = reader(&listener);
    let mut transport = transport(&listener, NEVER);
    transport.timeout = Duration::from_millis(300);
    assert_later(&deliver(&mut transport, &records(0..10)).await, 0);
    // The intact connection is kept, and the records are not sent again.
    assert_later(&deliver(&mut transport, &records(0..12)).await, 0);
    drop(transport);
    assert!(read.iter().eq(0..12));
}

#[tokio::test]
async fn unconfirmed_records_are_resent_after_a_reset() {
    let listener = listen();
    let mut transport = transport(&listener, NEVER);
    let batch = records(0..300);
    for (linger, reads) in [(false, 0), (false, 1000), (true, 0), (true, 100_000), (false, 1_000_000)] {
        let other = listener.try_clone().unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = other.accept().unwrap().0;
            let mut some = vec![0; reads];
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            let _ = stream.read_exact(&mut some);
            if linger {
                // A reset, regardless of the data read.
                let reset = nix::libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&stream, sockopt::Linger, &reset).unwrap();
            }
        });
        assert_later(&deliver(&mut transport, &batch).await, 0);
        server.join().unwrap();
    }
    transport.grace = SHORT;
    let (read, thread) = reader(&listener);
    assert_eq!(deliver(&mut transport, &batch).await.rest, Verdict::Taken);
    drop(transport);
    thread.join().unwrap();
    assert!(read.iter().eq(0..300));
}

#[tokio::test]
async fn server_that_never_accepts_is_detected() {
    let listener = listen();
    let mut transport = transport(&listener, NEVER);
    let batch = records(0..3);
    let (delivered, ()) = tokio::join!(deliver(&mut transport, &batch), async {
        // The kernel completes the handshake and acknowledges data without an accept.
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(listener);
    });
    assert_later(&delivered, 0);
}

#[tokio::test]
async fn stalled_server_gets_each_record_once() {
    let listener = listen();
    let mut transport = transport(&listener, SHORT);
    transport.timeout = Duration::from_millis(400);
    // More than the socket buffers hold.
    let batch: Vec<_> = (0..40)
        .map(|sequence| {
            let fields = vec![("long".into(), soundpost_core::FieldValue::Text("x".repeat(30_000)))];
            let mut row = numbered_call(sequence);
            row.call.fields = fields;
            Record::Call(row)
        })
        .collect();
    let batch: Vec<_> = (0..25_u64)
        .flat_map(|round| batch.iter().cloned().map(move |record| (round, record)))
        .map(|(round, record)| {
            let Record::Call(mut row) = record else { panic!("it is a call") };
            row.sequence += round * 40;
            row.call.characters = row.sequence;
            Record::Call(row)
        })
        .collect();
    let mut settled = deliver(&mut transport, &batch).await.settled;
    assert!(settled < batch.len());
    let records = transport.limits().records;
    assert!(records < RECORDS);
    let accepted: TcpStream = listener.accept().unwrap().0;
    settled += deliver(&mut transport, &batch[settled..]).await.settled;
    assert!(settled < batch.len());
    let thread = std::thread::spawn(move || {
        let stream = BufReader::new(accepted);
        let numbers = stream.split(0).map(|frame| {
            let frame: Json = serde_json::from_slice(&frame.unwrap()).unwrap();
            number(&frame)
        });
        assert!(numbers.eq(0..1000));
    });
    let begun = Instant::now();
    while settled < batch.len() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        // Meanwhile, batches become smaller.
        let most = transport.limits().records.min(batch.len() - settled);
        settled += deliver(&mut transport, &batch[settled..][..most]).await.settled;
    }
    drop(transport);
    thread.join().unwrap();
}

#[tokio::test]
async fn closed_idle_connection_is_reopened() {
    let listener = listen();
    let mut transport = transport(&listener, SHORT);
    for round in 0..3 {
        let (other, (end, ended)) = (listener.try_clone().unwrap(), mpsc::channel());
        let server = std::thread::spawn(move || {
            let mut stream = BufReader::new(other.accept().unwrap().0);
            stream.read_until(0, &mut Vec::new()).unwrap();
            ended.recv().unwrap();
        });
        assert_eq!(deliver(&mut transport, &records(round..round + 1)).await.rest, Verdict::Taken);
        end.send(()).unwrap();
        server.join().unwrap();
    }
}

#[tokio::test]
async fn other_records_use_a_new_connection() {
    let listener = listen();
    let (_read, _thread) = reader(&listener);
    let mut transport = transport(&listener, NEVER);
    transport.timeout = Duration::from_millis(200);
    assert_later(&deliver(&mut transport, &records(5..10)).await, 0);
    let (read, thread) = reader(&listener);
    transport.grace = SHORT;
    assert_eq!(deliver(&mut transport, &records(6..8)).await.settled, 2);
    drop(transport);
    thread.join().unwrap();
    assert!(read.iter().eq(6..8));
}

#[tokio::test]
async fn unreachable_server_is_retried() {
    let listener = listen();
    let mut transport = transport(&listener, SHORT);
    drop(listener);
    assert_later(&deliver(&mut transport, &records(0..1)).await, 0);
}

#[tokio::test]
async fn hostile_records_are_truncated_and_delivered() {
    let listener = listen();
    let (read, thread) = reader(&listener);
    let mut transport = transport(&listener, SHORT);
    let text = |text: String| soundpost_core::FieldValue::Text(text);
    let mut batch = records(0..3);
    let Record::Call(row) = &mut batch[1] else { panic!("no call") };
    // Texts beyond the limits of the ring.
    row.call.request_id = "\0x".repeat(1 << 19);
    row.call.fields = vec![("a\0\"".into(), text("\u{fffd}\"\\\0".repeat(5 << 20)))];
    row.call.fields.extend((0..10_000).map(|number| (format!("f{number}"), text("x".repeat(1000)))));
    let answer = deliver(&mut transport, &batch).await;
    assert_eq!((answer.settled, answer.rest), (3, Verdict::Taken));
    // Both texts, the fields beyond the limit, and a name.
    assert_eq!((answer.losses.shortened, answer.losses.cleaned), (2, 1));
    assert!(answer.losses.left_out > 9000, "{:?}", answer.losses);
    drop(transport);
    thread.join().unwrap();
    assert!(read.iter().eq(0..3));
}
