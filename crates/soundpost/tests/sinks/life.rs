//! Tests of the life cycle of sinks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use soundpost::Outcome;
use soundpost::sink::{Capture, Graylog, InfluxDb, Loki, Verdict};

use crate::common::{Directory, Ending, in_a_process, until};
use crate::state::{Scraped, id, record, service};
use soundpost_testkit::{Reply, Server};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(10);

#[test]
fn flushed_records_have_arrived() {
    let directory = Directory::new();
    let capture = Capture::new();
    let telemetry = service(&directory, "flushed").version("V23").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 5);
    telemetry.operation("synthesize").begin().start().end_with(Outcome::Oom, "", "CUDA out of memory");
    assert!(telemetry.flush(LONG));
    let lines = capture.lines();
    let ids: Vec<_> = lines[..5].iter().map(|line| id(line)).collect();
    assert_eq!(ids, ["r0", "r1", "r2", "r3", "r4"]);
    assert!(lines[5].contains("Audio generation failed") && lines[5].contains("CUDA out of memory"));
    assert!(lines[0].contains("\"service\":\"flushed\"") && lines[0].contains("\"version\":\"V23\""));
    let scraped = Scraped::of(&telemetry.render(), "capture");
    assert_eq!((scraped.delivered, scraped.pending, scraped.up), (6.0, 0.0, 1.0));
}

#[test]
fn backlog_of_a_version_is_shipped_as_that_version() {
    let directory = Directory::new();
    let refused = |_: &[String]| Verdict::Later { why: "connection refused".into(), retry_after: None };
    let down = Capture::new().longest_wait(SHORT).judged_by(refused);
    let first = service(&directory, "deployed").version("V1").instance("pod-1").sink(down).start().unwrap();
    record(&first, "old", 3);
    assert!(first.flush(LONG));
    first.shutdown(LONG);
    let capture = Capture::new();
    let build = service(&directory, "deployed").version("V2").instance("pod-2");
    let second = build.sink(capture.clone()).start().unwrap();
    let _ending = Ending(second.clone());
    record(&second, "new", 2);
    assert!(second.flush(LONG));
    let lines = capture.lines();
    assert_eq!(lines.len(), 5);
    for line in lines {
        let (version, instance) =
            if id(&line).starts_with("old") { ("V1", "pod-1") } else { ("V2", "pod-2") };
        assert!(line.contains(&format!("\"version\":\"{version}\"")), "{line}");
        assert!(line.contains(&format!("\"node_id\":\"{instance}\"")), "{line}");
    }
}

#[test]
fn sinks_do_not_wait_for_each_other() {
    let directory = Directory::new();
    let (quick, held) = (Capture::new(), Arc::new(AtomicBool::new(true)));
    let wait = held.clone();
    let slow = Capture::new().name("slow").judged_by(move |_| {
        until("it is let go", || !wait.load(Ordering::Acquire));
        Verdict::Taken
    });
    let telemetry = service(&directory, "two").sink(quick.clone()).sink(slow.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 3);
    until("the quick one has all", || quick.lines().len() == 3);
    assert_eq!(slow.lines().len(), 0);
    held.store(false, Ordering::Release);
    until("the slow one as well", || slow.lines().len() == 3);
}

#[test]
fn outage_is_logged_once_and_loses_nothing() {
    let directory = Directory::new();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let capture =
        Capture::new().longest_wait(SHORT).judged_by(move |_| match is_down.load(Ordering::Acquire) {
            true => Verdict::Later { why: "connection refused".into(), retry_after: None },
            false => Verdict::Taken,
        });
    let telemetry = service(&directory, "outage").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let notices = |what: &str| -> Vec<String> {
        let notices = telemetry.notices(0).into_iter().map(|notice| notice.message);
        notices.filter(|message| message.contains(what)).collect()
    };
    record(&telemetry, "a", 100);
    until("it is said that it is down", || !notices("is down").is_empty());
    let text = telemetry.render();
    let scraped = Scraped::of(&text, "capture");
    assert_eq!((scraped.accepted, scraped.pending, scraped.up), (100.0, 100.0, 0.0));
    assert!(text.contains("outage_unhealthy{reason=\"sink_down\"} 1"), "{text}");
    record(&telemetry, "b", 100);
    down.store(false, Ordering::Release);
    until("all of it arrived", || capture.lines().len() == 200);
    let ids: Vec<_> = capture.lines().iter().map(|line| id(line)).collect();
    let wanted: Vec<_> =
        ["a", "b"].iter().flat_map(|of| (0..100).map(move |index| format!("{of}{index}"))).collect();
    assert_eq!(ids, wanted);
    until("it is said that it is back", || !notices("back after").is_empty());
    until("the flag is down", || telemetry.render().contains("outage_unhealthy{reason=\"sink_down\"} 0"));
    assert_eq!(
        notices("is down"),
        ["sink capture (memory): is down: connection refused; 100 records wait for it in the store"]
    );
    assert_eq!(notices("back after").len(), 1);
}

