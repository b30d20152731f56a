//! Processes that kill themselves at a named step of recording or reporting, and the state of the store then. Requires
//! the feature `kill-steps`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use soundpost_core::step;

use super::store_kills::{Kills, Process, begin, check, millis_below, returned, within_a_minute};

/// Steps of a service without sinks, and the maximum number of passes before a process is killed.
pub const STEPS: [(&str, u64); 9] = [
    ("reserve", 8000),
    ("write", 100_000),
    ("commit", 8000),
    ("drain", 4000),
    ("store-commit", 12),
    ("cursor-save", 8),
    ("free", 12),
    ("fold", 2),
    ("unlink", 2),
];

/// Runs processes that kill themselves at a random pass of `step`, and checks what the next one recovers. Every other
/// process only reports for one that continues to record.
pub fn kill_at(step: &str, within: u64, round: u64) -> Kills {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    // This process leaves records to be recovered.
    let mut former = Process::start(directory, &begin(directory, 0));
    let reports = !step::RECORDING.contains(&step) && round % 2 == 1;
    assert!(within_a_minute(|| returned(directory, 0).iter().sum::<u64>() > 0), "it records");
    std::thread::sleep(millis_below(40));
    former.kill();
    let times = 1 + getrandom::u64().unwrap() % within;
    let at = [(step::KILL_AT, format!("{step}:{times}"))];
    let name = begin(directory, 1);
    if reports {
        let mut reporter = Process::start_with(directory, "reporter", at);
        reporter.reports(directory);
        let mut recorder = Process::start(directory, &name);
        ends(directory, &mut reporter, step, times);
        std::thread::sleep(millis_below(20));
        recorder.kill();
    } else {
        ends(directory, &mut Process::start_with(directory, &name, at), step, times);
    }
    let mut kills =
        Kills { recorders: 1 + u64::from(!reports), reporters: u64::from(reports), ..Kills::default() };
    check(directory, 2, &mut kills);
    kills
}

/// Describes the state for a failure message.
fn files(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().unwrap().chain(directory.join("kills").read_dir().unwrap());
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Waits until the process has killed itself.
pub fn ends(directory: &Path, process: &mut Process, step: &str, times: u64) {
    let mut status = None;
    let ended = within_a_minute(|| {
        status = process.0.try_wait().unwrap();
        status.is_some()
    });
    assert!(ended, "{step} was not reached {times} times, {}: {:?}", directory.display(), files(directory));
    let status = status.unwrap();
    assert_eq!(status.signal(), Some(9), "{step}:{times}: {status}");
}
