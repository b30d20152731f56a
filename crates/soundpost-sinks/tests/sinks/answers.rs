//! Tests of the delivery results of all servers' replies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use soundpost_sinks::kinds::{Loki, Verdict};
use soundpost_sinks::{Answer, Step};
use soundpost_store::Rejected;
use soundpost_testkit::{Reply, Server};

use crate::receiver::{Kind, calls, deliver, on_a_runtime, opened, send};

/// Starts a server that rejects requests with one of these ids. Returns the accepted ids as well.
fn refusing(kind: Kind, bad: &[&str]) -> (Server, Arc<Mutex<Vec<String>>>) {
    let has = Arc::new(Mutex::new(Vec::new()));
    let (taken, bad): (_, BTreeSet<String>) = (has.clone(), bad.iter().map(|id| (*id).to_owned()).collect());
    let server = Server::start(move |request| {
        let ids = kind.ids(request);
        if ids.iter().any(|id| bad.contains(id)) {
            return Reply::said(400, "a record is bad");
        }
        taken.lock().unwrap().extend(ids);
        Reply::status(204)
    });
    (server, has)
}

#[test]
fn only_the_bad_record_in_a_thousand_is_rejected() {
    // `delivery/bisect/tests.rs` tests every position without a server.
    for kind in Kind::ALL {
        for position in [0, 1, 499, 500, 997, 999] {
            let (server, has) = refusing(kind, &[&format!("r{position}")]);
            let records = calls(1000);
            let delivery = on_a_runtime(async {
                let mut transport = opened(kind.sink(&server));
                deliver(transport.as_mut(), &records).await
            });
            let wanted: Vec<_> = (0..1000).filter(|id| *id != position).map(|id| format!("r{id}")).collect();
            assert_eq!(*has.lock().unwrap(), wanted, "{kind:?}");
            assert_eq!(delivery.rejected(), Rejected { refused: 1, ..Rejected::default() });
            let most = match kind {
                Kind::Gelf => 1000,
                // As many records as fit into each body, and the records of one body again.
                Kind::GelfBulk => 30,
                _ => 21,
            };
            assert!(server.requests() <= most, "{kind:?}: {} requests", server.requests());
            assert_eq!(server.connections(), 1);
        }
    }
}

/// A form of `Retry-After`, computed when it is sent, and the requested seconds.
type Form = (fn() -> Option<String>, Option<u64>);

fn date(seconds: u64) -> Option<String> {
    Some(httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds)))
}

fn forms() -> Vec<Form> {
    vec![
        (|| None, None),
        (|| Some("17".into()), Some(17)),
        (|| Some("0".into()), Some(0)),
        (|| Some("86400".into()), Some(300)),
        (|| date(60), Some(60)),
        (|| date(86_400), Some(300)),
        (|| Some("Sun, 06 Nov 1994 08:49:37 GMT".into()), None),
        (|| Some("soon".into()), None),
        (|| Some("-5".into()), None),
    ]
}

#[test]
fn every_status_has_its_documented_meaning() {
    for kind in [Kind::Influx, Kind::Loki, Kind::Gelf] {
        let next = Arc::new(Mutex::new((200, None)));
        let say = next.clone();
        let server = Server::start(move |_| {
            let (status, retry_after): (u16, Option<String>) = say.lock().unwrap().clone();
            let headers = retry_after.map(|value| ("Retry-After".to_owned(), value));
            Reply::Say(status, headers.into_iter().collect(), String::new())
        });
        on_a_runtime(async {
            let mut transport = opened(kind.sink(&server));
            let records = calls(2);
            for status in 200..600 {
                for (form, asked) in forms() {
                    let began = Instant::now();
                    *next.lock().unwrap() = (status, form());
                    let answer = send(transport.as_mut(), &records[..1]).await;
                    check(kind, status, asked, began.elapsed(), &answer);
                }
            }
            // The connection was kept.
            assert!(server.connections() <= 2, "{} connections", server.connections());
        });
    }
}

