//! Damaged rows beside those of calls and log events: each is left out or known as damaged, and never read as another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use rusqlite::Connection;
use soundpost_core::FinishedCall;
use soundpost_store::{
    Batch, CallFilter, Entity, GpuName, Record, RecordKinds, Rejected, Store, VitalsSample,
};

use super::pages::rows_of;
use super::support::*;

const ROWS: usize = 100;

/// Tables with a row of its own for each call, time, sink or segment.
const TABLES: [&str; 10] = [
    "call_series",
    "origins",
    "vitals_samples",
    "host_samples",
    "process_samples",
    "gpu_samples",
    "gpu_process_samples",
    "gpus",
    "sink_cursors",
    "segment_cursors",
];

/// Returns the file of a closed store with 100 rows in each of [`TABLES`].
fn template() -> Vec<u8> {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(make_template);
    FILE.clone()
}

fn make_template() -> Vec<u8> {
    let place = directory();
    let mut store = open(place.path());
    for number in 0..ROWS {
        let sinks: &[&str] = &[&format!("sink-{number}")];
        sinks.iter().for_each(|sink| store.add_sink(sink, RecordKinds::ALL).unwrap());
        let labels = vec![("voice".to_owned(), format!("voice-{number}"))];
        let call =
            FinishedCall { labels, origin: origin(&format!("V{number}")), ..call(&format!("call-{number}")) };
        let gpu = |text: &str| format!("{text}-{number}");
        let name =
            GpuName { gpu: number.to_string(), uuid: gpu("uuid"), name: gpu("model"), mig: String::new() };
        let pid = 4000 + number as u32;
        let sample = |entity, column, value| VitalsSample {
            unix_nanos: NOW + number as u64 * SECOND,
            entity,
            values: vec![(column, value)],
        };
        let vitals = [
            sample(Entity::Host, "load1", 7.25),
            sample(Entity::Process { pid }, "process_threads", 40.0),
            sample(Entity::Gpu(name), "gpu_memory_used_bytes", 8e9),
            sample(
                Entity::GpuProcess { gpu: "0".to_owned(), pid: Some(pid) },
                "gpu_process_memory_bytes",
                5e9,
            ),
        ];
        let cursors = [(900 + number as u64, 7 << 20 | number as u64)];
        let records = recorded(&[call]);
        store
            .write(&Batch { records: &records, vitals: &vitals, cursors: &cursors, ..Batch::default() })
            .unwrap();
        let read =
            reader(place.path()).records(store.sinks().unwrap()[0].cursor, RecordKinds::ALL, 1).unwrap();
        store.acknowledge("sink-0", read.acknowledgement(1, 1, Rejected::default(), 0)).unwrap();
    }
    drop(store);
    fs::read(place.path().join("store.sqlite")).unwrap()
}

/// Mark of a value whose row is known as damaged.
const DAMAGED: &str = "damaged";

