//! `soundpost logs`, and commands that follow the store.

use nix::sys::signal::Signal;
use soundpost::FieldValue;
use soundpost::read::store::{Level, Limits, LogEvent, Store};
use soundpost_store::{Batch, RingEvent};

use crate::common::{Directory, Running, SERVICE};
use crate::{MOMENT, SECOND, kept, unwatched};

fn event(second: u64, level: Level, logger: &str, message: &str) -> LogEvent {
    let (logger, message) = (logger.to_owned(), message.to_owned());
    LogEvent { unix_nanos: MOMENT + second * SECOND, level, logger, message, pid: 77, ..LogEvent::default() }
}

fn some() -> Directory {
    let directory = kept(&[]);
    let text = |text: &str| FieldValue::Text(text.to_owned());
    let trace = "Traceback (most recent call last):\n  File \"app.py\", line 3\nKeyError: 'anna'";
    let events = [
        LogEvent {
            origin: Some(crate::origin()),
            fields: vec![("voices".to_owned(), FieldValue::Int(3))],
            ..event(0, Level::Debug, "tts.cache", "loaded")
        },
        event(1, Level::Info, "tts", "two\nlines \x1b[2J"),
        LogEvent { request_id: "req-1".to_owned(), ..event(2, Level::Warning, "tts::engine", "slow") },
        LogEvent {
            request_id: "0123456789abcdef0123456789abcdef".to_owned(),
            fields: vec![("voice".to_owned(), text("anna b")), ("traceback".to_owned(), text(trace))],
            ..event(3, Level::Error, "ttsx", "no voice")
        },
        event(4, Level::Critical, "", "out of memory"),
    ];
    let (mut store, _) = Store::open(&directory.path().join(SERVICE), Limits::default()).unwrap();
    let records = events.map(RingEvent::Log);
    store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    directory
}

