//! Damaged and foreign files: set aside unchanged, and replaced.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use soundpost_store::{Batch, CallFilter, Dropped, Reader, RecordKinds, Rejected, Store, VERSION};

use super::support::*;
use tempfile::TempDir;

/// Returns the file of a closed store with records of several kinds.
fn template() -> Vec<u8> {
    let place = directory();
    let mut store = open(place.path());
    store.add_sink("loki", RecordKinds::LOGS).unwrap();
    let calls: Vec<_> = (0..200).map(|number| call(&format!("call-{number}"))).collect();
    store.write(&Batch { records: &recorded(&calls), cursors: &[(1, 2)], ..Batch::default() }).unwrap();
    drop(store);
    fs::read(place.path().join("store.sqlite")).unwrap()
}

fn with_file(contents: &[u8]) -> TempDir {
    let place = directory();
    fs::write(place.path().join("store.sqlite"), contents).unwrap();
    place
}

fn damaged_files(place: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let is_file = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let mut paths: Vec<_> = paths.filter(is_file).collect();
    paths.sort();
    paths
}

/// Uses a store in all ways, and reads it. Returns whether a file was set aside.
fn use_it(place: &Path) -> bool {
    // A reader may return an error of damage.
    let read = || {
        let Ok(Some(reader)) = Reader::open(place) else { return };
        let _ = reader.calls(&CallFilter::default());
        let _ = reader.summary(&CallFilter::default());
        let _ = reader.vitals(0..u64::MAX, &[]);
    };
    read();
    let (mut store, notice) = Store::open(place, Clock::new().limits()).unwrap();
    let mut aside = notice.is_some();
    store.add_sink("graylog", RecordKinds::LOGS).unwrap();
    let written = [call("after"), call("after")];
    for _ in 0..3 {
        store.write(&Batch { records: &recorded(&written), cursors: &[(7, 8)], ..Batch::default() }).unwrap();
        let _ = store.retain();
    }
    store.sync().unwrap();
    assert_eq!(store.segment_cursor(7).unwrap(), Some(8));
    store.sinks().unwrap();
    aside |= store.take_notice().is_some();
    drop(store);
    read();
    assert_eq!(aside, !damaged_files(place).is_empty());
    aside
}

/// Size of the header of a file, bytes.
const HEADER: usize = 100;
/// Position of the version in a file.
const USER_VERSION: std::ops::Range<usize> = 60..64;

/// Returns whether the version of a file is newer.
fn is_newer(contents: &[u8]) -> bool {
    let version = contents[USER_VERSION].try_into().unwrap();
    i64::from(i32::from_be_bytes(version)) > VERSION
}

/// Opens a file of a newer version, which is not modified. With a damaged header it is set aside.
fn open_newer(contents: &[u8], sound: bool) {
    let place = with_file(contents);
    let aside = match Store::open(place.path(), Clock::new().limits()) {
        Err(error) => {
            assert!(error.is_newer() && !error.is_retryable(), "{error}");
            assert!(!sound || Reader::open(place.path()).err().unwrap().is_newer());
            place.path().join("store.sqlite")
        }
        Ok((_, notice)) => {
            assert!(!sound && notice.is_some(), "{notice:?}");
            damaged_files(place.path()).remove(0)
        }
    };
    assert!(fs::read(aside).unwrap() == contents, "the file is unchanged");
}

fn newest_ids(place: &Path) -> Vec<String> {
    newest(place, CallFilter { limit: Some(6), ..CallFilter::default() })
}

#[test]
fn truncated_files_are_set_aside() {
    let whole = template();
    let step = if std::env::var_os("SOUNDPOST_TEST_FULL").is_some() { 61 } else { 4_001 };
    for length in (1..whole.len()).step_by(step) {
        let place = with_file(&whole[..length]);
        if use_it(place.path()) {
            let aside = damaged_files(place.path());
            assert_eq!(fs::read(&aside[0]).unwrap().len(), length, "the file is unchanged");
        } else {
            // SQLite has no checksums of pages: it does not detect a missing end of the last page.
            assert!(length > whole.len() - 4096, "{length} of {} bytes", whole.len());
        }
        assert_eq!(newest_ids(place.path()), ["after"; 6]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        cases()
    ))]

    /// With any changed bytes, the store does not panic, and either has the new records or sets the file aside. A file of
    /// a newer version is not modified.
    #[test]
    fn changed_files_are_used_or_set_aside(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        version in proptest::option::of(0..2 * VERSION as u32 + 3),
        bit in 0..64_u32,
    ) {
        let mut contents = template();
        let places = changes.iter().map(|(place, _)| place.index(contents.len())).collect::<Vec<_>>();
        places.iter().zip(&changes).for_each(|(place, (_, byte))| contents[*place] = *byte);
        if let Some(version) = version {
            let version = version ^ 1_u32.checked_shl(bit).unwrap_or(0);
            contents[USER_VERSION].copy_from_slice(&version.to_be_bytes());
        }
        if is_newer(&contents) {
            let sound = places.iter().all(|place| *place >= HEADER || USER_VERSION.contains(place));
            open_newer(&contents, sound);
        } else {
            use_it(with_file(&contents).path());
        }
    }

    /// A damaged log loses its own records and no other.
    #[test]
    fn changed_logs_lose_only_their_records(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let made = directory();
        let mut store = open(made.path());
        write_calls(&mut store, &[call("a"), call("b")]);
        let copy = with_file(&fs::read(made.path().join("store.sqlite")).unwrap());
        let mut log = fs::read(made.path().join("store.sqlite-wal")).unwrap();
        let place = place.index(log.len());
        if cut {
            log.truncate(place);
        } else {
            log[place] = byte;
        }
        fs::write(copy.path().join("store.sqlite-wal"), log).unwrap();
        use_it(copy.path());
        prop_assert_eq!(&newest_ids(copy.path())[..6], ["after"; 6]);
    }
}

