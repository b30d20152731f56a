//! Tests of processes that are killed at each step of recording and reporting.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sink_kills::Receiver;
use soundpost_core::step;
use store_kills::{Process, begin, within_a_minute};

#[path = "common/sink_kills.rs"]
mod sink_kills;
#[path = "common/step_kills.rs"]
mod step_kills;
#[path = "common/store_kills.rs"]
mod store_kills;

/// Runs a role for another test; it does nothing by itself.
#[test]
fn killed_process() {
    sink_kills::play_role();
    store_kills::play_role();
}

#[test]
fn kill_at_any_step_loses_and_duplicates_nothing() {
    for (step, within) in step_kills::STEPS {
        let reporting = step::REPORTING.contains(&step);
        for round in 0..if reporting { 2 } else { 1 } {
            let kills = step_kills::kill_at(step, within, round);
            assert!(kills.returned > 0, "{step}: {kills:?}");
        }
    }
}

#[test]
fn kill_at_a_saved_cursor_repeats_at_most_a_batch() {
    const KILLS: u64 = 4;
    let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (root, receiver) in roots.iter().zip([Receiver::file(roots[0].path()), Receiver::loki()]) {
        let kills = sink_kills::kill(root.path(), &receiver, KILLS);
        assert!(kills.returned > 0 && kills.repeating == KILLS / 2, "{kills:?}");
    }
}

#[test]
fn unfreed_records_are_stored_once_after_a_failed_open() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    let mut former = Process::start_with(directory, "reporter", [(step::KILL_AT, "free:1".to_owned())]);
    former.reports(directory);
    let mut recorder = Process::start(directory, &begin(directory, 0));
    assert!(within_a_minute(|| former.0.try_wait().unwrap().is_some()), "it stored and frees");
    // The first records that the reporter stored may have been its own.
    assert!(within_a_minute(|| store_kills::returned(directory, 0).iter().sum::<u64>() > 0), "it records");
    recorder.kill();
    // The next process cannot open the store, because another file has its name.
    let store = directory.join("kills/store.sqlite");
    let away = directory.join("kills/away");
    std::fs::rename(&store, &away).unwrap();
    std::fs::create_dir(&store).unwrap();
    let telemetry = store_kills::telemetry(directory);
    let unwritable = r#"kills_unhealthy{reason="store_not_writable"} 1"#;
    assert!(within_a_minute(|| telemetry.render().contains(unwritable)));
    std::fs::remove_dir(&store).unwrap();
    std::fs::rename(&away, &store).unwrap();
    assert!(telemetry.recover(Duration::from_secs(60)));
    let mut ids: Vec<_> =
        store_kills::stored(telemetry.directory()).into_iter().map(|call| call.request_id).collect();
    let rows = ids.len();
    ids.sort();
    ids.dedup();
    assert!(rows > 0 && ids.len() == rows, "{} of {rows}", ids.len());
    telemetry.shutdown(Duration::from_secs(10));
}
