//! Tests of stored log events: the start event, and those of `tracing`.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::time::Duration;

use soundpost::{Builder, FieldValue, Telemetry};
use soundpost_store::{Reader, Record, RecordKinds};
use tracing_subscriber::prelude::*;

use common::{Directory, Ending};

/// Level, logger, message, fields.
type Event = (String, String, String, Vec<(String, FieldValue)>);

/// Returns the stored events.
fn events(telemetry: &Telemetry) -> Vec<Event> {
    assert!(telemetry.flush(Duration::from_secs(10)));
    let store = Reader::open(telemetry.directory()).unwrap().unwrap();
    let records = store.records(0, RecordKinds::LOGS, 1000).unwrap().records;
    let event = |record: Record| match record {
        Record::Event(row) => {
            let event = row.event;
            Some((event.level.name().to_owned(), event.logger, event.message, event.fields))
        }
        _ => None,
    };
    records.into_iter().filter_map(event).collect()
}

fn messages(telemetry: &Telemetry) -> Vec<String> {
    events(telemetry).into_iter().map(|(_, _, message, _)| message).collect()
}

fn builder(directory: &Path) -> Builder {
    Telemetry::builder("indextts2").directory(directory).listen(None).sample_interval(None).facade(false)
}

#[test]
fn start_is_recorded_with_version_and_commit() {
    let directory = Directory::new();
    let commit = "abc1234def";
    let telemetry = builder(directory.path()).version("V23").commit(commit).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let text = |text: &str| FieldValue::from(text);
    let fields = vec![("version".to_owned(), text("V23")), ("commit".to_owned(), text(commit))];
    let message = "Starting indextts2 V23 @ commit abc1234".to_owned();
    assert_eq!(events(&telemetry), [("info".to_owned(), "soundpost".to_owned(), message, fields)]);
}

#[test]
fn run_of_several_processes_has_one_start_event() {
    let directory = Directory::new();
    let start = || builder(directory.path()).commit("c").start().unwrap();
    let (first, second) = (start(), start());
    assert_eq!(messages(&first), ["Starting indextts2 @ commit c"]);
    first.shutdown(Duration::from_secs(2));
    second.shutdown(Duration::from_secs(2));
}

#[test]
fn next_run_records_another_start_event() {
    let directory = Directory::new();
    for run in 1..=2 {
        let telemetry = builder(directory.path()).commit("c").start().unwrap();
        assert_eq!(messages(&telemetry).len(), run);
        telemetry.shutdown(Duration::from_secs(2));
    }
    let quiet = builder(directory.path()).start_event(false).start().unwrap();
    let _ending = Ending(quiet.clone());
    assert_eq!(messages(&quiet).len(), 2);
}

#[test]
fn tracing_events_are_stored_except_those_of_the_reporter() {
    let directory = Directory::new();
    let telemetry = builder(directory.path()).start_event(false).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let layer = telemetry.layer().with_max_level(tracing::level_filters::LevelFilter::TRACE);
    // The subscriber applies to all threads, including the reporter's.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    for number in 0..100 {
        tracing::info!(target: "tts", number, "said");
        assert!(telemetry.flush(Duration::from_secs(10)));
    }
    let found = events(&telemetry);
    assert_eq!(found.len(), 100, "nothing but what was said: {found:?}");
    assert!(found.iter().all(|(_, logger, ..)| logger == "tts"));
}

/// Records a failed call with a text, and log events with its error within the call, after it and on another thread.
fn failed_call(directory: &Path, records_text: bool) -> (Telemetry, String) {
    let telemetry = builder(directory).start_event(false).record_text(records_text).start().unwrap();
    let text = "Das steht hier\nnur für \"Käthe\", sonst nirgends.";
    let error = std::io::Error::other(format!("cannot say {text:?}: no voice"));
    let subscriber = tracing_subscriber::registry().with(telemetry.layer());
    let dispatch = tracing::Dispatch::new(subscriber);
    tracing::dispatcher::with_default(&dispatch, || {
        let call = telemetry.operation("synthesize").start();
        call.field("text", text);
        call.in_scope(|| tracing::warn!("still on \"{}\"", &text[..40]));
        call.fail(&error);
        tracing::error!(error = &error as &dyn std::error::Error, "synthesis failed: {error}");
    });
    let message = format!("request failed\n  caused by: {error}");
    let log = || tracing::dispatcher::with_default(&dispatch, || tracing::error!("{message}"));
    std::thread::scope(|scope| scope.spawn(log).join().unwrap());
    assert!(telemetry.flush(Duration::from_secs(10)));
    let stored = Reader::open(telemetry.directory()).unwrap().unwrap();
    let calls = stored.calls(&soundpost_store::CallFilter::default()).unwrap();
    let all = format!("{:?} {:?}", calls, events(&telemetry));
    (telemetry, all)
}

#[test]
fn text_of_a_call_is_in_no_error_of_it() {
    let directory = Directory::new();
    let (telemetry, all) = failed_call(directory.path(), false);
    let _ending = Ending(telemetry.clone());
    assert!(["steht", "Käthe", "nirgends"].iter().all(|word| !all.contains(word)), "{all}");
    for part in ["\"cannot say \\\"[text of", "]\\\": no voice\"", "still on \\\"[text of", "request failed"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(telemetry.render().contains("soundpost_redactions_total{rule=\"text\"}"));
    let directory = Directory::new();
    let (telemetry, all) = failed_call(directory.path(), true);
    let _ending = Ending(telemetry);
    assert!(all.matches("nirgends").count() > 3, "{all}");
}