#[test]
fn foreign_files_are_set_aside() {
    let foreign: [&[u8]; 4] = [b"\n", b"not a database", &[0; 4096], &[0xFF; 100_000]];
    for contents in foreign {
        let place = with_file(contents);
        assert!(use_it(place.path()));
        assert_eq!(fs::read(&damaged_files(place.path())[0]).unwrap(), contents);
    }
    let place = directory();
    let other = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
    other.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    drop(other);
    assert!(use_it(place.path()));
    let aside = rusqlite::Connection::open(&damaged_files(place.path())[0]).unwrap();
    assert_eq!(aside.query_row("SELECT x FROM theirs", [], |row| row.get(0)), Ok(1));
}

#[test]
fn files_with_foreign_views_or_triggers_are_set_aside() {
    for tampering in [
        "CREATE TRIGGER foreign_one AFTER INSERT ON stored_calls BEGIN DELETE FROM stored_events; END",
        "CREATE TRIGGER stored_events_deleted BEFORE DELETE ON stored_calls BEGIN SELECT raise(IGNORE); END",
        "CREATE VIEW foreign_one AS SELECT * FROM stored_calls",
        "ALTER TABLE stored_calls RENAME TO hidden; CREATE VIEW stored_calls AS SELECT * FROM hidden",
        "DROP VIEW calls; CREATE TRIGGER calls AFTER INSERT ON stored_calls BEGIN DELETE FROM stored_calls; END",
    ] {
        let place = with_file(&template());
        let connection = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
        connection.execute_batch(tampering).unwrap();
        drop(connection);
        assert!(Reader::open(place.path()).err().is_some_and(|error| error.is_damaged()), "{tampering}");
        assert!(use_it(place.path()), "{tampering}");
        assert_eq!(newest_ids(place.path()), ["after"; 6], "{tampering}");
    }
    // A view or trigger of the store with other statements is made again.
    let place = with_file(&template());
    let connection = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
    let own = "DROP TRIGGER stored_calls_edited; CREATE TRIGGER stored_calls_edited AFTER INSERT ON stored_calls \
               BEGIN DELETE FROM stored_calls; END";
    connection.execute_batch(own).unwrap();
    assert!(!use_it(place.path()));
    assert_eq!(all_calls(place.path()).len(), 206);
}

#[test]
fn a_file_of_a_newer_version_is_not_modified() {
    let place = with_file(&template());
    let path = place.path().join("store.sqlite");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
    // Its table has a syntax that only a newer SQLite reads.
    newer
        .execute_batch(
            "CREATE TABLE of_the_future (x); PRAGMA writable_schema = ON; \
             UPDATE sqlite_master SET sql = 'CREATE TABLE of_the_future (x) ELSEWHERE' WHERE name = 'of_the_future'",
        )
        .unwrap();
    drop(newer);
    let before = fs::read(&path).unwrap();
    let error = Store::open(place.path(), Clock::new().limits()).err().unwrap();
    assert!(error.is_newer() && !error.is_retryable());
    let (newer, known) = (format!("version {}", VERSION + 1), format!("supports {VERSION}"));
    assert!(error.to_string().contains(&newer) && error.to_string().contains(&known), "{error}");
    assert!(Reader::open(place.path()).err().unwrap().is_newer());
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(damaged_files(place.path()), [] as [PathBuf; 0]);
}

