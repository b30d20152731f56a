//! Damaged rows: readers skip and count them, and read everything else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;
use soundpost_store::{Batch, CallFilter, LogFilter, Order, RecordKinds, Rejected, RingEvent};

use super::pages::{rows_of, varint};
use super::support::*;

const ROWS: usize = 100;

/// Returns the file of a closed store with 100 calls and 100 log events, and a sink that has shipped nothing.
fn template() -> Vec<u8> {
    let place = directory();
    let mut store = open(place.path());
    store.add_sink("all", RecordKinds::ALL).unwrap();
    let records: Vec<RingEvent> = (0..ROWS)
        .flat_map(|number| {
            let mut call = call(&format!("call-{number}"));
            call.ended_unix += number as u64;
            [RingEvent::Call(call), RingEvent::Log(event(&format!("event-{number}")))]
        })
        .collect();
    store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    drop(store);
    fs::read(place.path().join("store.sqlite")).unwrap()
}

/// Returns the place of the type of a row's first column, behind the lengths of row and header and the key.
fn type_of_sequence(contents: &[u8], row: usize) -> usize {
    let (_, length) = varint(&contents[row..]);
    let (_, key) = varint(&contents[row + length..]);
    row + length + key + 1
}

/// Reads a damaged file in all ways. Returns the sequence numbers of the records that a sink is given, which are the
/// sound ones, after it acknowledged them.
fn read_all(place: &Path, batch: usize) -> BTreeSet<u64> {
    let mut store = open(place);
    let mut shipped = BTreeSet::new();
    loop {
        let state = store.sinks().unwrap().remove(0);
        let read = reader(place).records(state.cursor, RecordKinds::ALL, batch).unwrap();
        if read.through == read.after {
            assert_eq!((state.pending, state.accepted), (0, accounted(&state)));
            assert_eq!(state.delivered, shipped.len() as u64);
            assert_eq!(state.dropped.damage, 2 * ROWS as u64 - state.delivered);
            return shipped;
        }
        assert!(read.records.iter().all(|record| shipped.insert(record.sequence())), "one record twice");
        let count = read.records.len();
        store.acknowledge("all", read.acknowledgement(count, count as u64, Rejected::default(), 0)).unwrap();
        store.retain().unwrap();
        assert_eq!(store.take_notice(), None);
    }
}

/// Returns the sequence numbers of the calls that a reader returns, in this order.
fn calls(place: &Path, order: Order) -> BTreeSet<u64> {
    let reader = reader(place);
    let calls = reader.calls(&CallFilter { order, ..CallFilter::default() }).unwrap();
    let found: BTreeSet<u64> = calls.iter().map(|row| row.sequence).collect();
    assert_eq!(found.len(), calls.len(), "one call twice");
    assert_eq!(reader.damaged(), (ROWS - calls.len()) as u64);
    reader.summary(&CallFilter::default()).unwrap();
    found
}

/// Returns the sequence numbers of the events that a reader returns.
fn events(place: &Path, oldest_first: bool) -> BTreeSet<u64> {
    let reader = reader(place);
    let events = reader.events(&LogFilter { oldest_first, ..LogFilter::default() }).unwrap();
    assert!(events.is_sorted_by(|one, next| (one.sequence < next.sequence) == oldest_first));
    assert_eq!(reader.damaged(), (ROWS - events.len()) as u64);
    events.iter().map(|row| row.sequence).collect()
}

/// Checks that readers and a sink get each record but the damaged ones.
fn check(place: &Path, contents: &[u8], damaged: &BTreeSet<u64>, batch: usize) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(place.join(format!("store.sqlite{suffix}")));
    }
    fs::write(place.join("store.sqlite"), contents).unwrap();
    let all: BTreeSet<u64> = (1..=2 * ROWS as u64).collect();
    let (sound, is_call) = (&all - damaged, |sequence: &&u64| **sequence % 2 == 1);
    let sound_calls: BTreeSet<u64> = sound.iter().filter(is_call).copied().collect();
    assert_eq!(calls(place, Order::Slowest), sound_calls);
    // The index has the time of the end once more, so a call with a damaged time may be read.
    let newest = calls(place, Order::Newest);
    assert!(newest.is_superset(&sound_calls) && (&newest - &sound_calls).is_subset(damaged));
    for oldest_first in [false, true] {
        assert_eq!(events(place, oldest_first), &sound - &sound_calls);
    }
    assert_eq!(read_all(place, batch), sound);
}

#[test]
fn a_changed_byte_of_a_row_costs_this_row_only() {
    let (contents, place) = (template(), directory());
    // The short run has each byte of a row, though not of every row; the full run each byte of half of the rows.
    let is_full = std::env::var_os("SOUNDPOST_TEST_FULL").is_some();
    let (rows, step) = if is_full { (2, 1) } else { (1, 997) };
    for table in ["stored_calls", "stored_events"] {
        for (index, (sequence, bytes)) in
            rows_of(&contents, place.path(), table).into_iter().enumerate().step_by(rows)
        {
            for at in bytes.skip(index * 7 % step).step_by(step) {
                let mut changed = contents.clone();
                changed[at] ^= [0x01, 0x80, 0xFF][(at + index) % 3];
                println!("{table} {sequence}, byte {at} ^ {:#x}", changed[at] ^ contents[at]);
                check(place.path(), &changed, &BTreeSet::from([sequence]), batch_of(at));
            }
        }
    }
}

