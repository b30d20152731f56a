//! The store and `fork`: a child has a store of its own, whatever its parent was doing with its.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "store/forked.rs"]
mod forked;
#[path = "store/support.rs"]
#[allow(dead_code)]
mod support;

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::atomic::{AtomicBool, Ordering};

use forked::{ended_well, forked};
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

#[test]
fn children_forked_while_the_store_is_written_can_read_it() {
    let _alone = FORKS.lock();
    let place = directory();
    let stop = AtomicBool::new(false);
    let batch: Vec<_> = (0..20).map(|_| call("one")).collect();
    let mut store = open(place.path());
    write_calls(&mut store, &batch);
    let keeps = reader(place.path());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 1;
            while !stop.load(Ordering::Relaxed) {
                write_calls(&mut store, &batch);
                written += 1;
            }
            written
        });
        for round in 0..100 {
            let child = forked(|| {
                assert!(reader(place.path()).last_sequence().unwrap() >= 20);
                assert!(keeps.last_sequence().unwrap() >= 20);
            });
            assert!(ended_well(child), "child {round}");
        }
        stop.store(true, Ordering::Relaxed);
        let written = writer.join().unwrap();
        assert_eq!(keeps.last_sequence().unwrap(), 20 * written);
    });
}
