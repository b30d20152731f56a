//! The store and `fork`: a child has a store of its own, whatever its parent was doing with its.
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

/// Forks are one at a time: a child of a test must not hold another's pipes.
static FORKS: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn say(pipe: &mut PipeWriter) {
    pipe.write_all(b"x").unwrap();
}

fn hear(pipe: &mut PipeReader) {
    pipe.read_exact(&mut [0]).unwrap();
}

#[test]
fn what_the_child_of_a_dead_reporter_stores_is_not_lost_to_a_program_that_looks() {
    let _alone = FORKS.lock();
    let place = directory();
    let (mut written, mut writes) = pipe().unwrap();
    let (mut goes_on, mut go_on) = pipe().unwrap();
    let reporter = forked(|| {
        let mut store = open(place.path());
        write_calls(&mut store, &[call("parent")]);
        forked(|| {
            // Its parent is dead by the time it stores something.
            hear(&mut goes_on);
            write_calls(&mut store, &[call("first")]);
            say(&mut writes);
            hear(&mut goes_on);
            write_calls(&mut store, &[call("second")]);
            say(&mut writes);
        });
    });
    assert!(ended_well(reporter));
    say(&mut go_on);
    hear(&mut written);
    // As `sqlite3` does, which brings the log into the file and removes it if nobody else has the file open.
    let look = || {
        let looking = rusqlite::Connection::open(place.path().join("store.sqlite")).unwrap();
        looking.query_row("SELECT count(*) FROM calls", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(look(), 2);
    say(&mut go_on);
    hear(&mut written);
    assert_eq!(look(), 3);
}

/// A fork waits so long for a write to end; the child of one that did not end has no store.
const PATIENCE: Duration = Duration::from_millis(200);

#[test]
fn children_forked_while_the_store_is_written_can_read_it() {
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
                    // A child looks through the log, and something else has the processor.
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
                        Err(error) => assert!(error.is_io() && waited >= PATIENCE, "{error}"),
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