#[test]
fn misconfigured_sink_keeps_all_records() {
    let directory = Directory::new();
    let server = Server::start(|_| Reply::said(404, "database not found: \"d\""));
    let url = format!("http://{}", server.address);
    let sink = InfluxDb::new(&url).unwrap().database("d").longest_wait(SHORT);
    let telemetry = service(&directory, "misconfigured").sink(sink).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 7);
    let flag = "misconfigured_unhealthy{reason=\"sink_misconfigured\"} 1";
    until("it is flagged", || telemetry.render().contains(flag));
    let scraped = Scraped::of(&telemetry.render(), "influxdb");
    assert_eq!((scraped.pending, scraped.rejected), (7.0, 0.0));
    let tries = server.requests();
    until("it is tried again", || server.requests() > tries + 2);
    let said = telemetry.notices(0).into_iter().filter(|notice| notice.message.contains("404 Not Found"));
    assert_eq!(said.count(), 1);
}

#[test]
fn proven_receiver_that_rejects_everything_is_misconfigured() {
    let directory = Directory::new();
    let moved = Arc::new(AtomicBool::new(false));
    let is_moved = moved.clone();
    let capture =
        Capture::new().longest_wait(SHORT).judged_by(move |_| match is_moved.load(Ordering::Acquire) {
            true => Verdict::Refused("this port wants TLS".into()),
            false => Verdict::Taken,
        });
    let telemetry = service(&directory, "moved").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "a", 100);
    until("it works", || Scraped::of(&telemetry.render(), "capture").delivered == 100.0);
    moved.store(true, Ordering::Release);
    record(&telemetry, "b", 2000);
    let flag = "moved_unhealthy{reason=\"sink_misconfigured\"} 1";
    until("it is flagged", || telemetry.render().contains(flag));
    assert_eq!(Scraped::of(&telemetry.render(), "capture").up, 0.0);
    moved.store(false, Ordering::Release);
    until("the rest arrived", || Scraped::of(&telemetry.render(), "capture").pending == 0.0);
    let scraped = Scraped::of(&telemetry.render(), "capture");
    assert_eq!((scraped.delivered, scraped.rejected), (2036.0, 64.0));
}

#[test]
fn rejected_records_do_not_fill_the_log() {
    let directory = Directory::new();
    let capture = Capture::new().judged_by(|lines| match lines {
        [line] if !id(line).ends_with('0') => Verdict::Taken,
        [line] => Verdict::Refused(format!("{} is not taken", id(line))),
        _ => Verdict::TooLarge("one at a time".into()),
    });
    let telemetry = service(&directory, "rejected").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 1000);
    until("all is settled", || {
        let scraped = Scraped::of(&telemetry.render(), "capture");
        (scraped.delivered, scraped.rejected) == (900.0, 100.0)
    });
    let said = || telemetry.notices(0).into_iter().map(|notice| notice.message);
    let rejected: Vec<_> = said().filter(|message| message.contains("rejected")).collect();
    assert_eq!(rejected, ["sink capture (memory): a record was rejected: r0 is not taken"]);
    let text = telemetry.render();
    assert!(text.contains("soundpost_errors_total{part=\"sink\"} 100"), "{text}");
}

#[test]
fn flush_does_not_wait_for_retry_after() {
    let directory = Directory::new();
    let tried = Arc::new(AtomicBool::new(false));
    let tries = tried.clone();
    let capture = Capture::new().judged_by(move |_| {
        tries.store(true, Ordering::Release);
        Verdict::Later { why: "busy".into(), retry_after: Some(Duration::from_secs(300)) }
    });
    let telemetry = service(&directory, "busy").sink(capture).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "a", 1);
    until("it was tried", || tried.load(Ordering::Acquire));
    let began = Instant::now();
    for _ in 0..3 {
        record(&telemetry, "b", 1);
        telemetry.flush(Duration::from_secs(30));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn partial_success_resets_the_backoff() {
    let directory = Directory::new();
    let requests = AtomicU32::new(0);
    // Without bulk, each record is a request, and every twentieth is throttled.
    let server = Server::start(move |_| match requests.fetch_add(1, Ordering::AcqRel) % 20 {
        19 => Reply::status(429),
        _ => Reply::status(202),
    });
    let telemetry = service(&directory, "some")
        .sink(Graylog::new(&format!("http://{}", server.address)).unwrap())
        .start()
        .unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 300);
    // With delays of up to 30 s, the delivery would take minutes.
    until("all of it arrived", || Scraped::of(&telemetry.render(), "graylog").delivered == 300.0);
}

#[test]
fn panic_delays_a_sink_by_less_than_a_second() {
    let directory = Directory::new();
    let times = Arc::new(AtomicU32::new(0));
    let panics = times.clone();
    let capture = Capture::new().judged_by(move |_| {
        if panics.fetch_add(1, Ordering::AcqRel) == 0 {
            // The slow panic hook is disabled.
            std::panic::resume_unwind(Box::new("on purpose"));
        }
        Verdict::Taken
    });
    let telemetry = service(&directory, "panic").sink(capture.clone()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 3);
    until("it panicked", || times.load(Ordering::Acquire) == 1);
    let panicked = Instant::now();
    until("it is back", || capture.lines().len() == 3);
    assert!(panicked.elapsed() < Duration::from_secs(1), "{:?}", panicked.elapsed());
    let text = telemetry.render();
    assert!(text.contains("soundpost_errors_total{part=\"sink\"} 1"), "{text}");
    until("that is noted", || Scraped::of(&telemetry.render(), "capture").delivered == 3.0);
}