/// Returns the contents of a table as readers and sinks get them, and the number of rows that were counted as damaged,
/// where the reader counts them.
fn contents(place: &Path, table: &str) -> (Vec<String>, Option<u64>) {
    match table {
        "call_series" | "origins" => {
            let calls = reader(place).calls(&CallFilter::default()).unwrap();
            let shown = calls.into_iter().map(|row| {
                let FinishedCall { request_id, operation, labels, origin, .. } = row.call;
                let is_known = if table == "origins" { origin.is_some() } else { operation != "unknown" };
                let series =
                    if is_known { format!("{operation} {labels:?} {origin:?}") } else { DAMAGED.into() };
                format!("{request_id} {series}")
            });
            (shown.collect(), None)
        }
        "vitals_samples" => {
            let read = reader(place).records(0, RecordKinds::ALL, usize::MAX).unwrap();
            let is_vitals = |record: &&Record| matches!(record, Record::Vitals(_));
            let vitals = read.records.iter().filter(is_vitals).map(|record| format!("{record:?}"));
            (vitals.collect(), Some(read.damaged))
        }
        "sink_cursors" => {
            let sinks = reader(place).sinks().unwrap();
            (sinks.iter().map(|sink| format!("{sink:?}")).collect(), None)
        }
        "segment_cursors" => {
            let mut store = Store::open(place, Clock::new().limits()).unwrap().0;
            let cursor = |segment| Some(format!("{segment} {}", store.segment_cursor(segment).unwrap()?));
            ((900..900 + ROWS as u64).filter_map(cursor).collect(), None)
        }
        _ => {
            let reader = reader(place);
            let all = reader.vitals(0..u64::MAX, &[]).unwrap();
            let damaged = reader.damaged();
            let half = NOW + ROWS as u64 / 2 * SECOND;
            let parts = [0..half, half..u64::MAX].map(|part| reader.vitals(part, &[]).unwrap()).concat();
            assert_eq!(parts, all);
            let is_known =
                |sample: &VitalsSample| !matches!(&sample.entity, Entity::Gpu(gpu) if gpu.gpu == "unknown");
            let shown = all.iter().map(|sample| {
                if is_known(sample) {
                    format!("{sample:?}")
                } else {
                    format!("{} {DAMAGED}", sample.unix_nanos)
                }
            });
            (shown.collect(), (table != "gpus").then_some(damaged))
        }
    }
}

/// Checks that readers get each row of a table but some damaged ones, and count those.
fn check(place: &Path, file: &[u8], table: &str, sound: &BTreeSet<String>, damaged: usize) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(place.join(format!("store.sqlite{suffix}")));
    }
    fs::write(place.join("store.sqlite"), file).unwrap();
    let (found, counted) = contents(place, table);
    let found: Vec<String> = found.into_iter().filter(|row| !row.contains(DAMAGED)).collect();
    let set: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "one row twice");
    assert!(set.is_subset(sound), "{:?}", &set - sound);
    let missing = sound.len() - set.len();
    assert!(missing <= damaged, "{:?}", sound - &set);
    assert!(
        counted.is_none_or(|counted| counted == missing as u64),
        "{counted:?} counted of {:?}",
        sound - &set
    );
}

fn sound_rows(place: &Path, file: &[u8], table: &str) -> BTreeSet<String> {
    fs::write(place.join("store.sqlite"), file).unwrap();
    let (found, _) = contents(place, table);
    assert!(
        found.len() >= ROWS && found.iter().all(|row| !row.contains(DAMAGED)),
        "{table}: {}",
        found.len()
    );
    found.into_iter().collect()
}