#[test]
fn damage_while_open_is_detected_and_counted() {
    let place = with_file(&template());
    let mut store = open(place.path());
    store.add_sink("graylog", RecordKinds::LOGS).unwrap();
    let pending = store.sinks().unwrap();
    assert_eq!((pending[1].sink.as_str(), pending[1].pending), ("loki", 200));
    let size = fs::metadata(place.path().join("store.sqlite")).unwrap().len();
    // SQLite has read the first page already.
    let file = fs::OpenOptions::new().write(true).open(place.path().join("store.sqlite")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xAA; size as usize - 4096], 4096).unwrap();
    // Cached pages delay the detection.
    let mut notice = None;
    for number in 0..2_000 {
        write_calls(&mut store, &[call(&format!("call-{number}"))]);
        notice = store.take_notice();
        if notice.is_some() {
            break;
        }
    }
    let notice = notice.expect("the damage is detected");
    let aside = damaged_files(place.path());
    assert!(notice.contains(aside[aside.len() - 1].parent().unwrap().to_str().unwrap()), "{notice}");
    // Sequence numbers continue, and lost records are counted.
    let last = all_calls(place.path()).last().unwrap().sequence;
    assert!(last > 200, "{last}");
    for state in store.sinks().unwrap() {
        assert_eq!(state.accepted, accounted(&state));
        let batch = reader(place.path()).records(state.cursor, RecordKinds::LOGS, usize::MAX).unwrap();
        assert_eq!((batch.records.len() as u64, batch.through), (state.pending, last));
        let done = batch.acknowledgement(batch.records.len(), state.pending, Rejected::default(), 0);
        store.acknowledge(&state.sink, done).unwrap();
    }
}

#[test]
fn a_removed_file_is_created_again() {
    let place = directory();
    let mut store = open(place.path());
    store.add_sink("loki", RecordKinds::LOGS).unwrap();
    write_calls(&mut store, &[call("a")]);
    fs::remove_file(place.path().join("store.sqlite")).unwrap();
    store.sync().unwrap();
    assert!(store.take_notice().unwrap().contains("removed"));
    write_calls(&mut store, &[call("b")]);
    let calls = all_calls(place.path());
    assert_eq!((calls[0].call.request_id.as_str(), calls[0].sequence), ("b", 2));
    let sink = &store.sinks().unwrap()[0];
    assert_eq!(
        (sink.accepted, sink.dropped, sink.pending),
        (2, Dropped { damage: 1, ..Dropped::default() }, 1)
    );
    drop(store);
    assert_eq!(all_request_ids(place.path()), ["b"]);
}

/// A second copy of SQLite in the writer's process has this effect: closing the file there releases the writer's locks,
/// and the next program to open it removes the log.
#[test]
fn a_removed_log_loses_no_record() {
    let place = directory();
    let mut store = open(place.path());
    write_calls(&mut store, &[call("a")]);
    let file = place.path().join("store.sqlite");
    drop(fs::File::open(&file).unwrap());
    drop(fs::File::open(place.path().join("store.sqlite-shm")).unwrap());
    let read = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "damage::another_program_reads"])
        .env(READ_FILE, &file)
        .status();
    assert!(read.unwrap().success() && !place.path().join("store.sqlite-wal").exists());
    write_calls(&mut store, &[call("b")]);
    assert!(store.take_notice().unwrap().contains("removed"));
    write_calls(&mut store, &[call("c")]);
    assert_eq!(store.take_notice(), None);
    assert_eq!(all_request_ids(place.path()), ["a", "b", "c"]);
}

const READ_FILE: &str = "SOUNDPOST_TEST_READ_FILE";

/// Acts as the other program; does nothing without the variable.
#[test]
fn another_program_reads() {
    let Some(file) = std::env::var_os(READ_FILE) else { return };
    let reading = rusqlite::Connection::open(file).unwrap();
    reading.query_row("SELECT count(*) FROM calls", [], |row| row.get::<_, i64>(0)).unwrap();
}

#[test]
fn links_and_directories_are_refused() {
    let (place, outside) = (directory(), directory());
    let target = outside.path().join("target");
    fs::write(&target, "theirs").unwrap();
    let path = place.path().join("store.sqlite");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert!(Store::open(place.path(), Clock::new().limits()).err().unwrap().is_refused());
    assert!(Reader::open(place.path()).err().unwrap().is_refused());
    assert_eq!(fs::read(&target).unwrap(), b"theirs");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Store::open(place.path(), Clock::new().limits()).err().unwrap().is_refused());
    // The operator may link to the directory itself.
    let link = outside.path().join("link");
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    write_calls(&mut open(&link), &[call("a")]);
    assert_eq!(all_request_ids(place.path()), ["a"]);
}

#[test]
fn files_are_readable_by_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = directory();
    let mut store = open(place.path());
    write_calls(&mut store, &[call("a")]);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let mode = fs::metadata(place.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
