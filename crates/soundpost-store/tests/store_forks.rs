//! The store and `fork`: a child uses the store, also if it was forked during a use of its parent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "store/support.rs"]
#[allow(dead_code)]
mod support;

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use soundpost_store::{Batch, Reader};
use soundpost_testkit::{ended_well, forked};

use support::*;

/// Serializes forks, because a child of one test would hold the pipes of another.
static FORKS: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn notify(pipe: &mut PipeWriter) {
    pipe.write_all(b"x").unwrap();
}

fn wait_for(pipe: &mut PipeReader) {
    pipe.read_exact(&mut [0]).unwrap();
}

#[test]
fn another_program_keeps_records_of_a_dead_reporters_child() {
    let _alone = FORKS.lock();
    let place = directory();
    let (mut written, mut writes) = pipe().unwrap();
    let (mut goes_on, mut go_on) = pipe().unwrap();
    let reporter = forked(|| {
        let mut store = open(place.path());
        write_calls(&mut store, &[call("parent")]);
        forked(|| {
            // Its parent is dead when it writes.
            wait_for(&mut goes_on);
            write_calls(&mut store, &[call("first")]);
            notify(&mut writes);
            wait_for(&mut goes_on);
            write_calls(&mut store, &[call("second")]);
            notify(&mut writes);
        });
    });
    assert!(ended_well(reporter));
    notify(&mut go_on);
    wait_for(&mut written);
    // Acts as `sqlite3`, which checkpoints and removes the log if no other process has the file open.
    let read = || {
        let reading = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
        reading.query_row("SELECT count(*) FROM calls", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(read(), 2);
    notify(&mut go_on);
    wait_for(&mut written);
    assert_eq!(read(), 3);
}

/// Maximum delay of a fork while a write ends; after it the child has no store.
const FORK_TIMEOUT: Duration = Duration::from_millis(200);

#[test]
fn children_forked_during_writes_read_the_store() {
    let _alone = FORKS.lock();
    let place = directory();
    let stop = AtomicBool::new(false);
    let batch = recorded(&(0..20).map(|_| call("one")).collect::<Vec<_>>());
    let batch = Batch { records: &batch, ..Batch::default() };
    let mut store = open(place.path());
    store.write(&batch).unwrap();
    let keeps = reader(place.path());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 1;
            while !stop.load(Ordering::Relaxed) {
                match store.write(&batch) {
                    Ok(_) => written += 1,
                    // A child recovers the log meanwhile.
                    Err(error) => assert!(error.is_busy(), "{error}"),
                }
            }
            written
        });
        let failed = (0..100).find(|_| {
            let begun = Instant::now();
            let child = forked(|| {
                let waited = begun.elapsed();
                let opened = || Reader::open(place.path()).and_then(|reader| reader.unwrap().last_sequence());
                for looked in [opened(), keeps.last_sequence()] {
                    match looked {
                        Ok(last) => assert!(last >= 20),
                        Err(error) => assert!(error.is_io() && waited >= FORK_TIMEOUT, "{error}"),
                    }
                }
            });
            !ended_well(child)
        });
        stop.store(true, Ordering::Relaxed);
        let written = writer.join().unwrap();
        assert_eq!(failed, None, "the first child that did not end well");
        assert_eq!(keeps.last_sequence().unwrap(), 20 * written);
    });
}