#[test]
fn a_changed_byte_of_a_shared_row_costs_this_row_only() {
    let (file, place) = (template(), directory());
    let step = if std::env::var_os("SOUNDPOST_TEST_FULL").is_some() { 1 } else { 97 };
    for table in TABLES {
        let sound = sound_rows(place.path(), &file, table);
        let rows = rows_of(&file, place.path(), table);
        assert_eq!(rows.len(), ROWS, "{table}");
        for (index, at) in rows.into_iter().flat_map(|(_, bytes)| bytes).enumerate().step_by(step) {
            let mut changed = file.clone();
            changed[at] ^= [0x01, 0x80, 0xFF][(at + index) % 3];
            println!("{table}, byte {at} ^ {:#x}", changed[at] ^ file[at]);
            check(place.path(), &changed, table, &sound, 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn random_edits_of_shared_rows_cost_these_only(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
        table in any::<prop::sample::Index>(),
    ) {
        let (file, place, table) = (template(), directory(), TABLES[table.index(TABLES.len())]);
        let sound = sound_rows(place.path(), &file, table);
        let rows: Vec<usize> = rows_of(&file, place.path(), table).into_iter().flat_map(|(_, bytes)| bytes).collect();
        let mut changed = file;
        edits.iter().for_each(|(place, change)| changed[rows[place.index(rows.len())]] ^= change);
        check(place.path(), &changed, table, &sound, edits.len());
    }
}

/// Changes a byte of the only row of a table that has this text.
fn change_text(place: &Path, table: &str, text: &str) {
    let path = place.join("store.sqlite");
    let mut file = fs::read(&path).unwrap();
    let rows = rows_of(&file, place, table);
    let places = rows.into_iter().flat_map(|(_, bytes)| bytes);
    let found: Vec<usize> = places.filter(|at| file[*at..].starts_with(text.as_bytes())).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    file[found[0]] ^= 1;
    fs::write(path, file).unwrap();
}

#[test]
fn new_records_of_a_damaged_series_have_a_sound_one() {
    let place = directory();
    write_calls(&mut open(place.path()), &[call("old"), call("older")]);
    change_text(place.path(), "call_series", "synthesize");
    change_text(place.path(), "origins", "V1");
    write_calls(&mut open(place.path()), &[call("new"), call("newer")]);
    let calls = all_calls(place.path());
    let shown: Vec<_> =
        calls.iter().map(|row| (row.call.operation.as_str(), row.call.origin.is_some())).collect();
    assert_eq!(shown, [("unknown", false), ("unknown", false), ("synthesize", true), ("synthesize", true)]);
    assert_eq!(calls[3].call, row(4, &call("newer")).call);
}

#[test]
fn a_plausible_cursor_with_damage_starts_again() {
    let place = directory();
    fs::write(place.path().join("store.sqlite"), template()).unwrap();
    let mut store = open(place.path());
    store.add_sink("loki", RecordKinds::ALL).unwrap();
    drop(store);
    // The numbers of a sink that has shipped nothing are plausible.
    let path = place.path().join("store.sqlite");
    let mut file = fs::read(&path).unwrap();
    let (_, bytes) = rows_of(&file, place.path(), "sink_cursors")
        .into_iter()
        .find(|(_, bytes)| file[bytes.clone()].windows(4).any(|text| text == b"loki"))
        .unwrap();
    let at = bytes.clone().find(|at| file[*at..].starts_with(b"loki")).unwrap();
    // Behind the name: kinds in one byte, start and cursor in two each.
    file[at + "loki".len() + 4] -= 1;
    fs::write(&path, file).unwrap();
    let mut store = open(place.path());
    store.add_sink("loki", RecordKinds::ALL).unwrap();
    assert!(store.take_notice().is_some_and(|notice| notice.contains("\"loki\" was damaged")));
    let state = store.sinks().unwrap().remove(0);
    assert_eq!((state.sink.as_str(), state.cursor, state.pending), ("loki", 0, 200));
}

/// Edits by an operator are no damage, also in files of older versions.
#[test]
fn rows_that_an_operator_edits_stay_valid() {
    let place = directory();
    fs::write(place.path().join("store.sqlite"), template()).unwrap();
    let connection = Connection::open(place.path().join("store.sqlite")).unwrap();
    for edit in [
        "UPDATE call_series SET labels = '{}', operation = 'edited-' || id",
        "UPDATE origins SET version = 'edited-' || id",
        "UPDATE gpus SET name = 'edited'",
        "UPDATE gpu_samples SET gpu_memory_used_bytes = 5",
        "UPDATE host_samples SET load1 = 5",
        "UPDATE vitals_samples SET time = time + 1 WHERE sequence = 2",
        "UPDATE sink_cursors SET delivered = 99, rejected_refused = 1 WHERE sink = 'sink-0'",
        "UPDATE segment_cursors SET position = 5",
    ] {
        assert!(connection.execute(edit, []).unwrap() > 0, "{edit}");
    }
    drop(connection);
    for table in TABLES {
        let (found, counted) = contents(place.path(), table);
        assert!(found.len() >= ROWS && found.iter().all(|row| !row.contains(DAMAGED)), "{table}: {found:?}");
        assert_eq!(counted.unwrap_or(0), 0, "{table}");
    }
}