#[test]
fn last_records_are_shipped_when_the_service_ends() {
    let directory = Directory::new();
    let capture = Capture::new();
    let telemetry = service(&directory, "ending").sink(capture.clone()).start().unwrap();
    record(&telemetry, "r", 3000);
    telemetry.shutdown(LONG);
    assert_eq!(capture.lines().len(), 3000);
}

/// The receivers are a server that accepts connections and never answers, and a missing one.
#[test]
fn shutdown_does_not_wait_for_failing_sinks() {
    let hangs = Server::start(|_| Reply::Hang);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (name, address) in [("hanging", hangs.address), ("gone", nobody)] {
        let directory = Directory::new();
        let telemetry = service(&directory, name)
            .sink(InfluxDb::new(&format!("http://{address}")).unwrap().database("d"))
            .sink(Loki::new(&format!("http://{address}")).unwrap())
            .sink(Graylog::new(&format!("http://{address}")).unwrap())
            .start()
            .unwrap();
        record(&telemetry, "r", 10);
        let began = Instant::now();
        telemetry.shutdown(Duration::from_secs(2));
        assert!(began.elapsed() < Duration::from_millis(2500), "{name}: {:?}", began.elapsed());
    }
}

#[test]
fn next_run_continues_at_the_cursor_of_the_last() {
    let directory = Directory::new();
    let down = Capture::new().judged_by(|_| Verdict::Later { why: "down".into(), retry_after: None });
    let telemetry = service(&directory, "runs").sink(down.clone()).start().unwrap();
    record(&telemetry, "a", 10);
    telemetry.shutdown(Duration::from_secs(2));
    assert!(down.lines().is_empty());
    let up = Capture::new();
    let telemetry = service(&directory, "runs").sink(up.clone()).start().unwrap();
    record(&telemetry, "b", 10);
    telemetry.shutdown(LONG);
    let ids: Vec<_> = up.lines().iter().map(|line| id(line)).collect();
    assert_eq!((ids.len(), ids[0].as_str(), ids[19].as_str()), (20, "a0", "b9"));
}

#[test]
fn invalid_options_are_reported_at_the_start() {
    let directory = Directory::new();
    let fault = |builder: soundpost::Builder| match builder.start() {
        Ok(_) => panic!("it started"),
        Err(error) => {
            assert!(error.is_config(), "{error}");
            error.to_string()
        }
    };
    let build = || service(&directory, "faulty");
    let influx = || InfluxDb::new("http://h").unwrap().database("d");
    let missing = directory.path().join("missing");
    let table = [
        (
            build().sink(influx()).sink(influx()),
            "sink influxdb: there are two of this name; set name= for one of them",
        ),
        (
            build().sink(influx().name("No Name")),
            "sink No Name: name: use 1 to 32 of a to z, 0 to 9, '_' and '-'",
        ),
        (build().sink(influx().batch(5001)), "sink influxdb: batch: use 1 to 5000 records"),
        (build().sink(influx().batch(0)), "sink influxdb: batch: use 1 to 5000 records"),
        (
            build().sink(InfluxDb::new("http://h").unwrap()),
            "sink influxdb: set a bucket (v2) or a database (v1)",
        ),
        (
            build().sink(influx().token_env("SOUNDPOST_TEST_UNSET")),
            "sink influxdb: token_env: the variable SOUNDPOST_TEST_UNSET is not set",
        ),
        (
            build().sink(influx()).store(false),
            "sinks: they ship what the store has, and there is to be no store",
        ),
        (
            build().sink(Graylog::new("udp://h").unwrap().bulk(true)),
            "sink graylog: bulk: only http and https have it, and not udp",
        ),
    ];
    for (builder, expected) in table {
        assert_eq!(fault(builder), expected);
    }
    for (builder, what) in [
        (build().sink(influx().token_file(&missing)), "sink influxdb: token_file: "),
        (build().sink(Loki::new("https://h").unwrap().ca_file(&missing)), "sink loki: ca_file: "),
    ] {
        let found = fault(builder);
        assert!(found.starts_with(what) && found.contains("No such file"), "{found}");
    }
}

/// A shorter version of `cargo run --release -p soundpost --features sinks --example sink_outage`.
#[test]
fn outage_loses_nothing_and_uses_no_memory() {
    in_a_process("life::outage_loses_nothing_and_uses_no_memory", || {
        let directory = Directory::new();
        let found = crate::outage::outage(directory.path(), 60_000, None);
        assert_eq!((found.arrived, found.repeated, found.lost), (60_000, 0, 0), "{found:?}");
        assert!(found.growth < 64 << 20, "{found:?}");
    });
}
