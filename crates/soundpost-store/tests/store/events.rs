//! Log events: written, and read in order.

use soundpost_core::{Level, LogEvent};
use soundpost_store::{Batch, Record, RecordKinds, RingEvent};

use super::support::*;

#[test]
fn events_read_equal_events_written() {
    let place = directory();
    let bare = LogEvent {
        level: Level::Debug,
        message: String::new(),
        logger: String::new(),
        file: String::new(),
        line: None,
        thread: String::new(),
        request_id: "req-1".to_owned(),
        operation: String::new(),
        fields: Vec::new(),
        ..event("")
    };
    let given = [
        event("CUDA out of memory\n\"\u{0}\u{1F525}"),
        bare.clone(),
        LogEvent { request_id: String::new(), ..bare },
    ];
    let records: Vec<_> = given.iter().cloned().map(RingEvent::Log).collect();
    open(place.path()).write(&Batch { records: &records, ..Batch::default() }).unwrap();
    let batch = reader(place.path()).records(0, RecordKinds::LOGS, 10).unwrap();
    let events: Vec<_> = batch
        .records
        .iter()
        .map(|record| if let Record::Event(row) = record { row.event.clone() } else { panic!("{record:?}") })
        .collect();
    assert_eq!(events, given);
    let connection = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
    let row: (String, String, String, i64) = connection
        .query_row(
            "SELECT time, level, request_id, fields ->> '$.seed' FROM events WHERE message LIKE 'CUDA%'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    let expected = ("2026-01-02T03:04:05.000Z", "error", "00112233445566778899aabbccddeeff", -7);
    assert_eq!((row.0.as_str(), row.1.as_str(), row.2.as_str(), row.3), expected);
}

#[test]
fn records_keep_their_order_over_large_batches() {
    let place = directory();
    let mut store = open(place.path());
    let large = LogEvent { message: "x".repeat(60_000), ..event("") };
    let records: Vec<_> = (0..800)
        .map(|index| {
            if index % 3 == 0 {
                RingEvent::Call(call(&index.to_string()))
            } else {
                RingEvent::Log(large.clone())
            }
        })
        .collect();
    store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    let reader = reader(place.path());
    let (mut after, mut batches, mut numbers) = (0, 0, Vec::new());
    while after < 800 {
        let batch = reader.records(after, RecordKinds::LOGS, 1000).unwrap();
        numbers.extend(batch.records.iter().map(Record::sequence));
        assert!(batch.records.len() < 260, "a few megabytes at most");
        (after, batches) = (batch.through, batches + 1);
    }
    assert_eq!(numbers, (1..=800).collect::<Vec<_>>());
    assert!(batches > 3);
}
