//! No space, or nothing may be written: an error that says so, nothing half written, and recovery by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use soundpost_store::{Backlog, Batch, DeathKey, Dropped, Entity, Limits, RingEvent, Store, VitalsSample};

use super::support::*;

/// Runs a test in a process of its own, because it limits what the process may do.
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

/// Lets files of this process grow to so many bytes; writes beyond fail, without a signal.
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
fn a_full_disk() {
    in_a_process("full::a_full_disk", || {
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
            // What is there is all there and nothing else: whole batches, with their cursor.
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
fn a_full_disk_at_the_start() {
    in_a_process("full::a_full_disk_at_the_start", || {
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
fn a_read_only_directory() {
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
        assert_eq!(all_request_ids(place.path()), ["a"], "it can be read all the same");
    }
    mode(place.path(), 0o700);
    mode(&file, 0o600);
    write_calls(&mut open(place.path()), &[call("b")]);
    assert_eq!(all_request_ids(place.path()), ["a", "b"]);
}

/// Somebody with `sqlite3` in the middle of a write: the store says so and goes on afterwards.
#[test]
fn a_file_that_is_held() {
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
fn what_waits_is_bounded_and_comes_in_order() {
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
    let dropped = backlog.take_dropped();
    assert!(dropped.records > 10_000 && dropped.vitals == 0, "{dropped:?}");
    assert_eq!(backlog.take_dropped(), Dropped::default());
    let mut batches = 0;
    while !backlog.is_empty() {
        // Only when all is stored is the ring's position.
        assert_eq!(store.segment_cursor(1).unwrap(), None);
        store.write(&backlog.batch()).unwrap();
        backlog.stored();
        batches += 1;
    }
    assert_eq!((batches, backlog.bytes()), (1, 0));
    assert_eq!(store.segment_cursor(1).unwrap(), Some(19_999));
    let ids = all_request_ids(place.path());
    let first = dropped.records as usize;
    let wanted: Vec<_> =
        (first..20_000).map(|number| format!("{number:05}")).chain(["died".to_owned()]).collect();
    assert!(ids == wanted, "{} of {}", ids.len(), wanted.len());
    assert_eq!(reader(place.path()).vitals(0..u64::MAX, &[]).unwrap().len(), 100);
}