#[test]
fn log_events_are_shown_as_text() {
    insta::assert_snapshot!(some().run(&["logs"]).good(), @r#"
    2026-01-02 03:04:05.000  DEBUG     tts.cache  loaded  voices=3
    2026-01-02 03:04:06.000  INFO      tts  two
        lines �[2J
    2026-01-02 03:04:07.000  WARNING   tts::engine  req-1  slow
    2026-01-02 03:04:08.000  ERROR     ttsx  0123456789abcdef0123456789abcdef  no voice  voice="anna b"
        Traceback (most recent call last):
          File "app.py", line 3
        KeyError: 'anna'
    2026-01-02 03:04:09.000  CRITICAL  out of memory
    "#);
}

#[test]
fn log_events_are_filtered_by_each_option() {
    let directory = some();
    let found = |filter: &[&str]| {
        let arguments: Vec<&str> = ["logs", "--json"].iter().chain(filter).copied().collect();
        let text = directory.run(&arguments).good();
        let seconds = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["time"].as_str().unwrap()[18..19].to_owned()
        });
        seconds.collect::<String>()
    };
    assert_eq!(found(&[]), "56789");
    assert_eq!(found(&["--level", "warning"]), "789");
    assert_eq!(found(&["--level", "ERROR"]), "89");
    assert_eq!(found(&["--grep", "^(slow|out of)"]), "79");
    assert_eq!(found(&["--grep", "KeyError: .anna"]), "8", "in a field");
    assert_eq!(found(&["--grep", "(?i)NO VOICE"]), "8");
    assert_eq!(found(&["--logger", "tts"]), "567", "and those below it");
    assert_eq!(found(&["--logger", "tts::engine"]), "7");
    assert_eq!(found(&["--logger", "%"]), "");
    assert_eq!(found(&["--request-id", "req-1"]), "7");
    assert_eq!(found(&["--request-id", "0123456789abcdef0123456789abcdef"]), "8");
    assert_eq!(found(&["--since", "2026-01-02 03:04:06", "--until", "2026-01-02 03:04:08"]), "67");
    assert_eq!(found(&["--last", "1s"]), "");
    assert_eq!(found(&["--limit", "2"]), "89", "the last ones");
    assert_eq!(found(&["--limit", "2", "--grep", "o"]), "89");
    assert_eq!(directory.run(&["logs", "--last", "1s"]).err, "soundpost: no log event matches\n");
    assert_eq!(directory.run(&["logs", "--csv", "--level", "critical"]).good().lines().count(), 2);
    for wrong in [&["--grep", "("][..], &["--level", "loud"], &["--follow", "--until", "1h"]] {
        let arguments: Vec<&str> = ["logs"].iter().chain(wrong).copied().collect();
        assert_eq!(directory.run(&arguments).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn event_as_json_has_its_present_values() {
    let text = some().run(&["logs", "--json", "--limit", "5"]).good();
    let lines: Vec<&str> = text.lines().collect();
    let expected = r#"{"time":"2026-01-02T03:04:05.000Z","level":"debug","message":"loaded","logger":"tts.cache","fields":{"voices":3},"pid":77,"version":"V23","instance":"gpu-7"}"#;
    assert_eq!(lines[0], expected);
    assert!(lines[2].contains(r#""request_id":"req-1""#), "{}", lines[2]);
}

#[test]
fn paged_events_appear_once_in_order() {
    let directory = kept(&[]);
    let records: Vec<_> =
        (0..5_001).map(|n| RingEvent::Log(event(n % 7, Level::Info, "", &n.to_string()))).collect();
    let (mut store, _) = Store::open(&directory.path().join(SERVICE), Limits::default()).unwrap();
    store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    let messages = |arguments: &[&str]| {
        let done = directory.run(arguments);
        let message = |line: &str| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
        (done.out.lines().map(message).collect::<Vec<_>>(), done.err)
    };
    assert_eq!(messages(&["logs", "--limit", "0"]).0, (0..5_001).collect::<Vec<_>>());
    assert_eq!(messages(&["logs", "--limit", "4500"]).0, (501..5_001).collect::<Vec<_>>());
    let (last, note) = messages(&["logs"]);
    assert_eq!(last, (4_901..5_001).collect::<Vec<_>>());
    assert!(note.contains("--limit 0 shows all"), "{note}");
}

#[test]
fn followed_events_and_calls_are_shown_as_they_come() {
    let directory = kept(&[]);
    let mut logs = Running::start(directory.program(&["logs", "--follow", "--json", "--grep", "^Starting"]));
    let mut calls = Running::start(directory.program(&["calls", "-f", "--csv"]));
    let mut failed = Running::start(directory.program(&["calls", "-f", "--outcome", "died"]));
    calls.says("time,operation");
    let mut service = unwatched(&directory, "call begin ready wait", "none");
    service.says("ready");
    assert!(logs.says("{").contains(r#""message":"Starting speech V23""#));
    assert!(calls.says("20").contains(",synthesize,success,ok,"));
    // Without a reporter, the follower stores what the process left.
    service.signal(Signal::SIGKILL);
    service.end();
    assert!(failed.says("20").contains("in stage vocoder"));
    for follower in [logs, calls, failed] {
        follower.signal(Signal::SIGTERM);
        let done = follower.end();
        assert!(
            done.out.matches("Starting").count().max(done.out.matches("req-7d8e9f").count()) <= 1,
            "{done:#?}"
        );
    }
}

#[test]
fn follower_ends_when_its_output_is_closed() {
    let directory = kept(&[]);
    let mut program = directory.program(&["logs", "--follow"]);
    let mut child = program.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn follower_continues_when_the_store_is_replaced() {
    let directory = kept(&[]);
    let file = directory.path().join(SERVICE).join("store.sqlite");
    let stored = |second: u64| {
        let (mut store, _) = Store::open(&directory.path().join(SERVICE), Limits::default()).unwrap();
        let records = [RingEvent::Log(event(second, Level::Info, "", ""))];
        store.write(&Batch { records: &records, ..Batch::default() }).unwrap();
    };
    stored(0);
    let mut logs = Running::start(directory.program(&["logs", "--follow"]));
    logs.says("2026-01-02 03:04:05");
    std::fs::remove_file(&file).unwrap();
    stored(1);
    logs.says("2026-01-02 03:04:06");
    std::fs::write(&file, "no database").unwrap();
    logs.warns("soundpost: ");
    std::fs::remove_file(&file).unwrap();
    stored(2);
    logs.says("2026-01-02 03:04:07");
    logs.signal(Signal::SIGTERM);
    assert_eq!(logs.end().err.lines().count(), 1);
}
