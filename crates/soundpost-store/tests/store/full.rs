//! Full disks and read-only files: a distinct error, whole batches, and recovery.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use soundpost_store::{Backlog, Batch, DeathKey, Entity, Evicted, Limits, RingEvent, Store, VitalsSample};

use super::support::*;

/// Runs a test in its own process, because it sets limits of the process.
fn in_a_process(test: &str, body: fn()) {
    const CHILD: &str = "SOUNDPOST_STORE_TEST";
    if std::env::var_os(CHILD).is_some_and(|running| running == test) {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// Limits the size of files, bytes; writes beyond fail without a signal.
fn limit_files(bytes: u64) {
    #[expect(unsafe_code, reason = "a signal is ignored, by a handler that runs no code")]
    // SAFETY: `SIG_IGN` runs nothing.
    unsafe {
        signal(Signal::SIGXFSZ, SigHandler::SigIgn).unwrap();
    }
    let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes, most).unwrap();
}

fn write(store: &mut Store, number: usize) -> Result<(), soundpost_store::StoreError> {
    let calls: Vec<_> = (0..50).map(|_| call(&format!("call-{number}"))).collect();
    store.write(&Batch { records: &recorded(&calls), cursors: &[(1, number as u64)], ..Batch::default() })
}

#[test]
fn a_full_disk_keeps_whole_batches() {
    in_a_process("full::a_full_disk_keeps_whole_batches", || {
        let place = directory();
        let mut store = open(place.path());
        let free = getrlimit(Resource::RLIMIT_FSIZE).unwrap().0;
        for limit in [400_000, 401_001, 600_000, 2_000_000] {
            limit_files(limit);
            let mut number = store.segment_cursor(1).unwrap().unwrap_or(0) as usize;
            let error = loop {
                match write(&mut store, number + 1) {
                    Ok(()) => number += 1,
                    Err(error) => break error,
                }
                assert!(number < 1_000, "there is no limit");
            };
            assert!(error.is_full() || error.is_io(), "{error:?}");
            assert!(error.is_retryable());
            for _ in 0..3 {
                assert!(write(&mut store, number + 1).is_err());
                let _ = store.retain();
                let _ = store.sync();
            }
            // The file has whole batches with their cursor.
            assert_eq!(all_calls(place.path()).len(), number * 50);
            assert_eq!(store.segment_cursor(1).unwrap(), Some(number as u64));
            assert_eq!(store.take_notice(), None);
            limit_files(free);
            write(&mut store, number + 1).unwrap();
            assert_eq!(all_calls(place.path()).len(), (number + 1) * 50);
        }
        let stored = all_calls(place.path()).len();
        drop(store);
        open(place.path());
        assert_eq!(all_calls(place.path()).len(), stored);
    });
}

#[test]
fn a_full_disk_at_the_start_is_retryable() {
    in_a_process("full::a_full_disk_at_the_start_is_retryable", || {
        let free = getrlimit(Resource::RLIMIT_FSIZE).unwrap().0;
        for limit in [0, 1, 4_096, 10_000, 40_000, 70_000] {
            let place = directory();
            limit_files(limit);
            let error = Store::open(place.path(), Clock::new().limits()).err().unwrap();
            assert!(error.is_retryable(), "{limit}: {error:?}");
            limit_files(free);
            write_calls(&mut open(place.path()), &[call("a")]);
            assert_eq!(all_request_ids(place.path()), ["a"], "{limit}");
        }
    });
}

#[test]
fn a_read_only_directory_can_be_read() {
    let place = directory();
    write_calls(&mut open(place.path()), &[call("a")]);
    let file = place.path().join("store.sqlite");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&file, 0o400);
    mode(place.path(), 0o500);
    let protected = fs::write(place.path().join("probe"), "").is_err();
    if protected {
        let error = Store::open(place.path(), Limits::default()).err().unwrap();
        assert!(error.is_read_only() || error.is_io(), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(all_request_ids(place.path()), ["a"], "reading works");
    }
    mode(place.path(), 0o700);
    mode(&file, 0o600);
    write_calls(&mut open(place.path()), &[call("b")]);
    assert_eq!(all_request_ids(place.path()), ["a", "b"]);
}

/// Another program, such as `sqlite3`, holds a write transaction.
#[test]
fn a_locked_file_is_busy_and_retryable() {
    let place = directory();
    let mut store = open(place.path());
    let other = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = write(&mut store, 1).unwrap_err();
    assert!(error.is_busy() && error.is_retryable(), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    write(&mut store, 1).unwrap();
}

#[test]
fn the_backlog_is_bounded_and_keeps_the_order() {
    let place = directory();
    let mut store = open(place.path());
    let mut backlog = Backlog::new(2_000_000);
    let key = DeathKey { segment: 1, slot: 1, sequence: 1 };
    backlog.died(key, call("died"));
    let host = |second: u64| VitalsSample {
        unix_nanos: NOW + second * SECOND,
        entity: Entity::Host,
        values: vec![("load1", 1.0)],
    };
    (0..100).for_each(|second| backlog.vitals(host(second)));
    for number in 0..20_000 {
        backlog.record(RingEvent::Call(call(&format!("{number:05}"))));
        backlog.cursor(1, number);
        assert!(backlog.bytes() <= 2_000_000);
    }
    let evicted = backlog.take_evicted();
    assert!(evicted.records > 10_000 && evicted.vitals == 0, "{evicted:?}");
    assert_eq!(backlog.take_evicted(), Evicted::default());
    let mut batches = 0;
    while !backlog.is_empty() {
        // The last batch stores the position of the ring.
        assert_eq!(store.segment_cursor(1).unwrap(), None);
        store.write(&backlog.batch()).unwrap();
        backlog.stored();
        batches += 1;
    }
    assert_eq!((batches, backlog.bytes()), (1, 0));
    assert_eq!(store.segment_cursor(1).unwrap(), Some(19_999));
    let ids = all_request_ids(place.path());
    let first = evicted.records as usize;
    let wanted: Vec<_> =
        (first..20_000).map(|number| format!("{number:05}")).chain(["died".to_owned()]).collect();
    assert!(ids == wanted, "{} of {}", ids.len(), wanted.len());
    assert_eq!(reader(place.path()).vitals(0..u64::MAX, &[]).unwrap().len(), 100);
}
