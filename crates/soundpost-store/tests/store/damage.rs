//! Files that are no store, or no longer: set aside as they are, and a new one begun.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use soundpost_store::{Batch, CallFilter, Missed, Reader, RecordKinds, Rejected, Store, VERSION};

use super::support::*;
use tempfile::TempDir;

/// A store with some of everything, closed, so that all is in one file.
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

/// Does with a store whatever is done with one, and reads it; whether something was set aside.
fn use_it(place: &Path) -> bool {
    // A reader may find damage too, and says so.
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

/// Bytes of a file before its first page's content.
const HEADER: usize = 100;
/// Where a file has its version.
const USER_VERSION: std::ops::Range<usize> = 60..64;

/// Whether a file says that a newer program wrote it.
fn is_newer(contents: &[u8]) -> bool {
    let version = contents[USER_VERSION].try_into().unwrap();
    i64::from(i32::from_be_bytes(version)) > VERSION
}

/// Opens a file of a newer version: it stays as it is; set aside, if nothing else of its header can be trusted.
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
    assert!(fs::read(aside).unwrap() == contents, "it is kept as it was");
}

fn newest_ids(place: &Path) -> Vec<String> {
    newest(place, CallFilter { limit: Some(6), ..CallFilter::default() })
}

#[test]
fn cut_files() {
    let whole = template();
    let step = if std::env::var_os("SOUNDPOST_TEST_FULL").is_some() { 61 } else { 4_001 };
    for length in (1..whole.len()).step_by(step) {
        let place = with_file(&whole[..length]);
        if use_it(place.path()) {
            let aside = damaged_files(place.path());
            assert_eq!(fs::read(&aside[0]).unwrap().len(), length, "it is kept as it was");
        } else {
            // SQLite has no sums over its pages: what is missing at the end of the last one, it cannot tell.
            assert!(length > whole.len() - 4096, "{length} of {} bytes", whole.len());
        }
        assert_eq!(newest_ids(place.path()), ["after"; 6]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("SOUNDPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
    ))]

    /// Whatever bytes are changed, nothing panics, and what is written afterwards is there or the file set aside. One
    /// that says that it is newer is not touched.
    #[test]
    fn changed_files(
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

    /// A damaged log costs what is in it and nothing else.
    #[test]
    fn changed_logs(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
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
fn foreign_files() {
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
fn a_newer_file_is_left_as_it_is() {
    let place = with_file(&template());
    let path = place.path().join("store.sqlite");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
    // And made it in a way that only its SQLite reads.
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
    let (newer, known) = (format!("version {}", VERSION + 1), format!("knows {VERSION}"));
    assert!(error.to_string().contains(&newer) && error.to_string().contains(&known), "{error}");
    assert!(Reader::open(place.path()).err().unwrap().is_newer());
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(damaged_files(place.path()), [] as [PathBuf; 0]);
}

#[test]
fn damage_while_the_store_is_open() {
    let place = with_file(&template());
    let mut store = open(place.path());
    store.add_sink("graylog", RecordKinds::LOGS).unwrap();
    let pending = store.sinks().unwrap();
    assert_eq!((pending[1].sink.as_str(), pending[1].pending), ("loki", 200));
    let size = fs::metadata(place.path().join("store.sqlite")).unwrap().len();
    // All but the head, which SQLite has looked at already.
    let file = fs::OpenOptions::new().write(true).open(place.path().join("store.sqlite")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xAA; size as usize - 4096], 4096).unwrap();
    // Its own pages are in memory for a while: what counts is that it finds out, and goes on.
    let mut notice = None;
    for number in 0..2_000 {
        write_calls(&mut store, &[call(&format!("call-{number}"))]);
        notice = store.take_notice();
        if notice.is_some() {
            break;
        }
    }
    let notice = notice.expect("the damage was found");
    let aside = damaged_files(place.path());
    assert!(notice.contains(aside[aside.len() - 1].parent().unwrap().to_str().unwrap()), "{notice}");
    // Numbers go on, and what was lost is counted.
    let last = all_calls(place.path()).last().unwrap().sequence;
    assert!(last > 200, "{last}");
    for state in store.sinks().unwrap() {
        assert_eq!(state.accepted, accounted(&state));
        let stretch = reader(place.path()).records(state.cursor, RecordKinds::LOGS, usize::MAX).unwrap();
        assert_eq!((stretch.records.len() as u64, stretch.through), (state.pending, last));
        let done = stretch.acknowledgement(stretch.records.len(), state.pending, Rejected::default(), 0);
        store.acknowledge(&state.sink, done).unwrap();
    }
}

#[test]
fn a_file_that_was_removed() {
    let place = directory();
    let mut store = open(place.path());
    store.add_sink("loki", RecordKinds::LOGS).unwrap();
    write_calls(&mut store, &[call("a")]);
    fs::remove_file(place.path().join("store.sqlite")).unwrap();
    store.sync().unwrap();
    assert!(store.take_notice().unwrap().contains("removed"));
    write_calls(&mut store, &[call("b")]);
    let calls = all_calls(place.path());
    assert_eq!((calls[0].request_id.as_str(), calls[0].sequence), ("b", 2));
    let sink = &store.sinks().unwrap()[0];
    assert_eq!((sink.accepted, sink.dropped, sink.pending), (2, Missed { retention: 0, damage: 1 }, 1));
    drop(store);
    assert_eq!(all_request_ids(place.path()), ["b"]);
}

/// As a second copy of SQLite in the writer's process brings about: closing the file there ends the writer's locks, and
/// the next program that opens it removes the log.
#[test]
fn a_log_that_was_removed_costs_nothing() {
    let place = directory();
    let mut store = open(place.path());
    write_calls(&mut store, &[call("a")]);
    let file = place.path().join("store.sqlite");
    drop(fs::File::open(&file).unwrap());
    drop(fs::File::open(place.path().join("store.sqlite-shm")).unwrap());
    let looked = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "damage::another_program"])
        .env(LOOK_AT, &file)
        .status();
    assert!(looked.unwrap().success() && !place.path().join("store.sqlite-wal").exists());
    write_calls(&mut store, &[call("b")]);
    assert!(store.take_notice().unwrap().contains("removed"));
    write_calls(&mut store, &[call("c")]);
    assert_eq!(store.take_notice(), None);
    assert_eq!(all_request_ids(place.path()), ["a", "b", "c"]);
}

const LOOK_AT: &str = "SOUNDPOST_TEST_LOOK_AT";

/// Plays the other program; by itself it does nothing.
#[test]
fn another_program() {
    let Some(file) = std::env::var_os(LOOK_AT) else { return };
    let looking = rusqlite::Connection::open(file).unwrap();
    looking.query_row("SELECT count(*) FROM calls", [], |row| row.get::<_, i64>(0)).unwrap();
}

#[test]
fn links_and_other_things_are_refused() {
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
    // A link to the directory itself is the user's own doing.
    let link = outside.path().join("link");
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    write_calls(&mut open(&link), &[call("a")]);
    assert_eq!(all_request_ids(place.path()), ["a"]);
}

#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = directory();
    let mut store = open(place.path());
    write_calls(&mut store, &[call("a")]);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let mode = fs::metadata(place.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
