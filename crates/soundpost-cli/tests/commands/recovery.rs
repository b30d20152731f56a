//! Records that processes left in shared memory, where none reports.

use std::process::Command;

use crate::common::{Directory, Running, SERVICE, until};
use crate::unwatched;

/// Runs a process of the service that ends without a shutdown, before or after its records were stored.
fn left(script: &str) -> Directory {
    let directory = Directory::new();
    unwatched(&directory, script, "none").end();
    directory
}

fn calls(directory: &Directory) -> usize {
    directory.run(&["calls", "--json"]).good().lines().count()
}

#[test]
fn every_reading_command_recovers_ended_processes() {
    for (command, found) in [
        (&["calls"][..], "req-7d8e9f"),
        (&["postmortem"], "1 call in flight: synthesize req-7d8e9f"),
        (&["status"], "finished   synthesize: died 1, ok 2;"),
        (&["top"], "synthesize"),
        (&["vitals"], ""),
    ] {
        let directory = left("call call begin 0");
        let text = directory.run(command).good();
        assert!(text.contains(found), "{command:?}: {text}");
        let store = soundpost::read::store::Reader::open(&directory.path().join(SERVICE)).unwrap().unwrap();
        assert_eq!(store.calls(&Default::default()).unwrap().len(), 3, "{command:?}");
    }
}

#[test]
fn recovered_records_are_stored_once() {
    let directory = left("call begin kill");
    for _ in 0..3 {
        assert_eq!(calls(&directory), 2);
    }
    let text = directory.run(&["postmortem"]).good();
    for part in ["cause unknown: no agent watched", "in stage vocoder"] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    // The next start merges the totals, and stores nothing again.
    let mut service = unwatched(&directory, "call ready wait", "none");
    service.says("ready");
    until("its call is stored", || calls(&directory) >= 3);
    assert_eq!(calls(&directory), 3);
    let status = directory.run(&["status"]).good();
    assert!(status.contains("finished   synthesize: died 1, ok 2;"), "{status}");
    service.signal(nix::sys::signal::Signal::SIGKILL);
    service.end();
    assert_eq!(calls(&directory), 3);
}

#[test]
fn recovery_obeys_a_service_without_store() {
    let directory = Directory::new();
    let mut service = Command::new("sh");
    service.args(["-c", &directory.service("call 0")]).env("SOUNDPOST_DIRECTORY", directory.path());
    service.env("SOUNDPOST_STORE", "false").env_remove("SOUNDPOST_SERVICE");
    assert!(service.output().unwrap().status.success());
    assert_eq!(calls(&directory), 0);
    assert!(!directory.path().join(SERVICE).join("store.sqlite").exists());
}

#[test]
fn recovery_leaves_a_damaged_store_unchanged() {
    let directory = left("call 0");
    let file = directory.path().join(SERVICE).join("store.sqlite");
    std::fs::write(&file, "this is no database, whatever its name says").unwrap();
    assert_eq!(directory.run(&["calls"]).status.code(), Some(1));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("this is"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(calls(&directory), 1);
}

#[test]
fn concurrent_readers_recover_once() {
    let directory = left("call call call call begin begin kill");
    let programs = [(); 4].map(|()| Running::start(directory.program(&["calls", "--json"])));
    for program in programs {
        assert_eq!(program.end().good().lines().count(), 6);
    }
}
