//! Tests of datagrams and their receivers.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::UdpSocket as Receiver;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::Value as Json;
use soundpost_store::Record;

use super::*;
use crate::format::fixtures::{ORIGIN, numbered_call, said};
use crate::format::record::{Event, Fields, Value};

/// Assembles datagrams of several messages in any order by the protocol's rules.
fn messages(datagrams: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    let mut parts: BTreeMap<Vec<u8>, BTreeMap<u8, Vec<u8>>> = BTreeMap::new();
    for datagram in datagrams {
        assert!(datagram.len() <= 1420);
        let Some(rest) = datagram.strip_prefix(&[0x1e, 0x0f]) else {
            whole.push(datagram);
            continue;
        };
        let (head, part) = rest.split_at(10);
        let (number, count) = (head[8], head[9]);
        assert!(number < count && count <= 128);
        let message = parts.entry(head[..8].to_vec()).or_default();
        assert_eq!(message.insert(number, part.to_vec()), None);
        if message.len() == usize::from(count) {
            whole.push(message.values().flatten().copied().collect());
        }
    }
    whole
}

fn read(message: &[u8]) -> Json {
    let mut text = String::new();
    match message.starts_with(&[0x1f, 0x8b]) {
        true => drop(GzDecoder::new(message).read_to_string(&mut text).unwrap()),
        false => text = String::from_utf8(message.to_vec()).unwrap(),
    }
    serde_json::from_str(&text).unwrap()
}

/// Returns a text that compresses to about three quarters.
fn noise(length: usize) -> String {
    let mut state = 0x9e37_79b9_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(state >> 58) as usize],
        )
    };
    (0..length).map(|_| letter()).collect()
}

#[test]
fn message_is_shortened_until_it_fits() {
    for (message, shortened) in [
        (String::from("short"), 0),
        (noise(1200), 0),
        (noise(100_000), 0),
        // The message fits only when it is compressed.
        ("x".repeat(900_000), 0),
        (noise(1_000_000), 1),
        (noise(10 << 20), 1),
    ] {
        let (datagrams, losses) = datagrams(&ORIGIN, &said(&message)).unwrap();
        assert_eq!(losses, Losses { shortened, ..Losses::default() });
        let [whole] = &messages(datagrams)[..] else { panic!("not one message") };
        let read = read(whole);
        let text = read["short_message"].as_str().unwrap();
        assert!(message.starts_with(text) && (text.len() == message.len()) == (shortened == 0));
        // The message is shortened no more than needed.
        assert!(shortened == 0 || text.len() > 100_000, "{}", text.len());
    }
}

#[test]
fn hostile_fields_are_truncated_or_omitted() {
    let names: Vec<String> = (0..10_000).map(|number| format!("f{number}")).collect();
    let long = noise(10 << 20);
    let mut fields = vec![("long".into(), Value::from(&*long))];
    fields.extend(names.iter().map(|name| (name.into(), Value::from(&long[..100]))));
    let event = Event { fields: Fields::Given(fields), ..said("m") };
    let (datagrams, losses) = datagrams(&ORIGIN, &event).unwrap();
    let read = read(&messages(datagrams)[0]);
    let fields = read.as_object().unwrap().keys().filter(|name| name.starts_with("_f")).count() as u64;
    assert_eq!((losses.left_out, losses.shortened), (10_000 - fields, 1));
    assert!(fields > 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn datagrams_in_any_order_form_the_message(
        length in prop_oneof![0_usize..3000, 170_000_usize..180_224, 1_usize..180_224],
        id in any::<[u8; 8]>(),
        shuffle in any::<u64>(),
    ) {
        let message: Vec<u8> = (0..length).map(|index| (index % 251) as u8 | 1).collect();
        let mut datagrams = gelf::datagrams(&message, id).unwrap();
        datagrams.sort_by_key(|datagram| {
            let number = u64::from(datagram.get(10).copied().unwrap_or(0));
            (number + 1).wrapping_mul(shuffle | 1)
        });
        prop_assert_eq!(messages(datagrams), [message]);
    }
}

fn records(count: u64) -> Vec<Record> {
    (0..count).map(numbered_call).map(Record::Call).collect()
}

fn transport(port: u16) -> GelfUdp {
    GelfUdp::new(&Graylog::new(&format!("udp://127.0.0.1:{port}")).unwrap())
}

#[tokio::test]
async fn records_are_sent_to_a_listener() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let (mut transport, records) = (transport(port), records(50));
    let answer = transport.deliver(Batch { origin: ORIGIN, records: &records }).await;
    assert_eq!(answer, Ok(Answer::taken(50, Losses::default())));
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let datagrams = (0..50).map(|_| {
        let mut datagram = vec![0; 2000];
        let length = receiver.recv(&mut datagram).unwrap();
        datagram[..length].to_vec()
    });
    // Zero characters are omitted.
    let number = |message: &Vec<u8>| read(message)["_char_count"].as_u64().unwrap_or(0);
    assert!(messages(datagrams).iter().map(number).eq(0..50));
}

#[tokio::test]
async fn missing_listener_is_detected_until_it_appears() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    drop(receiver);
    let (mut transport, records) = (transport(address.port()), records(3));
    let batch = Batch { origin: ORIGIN, records: &records };
    for _ in 0..2 {
        let answer = transport.deliver(batch).await;
        assert!(matches!(answer, Err(Verdict::Later { .. })), "{answer:?}");
    }
    let _receiver = Receiver::bind(address).unwrap();
    assert_eq!(transport.deliver(batch).await, Ok(Answer::taken(3, Losses::default())));
}