/// Returns the size of a sink's batches: mostly one for all, because each takes a transaction.
fn batch_of(case: usize) -> usize {
    if case.is_multiple_of(5) { 7 } else { 2_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn random_edits_cost_their_rows_only(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..), 1..6)) {
        let (contents, place) = (template(), directory());
        let tables = ["stored_calls", "stored_events"];
        let rows: Vec<_> = tables.iter().flat_map(|table| rows_of(&contents, place.path(), table)).collect();
        let (mut changed, mut damaged) = (contents, BTreeSet::new());
        for (row, place, change) in &edits {
            let (sequence, bytes) = &rows[row.index(rows.len())];
            let at = bytes.start + place.index(bytes.len());
            // The type of `sequence` in the record: SQLite reads the row's key instead. Types 0, 10 and 11 are all NULL.
            let has_no_meaning =
                at == type_of_sequence(&changed, bytes.start) || changed[at] == 0 && matches!(change, 10 | 11);
            if !has_no_meaning && damaged.insert(*sequence) {
                changed[at] ^= change;
            }
        }
        check(place.path(), &changed, &damaged, batch_of(edits.len()));
    }
}

/// Runs a statement that may store values of a wrong type in a table.
fn edit(file: &Path, table: &str, statement: &str) {
    let retype = |old: &str, new: &str| {
        let connection = Connection::open(file).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        let update = "UPDATE sqlite_master SET sql = replace(sql, ?1, ?2) WHERE name = ?3";
        assert_eq!(connection.execute(update, [old, new, table]).unwrap(), 1);
    };
    retype(") STRICT", ") /*STRICT*/");
    Connection::open(file).unwrap().execute(statement, []).unwrap();
    retype(") /*STRICT*/", ") STRICT");
}

#[test]
fn calls_of_a_damaged_series_are_read() {
    let template = template();
    for change in ["operation = CAST(x'ff' AS TEXT)", "labels = '{'", "labels = 7", "id = 77"] {
        let place = directory();
        let file = place.path().join("store.sqlite");
        fs::write(&file, &template).unwrap();
        edit(&file, "call_series", &format!("UPDATE call_series SET {change}"));
        for order in [Order::Newest, Order::Slowest] {
            assert_eq!(calls(place.path(), order).len(), ROWS, "{change}");
        }
        assert_eq!(read_all(place.path(), 7).len(), 2 * ROWS, "{change}");
    }
}

#[test]
fn damaged_state_costs_no_record() {
    let template = template();
    for (name, value) in [
        ("deleted_through", "1 << 62"),
        ("deleted_stored_calls", "1 << 62"),
        ("deleted_stored_events", "'text'"),
        ("believed", "x'00'"),
        ("believed", "1 << 62"),
        ("doubted", "'text'"),
        ("thinned_host_samples", "1.5"),
    ] {
        let place = directory();
        let file = place.path().join("store.sqlite");
        fs::write(&file, &template).unwrap();
        edit(
            &file,
            "state",
            &format!("INSERT OR REPLACE INTO state (name, value) VALUES ('{name}', {value})"),
        );
        assert_eq!(read_all(place.path(), 7).len(), 2 * ROWS, "{name} {value}");
        let mut store = open(place.path());
        let records = [RingEvent::Call(call("next"))];
        store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
        store.retain().unwrap();
        assert_eq!(store.take_notice(), None, "{name} {value}");
        assert_eq!(reader(place.path()).calls(&CallFilter::default()).unwrap().len(), ROWS + 1);
    }
}

#[test]
fn sink_with_a_damaged_cursor_starts_again() {
    let template = template();
    for change in [
        "cursor = 1 << 40",
        "passed = 1 << 40",
        "passed = 21",
        "start = 1 << 62",
        "kinds = 0",
        "delivered = delivered + 64",
        "sink = CAST(x'61ff' AS TEXT)",
        "cursor = 'text'",
        "rejected_empty = x'00'",
        "dropped_damage = 1.5",
    ] {
        let place = directory();
        let file = place.path().join("store.sqlite");
        fs::write(&file, &template).unwrap();
        let mut store = open(place.path());
        let read = reader(place.path()).records(0, RecordKinds::ALL, 20).unwrap();
        store.acknowledge("all", read.acknowledgement(20, 20, Rejected::default(), 0)).unwrap();
        drop(store);
        edit(&file, "sink_cursors", &format!("UPDATE sink_cursors SET {change}"));
        assert_eq!(reader(place.path()).sinks().unwrap(), [], "{change}");
        let mut store = open(place.path());
        store.add_sink("all", RecordKinds::ALL).unwrap();
        let notice = store.take_notice().unwrap();
        assert!(notice.ends_with("the cursor of sink \"all\" was damaged; it starts again"), "{notice}");
        store.add_sink("all", RecordKinds::ALL).unwrap();
        assert_eq!(store.take_notice(), None);
        let [state] = &store.sinks().unwrap()[..] else { panic!("one sink") };
        assert_eq!((state.cursor, state.pending, state.accepted), (0, 200, 200), "{change}");
    }
}
