//! `soundpost erase`, and `prune` of postmortems.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use soundpost::binding::{Log, LogFields, event_builder};
use soundpost::read::store::Level;
use soundpost::sink::JsonLines;
use soundpost::{Outcome, Telemetry};

use crate::common::{Directory, SERVICE};
use crate::{MOMENT, call, kept};

/// Part of each value of the person.
const CANARY: &str = "Zq7canary";
const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns a service of this process that ships to a file of lines.
fn started(directory: &Directory, lines: &Path) -> Telemetry {
    Telemetry::builder(SERVICE)
        .directory(directory.path())
        .listen("off")
        .facade(false)
        .sink(JsonLines::new(lines).unwrap().rotate_bytes(2000).keep(1000))
        .start()
        .unwrap()
}

/// Records a call and a log event of a user.
fn record(telemetry: &Telemetry, user: &str, number: usize) {
    let call = telemetry.operation("synthesize").start();
    call.field("user", user);
    call.field("note", format!("{user} {}", user.repeat(number)));
    let log = Log {
        unix_nanos: None,
        level: Level::Warning,
        message: &format!("for {user}, request {number}"),
        logger: "tts",
        file: "",
        line: None,
        thread: "",
        request_id: call.request_id(),
        operation: "synthesize",
        fields: &LogFields::new(),
    };
    event_builder(telemetry).record(&log);
    call.finish();
}

/// Returns how often the canary is in the files of these directories. Another program reads them, because a process that
/// closes a file loses its locks of it.
fn canaries(directories: &[&Path]) -> usize {
    let found = Command::new("grep").args(["-rao", CANARY]).args(directories).output().unwrap();
    found.stdout.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn person_is_erased_everywhere_while_the_service_runs() {
    let directory = Directory::new();
    let lines = directory.path().join("logs/tts.jsonl");
    let telemetry = started(&directory, &lines);
    for number in 0..20 {
        record(&telemetry, CANARY, number);
        record(&telemetry, "other", number);
        // Files are rotated between batches.
        assert!(telemetry.flush(TIMEOUT));
    }
    let id = soundpost::read::store::Reader::open(telemetry.directory()).unwrap().unwrap();
    let id = id.calls(&Default::default()).unwrap().pop().unwrap().call.request_id;
    let postmortem = format!(
        r#"{{"time":"","unix_nanos":{MOMENT},"service":"speech","cause":"signal","exit_status":null,"signal":9,"program":null,"pid":1,"ran_seconds":1.5,"calls":[{{"request_id":"{id}","operation":"{CANARY}","labels":{{}},"duration_ms":1.0,"stage":null,"chunks":0,"audio_seconds":0.0,"pid":1}},{{"request_id":"other","operation":"kept","labels":{{}},"duration_ms":1.0,"stage":null,"chunks":0,"audio_seconds":0.0,"pid":1}}]}}"#
    );
    std::fs::write(telemetry.directory().join("postmortems.jsonl"), postmortem + "\n").unwrap();
    let service = soundpost::read::Service::find(directory.path(), SERVICE).unwrap().unwrap();
    let folders: Vec<&Path> = service.segment_directories().iter().map(|folder| &**folder).collect();
    let all = [&[directory.path()], &folders[..]].concat();
    // The rest waits for the sink and in the segment.
    record(&telemetry, CANARY, 20);
    assert!(canaries(&all) > 0);
    let who = format!("user={CANARY}");
    let found: Value =
        serde_json::from_str(&directory.run(&["erase", "--where", &who, "--json", "--dry-run"]).good())
            .unwrap();
    let text = directory.run(&["erase", "--where", &who, "--json"]).good();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&report["calls"], &report["log_events"], &report["postmortem_calls"]),
        (&21.into(), &21.into(), &1.into()),
        "{text}"
    );
    assert_eq!(
        (&found["calls"], &found["dry_run"], &report["pids"][0]),
        (&21.into(), &true.into(), &std::process::id().into())
    );
    let [erased, shipped] =
        [&report["lines"], &report["shipped"]["jsonl"]].map(|count| count.as_u64().unwrap());
    assert!((40..=42).contains(&erased) && (40..=42).contains(&shipped), "{text}");
    assert_eq!(report["files"], Value::from(vec![lines.to_str().unwrap()]));
    assert_eq!(canaries(&all), 0);
    // The service and its sink continue.
    record(&telemetry, "other", 20);
    assert!(telemetry.flush(TIMEOUT));
    let calls = directory.run(&["calls", "--json"]).good();
    assert_eq!((calls.lines().count(), calls.contains(CANARY)), (21, false));
    let scrape = telemetry.render();
    telemetry.shutdown(TIMEOUT);
    assert!(
        !scrape.contains("reason=\"damage\"} 1") && !scrape.contains("reason=\"retention\"} 1"),
        "{scrape}"
    );
    let kept: usize = lines
        .parent()
        .unwrap()
        .read_dir()
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().matches("\"other\"").count())
        .sum();
    assert_eq!((kept, canaries(&all)), (21, 0));
}

#[test]
fn request_is_erased_where_no_service_runs() {
    let directory = kept(&[call("req-1", Outcome::Ok, MOMENT), call("req-2", Outcome::Died, MOMENT)]);
    let lines = directory.path().join("old.jsonl");
    std::fs::write(
        &lines,
        "{\"time\":\"\",\"request_id\":\"req-1\"}\n{\"time\":\"\",\"request_id\":\"req-2\"}\nno JSON\n",
    )
    .unwrap();
    let text = directory.run(&["erase", "--request-id", "req-1", "--lines", lines.to_str().unwrap()]).good();
    assert_eq!(text, "1 calls and 0 log events erased; 0 calls in postmortems, 1 lines in 1 files\n");
    assert_eq!(
        std::fs::read_to_string(&lines).unwrap(),
        "{\"time\":\"\",\"request_id\":\"req-2\"}\nno JSON\n"
    );
    assert!(!directory.run(&["calls"]).good().contains("req-1"));
    let missing = directory.run(&["erase", "--where", "user=1", "--lines", "/nowhere/tts.jsonl"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(missing.out.contains("not erased: /nowhere/tts.jsonl: "), "{missing:?}");
    for wrong in
        [&["erase"][..], &["erase", "--where", "user"], &["erase", "--where", "a=1", "--request-id", "1"]]
    {
        assert_eq!(directory.run(wrong).status.code(), Some(2));
    }
}

#[test]
fn old_postmortems_are_pruned() {
    let directory = kept(&[]);
    let file = directory.path().join(SERVICE).join("postmortems.jsonl");
    let line = |unix_nanos: u64| format!("{{\"unix_nanos\":{unix_nanos},\"calls\":[]}}\n");
    let new = line(crate::unix_seconds() * crate::SECOND);
    std::fs::write(&file, line(MOMENT) + &new).unwrap();
    let text = directory.run(&["prune", "--older-than", "1h"]).good();
    assert!(text.contains(" and 1 postmortems deleted; "), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
}
