//! Erased and expired records leave no byte in any file, and the cursors of sinks stay right.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use soundpost_core::{FinishedCall, LogEvent};
use soundpost_store::{
    Batch, CallFilter, Dropped, Erased, LogFilter, RecordKinds, Rejected, RingEvent, Selection, Store,
};

use super::pages::{rows_of, varint};
use super::support::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Part of each value of the person.
const CANARY: &str = "Zq7canary";

/// Returns a call of the person, and one that has another user, each with a log event.
fn records(number: usize) -> Vec<RingEvent> {
    let of = |who: &str| {
        let id = format!("{who}-{number}");
        let mut call = FinishedCall { ended_unix: NOW + number as u64, ..call(&id) };
        call.labels.push(("tenant".to_owned(), format!("{who}-{}", number % 3)));
        call.fields.push(("user".to_owned(), who.into()));
        call.fields.push(("error".to_owned(), format!("{who} {}", who.repeat(number * 97 % 900)).into()));
        let message = format!("{who} {}", who.repeat(number * 31 % 400));
        let event = LogEvent { request_id: id, unix_nanos: NOW + number as u64, ..event(&message) };
        [RingEvent::Call(call), RingEvent::Log(event)]
    };
    [of(CANARY), of("other")].concat()
}

fn write(store: &mut Store, numbers: std::ops::Range<usize>) {
    for number in numbers {
        store.write(&Batch { records: &records(number), ..Batch::default() }).unwrap();
    }
}