/// Checks an answer; `passed` is the time since the form was made. A date has whole seconds.
fn check(kind: Kind, status: u16, asked: Option<u64>, passed: Duration, answer: &Answer) {
    let about = format!("{kind:?} {status} {asked:?}: {answer:?}");
    match (&answer.rest, status) {
        (Verdict::Misconfigured(_), 260) if kind == Kind::Loki => {}
        (Verdict::Taken, 200 | 201 | 202 | 204) => assert_eq!(answer.settled, 1, "{about}"),
        (Verdict::Refused(_), 400 | 422) | (Verdict::TooLarge(_), 413) => {}
        (Verdict::Later { retry_after, .. }, 408 | 425 | 429 | 500..=599) => {
            let asked = asked.map(Duration::from_secs);
            let near = match (*retry_after, asked) {
                (Some(found), Some(asked)) => {
                    (asked.saturating_sub(Duration::from_secs(1) + passed)..=asked).contains(&found)
                }
                (found, asked) => found == asked,
            };
            assert!(near, "{about}");
        }
        (Verdict::Misconfigured(_), 203 | 205..=499) => assert_eq!(answer.settled, 0, "{about}"),
        _ => panic!("{about}"),
    }
}

#[test]
fn only_a_successful_reply_is_success() {
    let page = "<!doctype html><title>Sign in</title>";
    let long = "x".repeat(10_000);
    let table = [
        (200, "", true),
        (200, "{}", true),
        (200, " ok\n", true),
        (200, "{\"status\":\"success\"}", true),
        (202, "", true),
        (200, page, false),
        (200, &long, false),
        (200, "{\"error\":\"database is read-only\"}", false),
        (201, "{\"error\":\"partial write\"}", false),
        (202, page, false),
        (206, "", false),
        (260, "", false),
    ];
    for (kind, (status, said, expected)) in
        Kind::ALL.into_iter().flat_map(|kind| table.map(|row| (kind, row)))
    {
        let text = said.to_owned();
        let server = Server::start(move |_| Reply::said(status, &text));
        let answer = on_a_runtime(async { send(opened(kind.sink(&server)).as_mut(), &calls(1)).await });
        match answer.rest {
            Verdict::Taken => assert!(expected, "{kind:?} {status} {said}"),
            Verdict::Misconfigured(why) => assert!(!expected && why.contains(&status.to_string()), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(answer.settled, usize::from(expected));
    }
}

#[test]
fn redirect_is_not_followed() {
    let elsewhere = Server::start(|_| Reply::status(204));
    let target = format!("http://{}/", elsewhere.address);
    let server =
        Server::start(move |_| Reply::Say(307, vec![("Location".into(), target.clone())], String::new()));
    on_a_runtime(async {
        let mut transport = opened(Kind::Influx.sink(&server));
        let answer = send(transport.as_mut(), &calls(3)).await;
        assert!(matches!(answer.rest, Verdict::Misconfigured(_)), "{answer:?}");
    });
    assert_eq!((server.requests(), elsewhere.requests()), (1, 0));
}

#[test]
fn server_that_does_not_answer_is_retried() {
    let sink = |server: &Server| {
        let url = format!("http://{}?timeout=0.2&database=d", server.address);
        soundpost_sinks::kinds::InfluxDb::new(&url).unwrap()
    };
    on_a_runtime(async {
        let hangs = Server::start(|_| Reply::Hang);
        let cuts = Server::start(|_| Reply::Cut);
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody =
            soundpost_sinks::kinds::InfluxDb::new(&format!("http://{closed}")).unwrap().database("d");
        for mut transport in [opened(sink(&hangs)), opened(sink(&cuts)), opened(nobody)] {
            let answer = send(transport.as_mut(), &calls(3)).await;
            assert!(matches!(answer, Answer { settled: 0, rest: Verdict::Later { .. }, .. }), "{answer:?}");
        }
    });
}

#[test]
fn broken_connection_is_reopened() {
    let server = Server::start(|_| Reply::status(204));
    on_a_runtime(async {
        let mut transport = opened(Kind::Influx.sink(&server));
        for _ in 0..3 {
            assert_eq!(send(transport.as_mut(), &calls(1)).await.rest, Verdict::Taken);
            server.break_connections();
        }
    });
    assert_eq!(server.connections(), 3);
}

#[test]
fn loki_without_structured_metadata_gets_logfmt() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let (kept, refusals) = (bodies.clone(), Arc::new(Mutex::new(0)));
    let refused = refusals.clone();
    let server = Server::start(move |request| {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let raw = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
        let raw = String::from_utf8_lossy(&raw).into_owned();
        if !raw.contains("request_id=r0") {
            *refused.lock().unwrap() += 1;
            return Reply::said(
                400,
                "stream '{job=\"x\"}' includes structured metadata, but this feature is disallowed. Please see \
                 `limits_config.structured_metadata` or contact your Loki administrator to enable it.",
            );
        }
        kept.lock().unwrap().push(text);
        Reply::status(204)
    });
    on_a_runtime(async {
        let mut transport = opened(Kind::Loki.sink(&server));
        for _ in 0..2 {
            assert_eq!(send(transport.as_mut(), &calls(1)).await, Answer::taken(1, Default::default()));
        }
    });
    // Metadata was sent only once.
    assert_eq!((*refusals.lock().unwrap(), bodies.lock().unwrap().len()), (1, 2));
}

#[test]
fn entries_ignored_by_loki_are_counted_without_a_retry() {
    // The total follows a line for each entry.
    let each = "entry with timestamp 2026-01-02 03:04:05 ignored, reason: 'entry too far behind',\n";
    let said = each.repeat(20) + "user 'fake', total ignored: 3 out of 10 for stream: {job=\"cosyvoice3\"}";
    let server = Server::start(move |_| Reply::said(400, &said));
    on_a_runtime(async {
        let mut transport = opened(Kind::Loki.sink(&server));
        let answer = send(transport.as_mut(), &calls(10)).await;
        assert_eq!((answer.settled, answer.rejected.refused), (10, 3));
        // A total of another number of entries does not cover the batch.
        let answer = send(transport.as_mut(), &calls(9)).await;
        assert_eq!((answer.settled, answer.rejected.refused), (0, 0));
        let Verdict::Faulty(shown) = answer.rest else { panic!("{answer:?}") };
        assert!(shown.contains("too far behind") && shown.len() < 600, "{shown}");
    });
}

#[test]
fn messages_on_records_differ_from_those_on_requests() {
    const OLD: &str = "entry for stream '{job=\"x; 3 errors like: y\"}' has timestamp too old: 2026-11-12T17:13:47Z, \
                       oldest acceptable timestamp is: 2026-11-13T17:13:47Z";
    const NEW: &str = "entry for stream '{job=\"x\"}' has timestamp too new: 2026-11-20T18:13:47Z";
    let groups = format!("2 errors like: {OLD}; {NEW}; 3 errors like: {OLD}");
    let (many, too_many) = (format!("11 errors like: {OLD}"), format!("{OLD}; ").repeat(40));
    let conflict = "{\"error\":\"partial write: field type conflict: input field \\\"d\\\" on measurement \\\"c\\\" is \
                    type float, already exists as type integer dropped=2\"}";
    let old = "{\"code\":\"unprocessable entity\",\"message\":\"failure writing points to database: partial write: points \
               beyond retention policy dropped=4\"}";
    let of_v3 = "{\"error\":\"partial write of line protocol occurred\",\"data\":[{\"line_number\":2}]}";
    // The number of settled records of ten, if the message is about records.
    let table = [
        (Kind::Influx, 400, conflict, Some(0)),
        (Kind::Influx, 422, old, Some(10)),
        (Kind::Influx, 400, of_v3, Some(0)),
        (Kind::Influx, 400, "{\"error\":\"unable to parse 'x': missing fields\"}", Some(0)),
        (Kind::Influx, 400, "{\"error\":\"field type conflict\"}", Some(0)),
        (Kind::Influx, 400, "Client sent an HTTP request to an HTTPS server.", None),
        (Kind::Influx, 400, OLD, None),
        (Kind::Loki, 400, OLD, Some(10)),
        (Kind::LokiJson, 400, NEW, Some(10)),
        (Kind::Loki, 400, &groups, Some(10)),
        (Kind::Loki, 400, &many, Some(0)),
        (Kind::Loki, 400, &too_many, Some(0)),
        (Kind::Loki, 400, "max entry size '262144' bytes exceeded for stream '{job=\"x\"}'", Some(0)),
        (Kind::Loki, 400, "entry for stream '{job=\"x\"}' has 21 label names; limit 15", None),
        (Kind::Loki, 400, "couldn't parse push request", None),
        (Kind::Loki, 400, conflict, None),
    ];
    for (kind, status, said, expected) in table {
        let text = said.to_owned();
        let server = Server::start(move |_| Reply::said(status, &text));
        let answer = on_a_runtime(async { send(opened(kind.sink(&server)).as_mut(), &calls(10)).await });
        let settled = matches!(answer.rest, Verdict::Faulty(_)).then_some(answer.settled);
        assert_eq!(settled, expected, "{kind:?} {said}: {answer:?}");
        let rejected = match said {
            _ if settled.unwrap_or_default() == 0 => 0,
            _ if said == groups => 6,
            _ if said == old => 4,
            _ => 1,
        };
        assert_eq!(answer.rejected, Rejected { refused: rejected, ..Rejected::default() }, "{said}");
        assert!(matches!(answer.rest, Verdict::Faulty(_) | Verdict::Refused(_)), "{answer:?}");
    }
}

#[test]
fn requests_have_identifying_headers() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let server = Server::start(move |request| {
        let header = |name| request.header(name).to_owned();
        let wanted =
            ["content-type", "content-encoding", "authorization", "x-scope-orgid", "user-agent", "host"];
        keep.lock().unwrap().push((request.target.clone(), wanted.map(header)));
        Reply::status(204)
    });
    let url = format!("http://{}/prefix", server.address);
    let influx = || soundpost_sinks::kinds::InfluxDb::new(&url).unwrap();
    let sinks: Vec<soundpost_sinks::Sink> = vec![
        influx().org("my org").bucket("b&c").token("t0ken").into(),
        influx().database("d").retention_policy("week").user("user").password("pass").into(),
        influx().database("d").api(soundpost_sinks::kinds::InfluxApi::V3).token("t0ken").into(),
        Loki::new(&url).unwrap().tenant("speech").token("t0ken").into(),
        soundpost_sinks::kinds::Graylog::new(&url).unwrap().into(),
    ];
    on_a_runtime(async {
        for sink in sinks {
            let _ = send(opened(sink).as_mut(), &calls(1)).await;
        }
    });
    let host = server.address.to_string();
    let agent = concat!("soundpost/", env!("CARGO_PKG_VERSION"));
    let lines = "text/plain; charset=utf-8";
    let expected = [
        ("/prefix/api/v2/write?org=my%20org&bucket=b%26c&precision=ns", lines, "gzip", "Token t0ken", ""),
        ("/prefix/write?db=d&rp=week&precision=ns", lines, "gzip", "Basic dXNlcjpwYXNz", ""),
        ("/prefix/api/v3/write_lp?db=d&precision=nanosecond", lines, "gzip", "Bearer t0ken", ""),
        ("/prefix/loki/api/v1/push", "application/x-protobuf", "", "Bearer t0ken", "speech"),
        ("/prefix", "application/json", "", "", ""),
    ];
    let expected = expected.map(|(target, content, encoding, login, tenant)| {
        (target.to_owned(), [content, encoding, login, tenant, agent, &host].map(str::to_owned))
    });
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn token_file_is_read_again_after_a_rejection() {
    let server = Server::start(|request| match request.header("authorization") {
        "Token new" => Reply::status(204),
        _ => Reply::said(401, "token old is no good"),
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "old\n").unwrap();
    let url = format!("http://{}", server.address);
    let sink = soundpost_sinks::kinds::InfluxDb::new(&url).unwrap().bucket("b").token_file(&file);
    on_a_runtime(async {
        let mut transport = opened(sink);
        let refused = send(transport.as_mut(), &calls(1)).await.rest;
        let said = Verdict::Misconfigured("401 Unauthorized: token *** is no good".into());
        assert_eq!(refused, said);
        std::fs::write(&file, "new").unwrap();
        assert_eq!(send(transport.as_mut(), &calls(1)).await.rest, Verdict::Taken);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(send(transport.as_mut(), &calls(1)).await.rest, Verdict::Taken);
    });
}

#[test]
fn misconfigured_answer_makes_the_batch_wait() {
    let mut delivery = soundpost_sinks::BatchBisect::new(1);
    let wrong = Verdict::Misconfigured("404".into());
    assert_eq!(delivery.apply(Answer::none(wrong.clone())), Step::Wait(wrong));
}