fn person() -> Selection {
    let values = [("user", CANARY), ("streaming", "true")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Selection { values, ..Selection::default() }
}

/// Returns how often the canary is in the files of a directory. Another program reads them, because a process that closes a
/// file loses its locks of it.
fn canaries(directory: &Path) -> usize {
    let found = Command::new("grep").args(["-rao", CANARY]).arg(directory).output().unwrap();
    found.stdout.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn erased_records_leave_no_byte_in_any_file() {
    let place = directory();
    let mut store = open(place.path());
    write(&mut store, 0..400);
    assert!(canaries(place.path()) > 400);
    let expected = store.erase(&person(), true).unwrap();
    assert!(canaries(place.path()) > 400, "a dry run changes nothing");
    let erased = store.erase(&person(), false).unwrap();
    assert_eq!((erased.calls, erased.events, erased.request_ids.len()), (400, 400, 400));
    assert_eq!(expected, erased);
    assert_eq!(canaries(place.path()), 0, "with the store open");
    drop(store);
    assert_eq!(canaries(place.path()), 0);
    let reader = reader(place.path());
    let calls = reader.calls(&CallFilter::default()).unwrap();
    assert!(calls.len() == 400 && calls.iter().all(|row| row.call.request_id.starts_with("other")));
    assert_eq!(reader.events(&LogFilter::default()).unwrap().len(), 400);
    assert_eq!(reader.summary(&CallFilter::default()).unwrap().total(), 400);
    assert_eq!((reader.damaged(), reader.last_sequence().unwrap()), (0, 1600));
}

#[test]
fn expired_records_leave_no_byte_in_any_file() {
    let (place, clock) = (directory(), Clock::new());
    let mut store = open_with(place.path(), clock.limits());
    write(&mut store, 0..300);
    clock.advance(31 * DAY);
    write_calls(&mut store, &[FinishedCall { ended_unix: clock.now(), ..call("kept") }]);
    while store.retain().unwrap().more {}
    assert_eq!(canaries(place.path()), 0, "with the store open");
    drop(store);
    assert_eq!((canaries(place.path()), all_request_ids(place.path())), (0, vec!["kept".to_owned()]));
}

/// A file from before removed bytes were overwritten is cleaned once.
#[test]
fn remains_of_older_versions_are_overwritten_once() {
    let place = directory();
    let mut store = open(place.path());
    for part in 0..16 {
        let records: Vec<_> = (part * 100..(part + 1) * 100).flat_map(records).collect();
        store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    }
    drop(store);
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    let removal = format!(
        "PRAGMA secure_delete = OFF; PRAGMA user_version = 2; \
         DELETE FROM stored_calls WHERE fields LIKE '%{CANARY}%' OR sequence BETWEEN 3000 AND 4000; \
         DELETE FROM stored_events WHERE fields LIKE '%{CANARY}%' OR message LIKE '%{CANARY}%'; \
         DELETE FROM call_series WHERE labels LIKE '%{CANARY}%'"
    );
    connection.execute_batch(&removal).unwrap();
    drop(connection);
    assert!(canaries(place.path()) > 1000);
    let before = all_calls(place.path());
    let mut store = open(place.path());
    let mut steps = 0;
    while store.retain().unwrap().more {
        steps += 1;
    }
    assert!(steps > 10, "{steps}");
    assert_eq!(canaries(place.path()), 0, "with the store open");
    assert_eq!(all_calls(place.path()), before);
    assert!(!store.retain().unwrap().more);
    drop(store);
    assert!(!open(place.path()).retain().unwrap().more, "once");
    assert_eq!((canaries(place.path()), all_calls(place.path())), (0, before));
}

#[test]
fn overwriting_remains_loses_no_sound_record_of_a_damaged_file() {
    let place = directory();
    let mut store = open(place.path());
    store
        .write(&Batch { records: &(0..400).flat_map(records).collect::<Vec<_>>(), ..Batch::default() })
        .unwrap();
    drop(store);
    let path = place.path().join("store.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let mut file = std::fs::read(&path).unwrap();
    let rows = rows_of(&file, place.path(), "stored_events");
    // The first byte of a key of two: it becomes smaller or larger than all others.
    for (row, change) in [(300, 0x04), (511, 0x70)] {
        let (_, bytes) = &rows[row];
        let key = bytes.start + varint(&file[bytes.start..]).1;
        file[key] ^= change;
    }
    std::fs::write(&path, file).unwrap();
    let read = || {
        let reader = reader(place.path());
        (reader.events(&LogFilter::default()).unwrap(), reader.damaged(), all_calls(place.path()))
    };
    let before = read();
    assert_eq!((before.0.len(), before.1, before.2.len()), (798, 2, 800));
    let mut store = open(place.path());
    while store.retain().unwrap().more {}
    assert_eq!(store.take_notice(), None);
    assert_eq!(read(), before);
}

#[test]
fn request_id_selects_its_calls_and_events_only() {
    let place = directory();
    let mut store = open(place.path());
    write(&mut store, 0..10);
    // Ids of the usual form are stored as bytes.
    let usual = "00112233445566778899aabbccddeeff";
    store
        .write(&Batch {
            records: &[RingEvent::Log(event("usual")), RingEvent::Call(call(usual))],
            ..Batch::default()
        })
        .unwrap();
    let ids = |ids: &[&str]| Selection {
        request_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Selection::default()
    };
    let erased = store.erase(&ids(&[usual, "other-3", ""]), false).unwrap();
    assert_eq!((erased.calls, erased.events), (2, 2));
    assert_eq!(store.erase(&ids(&[usual, "other-3", ""]), false).unwrap().calls, 0, "once");
    assert_eq!(reader(place.path()).events(&LogFilter::default()).unwrap().len(), 19);
    assert_eq!(store.erase(&Selection::default(), false).unwrap(), Erased::default());
}

#[test]
fn sinks_skip_erased_records_and_count_them_apart() {
    for shipped in [0, 1, 5, 12, 39, 40] {
        let place = directory();
        let mut store = open(place.path());
        write(&mut store, 0..2);
        store.add_sink("loki", RecordKinds::LOGS).unwrap();
        write(&mut store, 2..12);
        let start = 8;
        let before = reader(place.path()).records(start, RecordKinds::LOGS, 40).unwrap();
        let done = before.acknowledgement(shipped, shipped as u64, Rejected::default(), 0);
        store.acknowledge("loki", done).unwrap();
        let erased = store.erase(&person(), false).unwrap();
        let of_person = before.records[..shipped]
            .iter()
            .filter(|record| record.sequence() % 4 < 3 && record.sequence() % 4 > 0);
        assert_eq!(erased.shipped["loki"], of_person.count() as u64);
        // The rest in batches of three, some of which are read again.
        let (mut after, mut delivered) = (start + shipped as u64, Vec::new());
        loop {
            let batch = reader(place.path()).records(after, RecordKinds::LOGS, 3).unwrap();
            if batch.records.is_empty() && batch.erased.is_empty() {
                break;
            }
            let count = batch.records.len().min(2);
            delivered.extend(batch.records[..count].iter().map(|record| record.sequence()));
            let done = batch.acknowledgement(count, count as u64, Rejected::default(), 0);
            after = done.through;
            store.acknowledge("loki", done).unwrap();
            let state = store.sinks().unwrap().remove(0);
            assert_eq!(state.accepted, accounted(&state));
        }
        let state = store.sinks().unwrap().remove(0);
        assert_eq!((state.accepted, state.pending, state.first_unix), (40, 0, None));
        let skipped = 20 - erased.shipped["loki"];
        assert_eq!(state.dropped, Dropped { erased: skipped, ..Dropped::default() });
        assert_eq!(state.delivered, 40 - skipped);
        assert!(delivered.iter().all(|sequence| matches!(sequence % 4, 3 | 0)), "{delivered:?}");
    }
}

#[test]
fn writer_continues_beside_an_erasing_program() {
    let place = directory();
    let mut store = open(place.path());
    write(&mut store, 0..10);
    let mut program = open(place.path());
    assert_eq!(program.erase(&person(), false).unwrap().calls, 10);
    // The label sets that only erased calls had are stored anew.
    write(&mut store, 0..10);
    assert_eq!(reader(place.path()).calls(&CallFilter::default()).unwrap().len(), 30);
    assert_eq!(program.erase(&person(), false).unwrap().calls, 10);
    drop((store, program));
    assert_eq!(canaries(place.path()), 0);
}
