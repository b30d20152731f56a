//! Tests of the sinks' options and their display.

use std::sync::mpsc;

use proptest::prelude::*;
use soundpost_redact::{Hits, Redactor};
use soundpost_sinks::kinds::{Graylog, InfluxDb, JsonLines, Loki, LokiEncoding, Sink, Verdict};
use soundpost_testkit::{Reply, Server};

use crate::receiver::{calls, deliver, on_a_runtime, opened, send};

/// Returns the error of a list of URLs.
fn fault(urls: &str) -> String {
    match Sink::list(urls) {
        Ok(sinks) => panic!("{urls} is taken: {sinks:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn lists_are_parsed() {
    let sinks = Sink::list(
        "influxdb+http://influx:8086?org=o&bucket=b, graylog+tcp://graylog\tloki+https://loki/prefix/?tenant=t&name=l2,\
         jsonl:logs/tts.jsonl?keep=2&rotate_bytes=1000 jsonl:-?name=out",
    );
    let shown: Vec<_> = sinks.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "influxdb (http://influx:8086)",
            "graylog (tcp://graylog:12201)",
            "l2 (https://loki:443/prefix)",
            "jsonl (logs/tts.jsonl)",
            "out (standard output)",
        ]
    );
    assert!(Sink::list(" , ").unwrap().is_empty());
}

#[test]
fn parse_error_names_the_sink_and_the_fault() {
    let table = [
        ("http://influx:8086", "sinks: URL 1 of the list begins with none of influxdb+http://"),
        ("redis+tcp://x", "sinks: URL 1 of the list begins with none of influxdb+http://"),
        ("influxdb://x?database=d", "sinks: URL 1 of the list begins with none of influxdb+http://"),
        ("loki+http://h loki+http://h:3100,elastic+http://h", "sinks: URL 3 of the list begins with none of"),
        ("loki+http://h?tenant=a b", "sinks: URL 2 of the list begins with none of"),
        (
            "influxdb+ftp://x",
            "sink influxdb: the URL has an unknown scheme; it begins with one of http://, https://",
        ),
        ("loki+http://", "sink loki: the URL cannot be understood; it begins with one of http://, https://"),
        ("loki+http://:3100", "sink loki: the URL has no host"),
        ("loki+http://h:0", "sink loki: the URL has port 0"),
        ("loki+http://h:70000", "sink loki: the URL"),
        ("loki+http://h:3100#x", "sink loki: the URL has a '#'; write %23"),
        ("loki+http://h?colour=red", "sink loki: an option in the query is none of tenant, extras, "),
        ("loki+http://h?extras=none", "sink loki: extras: use metadata or logfmt"),
        ("loki+http://h?timeout=fast", "sink loki: timeout: use a number of seconds"),
        ("loki+http://h?timeout=-1", "sink loki: timeout: use a number of seconds"),
        ("influxdb+http://h?api=v4", "sink influxdb: api: use v1, v2 or v3"),
        ("graylog+http://h?bulk=maybe", "sink graylog: bulk: use true or false"),
        ("jsonl:", "sink jsonl: the path of a file is missing"),
        ("jsonl:x?keep=all", "sink jsonl: keep: use a number in digits"),
        ("loki+http://h?tenant=%ff", "sink loki: the URL has percent signs that are no UTF-8"),
    ];
    for (url, expected) in table {
        let found = fault(url);
        assert!(found.starts_with(expected), "{url}: {found}");
    }
}

#[test]
fn secret_in_a_list_is_rejected_and_not_shown() {
    for url in [
        "influxdb+http://user:hunter2@h:8086?database=d",
        "influxdb+http://hunter2@h:8086?database=d",
        "influxdb+http://h?database=d&token=hunter2",
        "influxdb+http://h?database=d&p=hunter2",
        "loki+http://h?user=u&password=hunter2",
        "loki+http://user:hunter2@:80",
        "loki+http://user:hunter2@h:99999",
        "loki+http://user:hunter2@h#x",
        "redis+http://user:hunter2@h",
        "user:hunter2@h",
        "jsonl://user:hunter2@h",
        "jsonl:x?y=//user:hunter2@h",
        "jsonl:x?https://user:hunter2@h",
        "loki+http://h?timeout=https://user:hunter2@h",
    ] {
        let found = fault(url);
        assert!(!found.contains("hunter2"), "{url}: {found}");
    }
}

proptest! {
    /// A password is cut wherever a URL or a list of them has a separator.
    #[test]
    fn password_anywhere_in_a_list_is_not_shown(
        before in "((influxdb|graylog|loki|jsonl)(\\+(http|https|tcp|udp|tls))?:|[a-z]{0,5}[:+, ]?)",
        junk in "[a-z0-9:/?&=#@%!., ]{0,12}",
        query in "(\\?(timeout|batch|api|extras|keep|mode|database|user|colour)=)?",
        separators in prop::array::uniform3("[@/?#:&=+;,% \\[\\]]{1,2}"),
        after in "(@[a-z]{0,5}(:[0-9]{1,5})?)?[a-z0-9:/?&=#@%!., ]{0,12}",
    ) {
        let [first, second, third] = separators;
        let words = ["hunterx", "sesamex", "openskyx"];
        let password = format!("{}{first}{}{second}{}{third}", words[0], words[1], words[2]);
        let shown = match Sink::list(&format!("{before}{junk}{query}//user:{password}{after}")) {
            Ok(sinks) => sinks.iter().filter(|sink| sink.name() != "jsonl").map(ToString::to_string).collect(),
            Err(error) => error.to_string(),
        };
        prop_assert!(!words.iter().any(|word| shown.contains(word)), "{}", shown);
    }
}

#[test]
fn secret_is_not_displayed() {
    let url = "http://user:hunter2@h:8086/p?database=d";
    let sinks: Vec<Sink> = vec![
        InfluxDb::new(url).unwrap().into(),
        InfluxDb::new("http://h").unwrap().token("hunter2").into(),
        Loki::new("https://user:hunter2@h").unwrap().into(),
        Loki::new("https://h").unwrap().user("user").password("hunter2").into(),
        Graylog::new("http://user:hunter2@h").unwrap().into(),
    ];
    for sink in sinks {
        let shown = format!("{sink} {sink:?} {sink:#?}");
        assert!(!shown.contains("hunter2") && !shown.contains("user"), "{shown}");
    }
    let shown = InfluxDb::new(url).unwrap();
    assert!(format!("{shown:?}").contains("http://h:8086/p"));
}

#[test]
fn options_have_the_same_names_everywhere() {
    let options = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let of =
        |kind: &str, place: &str, pairs: &[(&str, &str)]| Sink::with_options(kind, place, &options(pairs));
    let loki =
        of("loki", "http://h:3100", &[("tenant", "t"), ("encoding", "json"), ("token", "hunter2")]).unwrap();
    let typed: Sink =
        Loki::new("http://h:3100").unwrap().tenant("t").encoding(LokiEncoding::Json).token("hunter2").into();
    assert_eq!(format!("{loki:?}"), format!("{typed:?}"));
    let typed: Sink = JsonLines::new("x").unwrap().keep(3).name("n").into();
    let named = of("jsonl", "x", &[("keep", "3"), ("name", "n")]).unwrap();
    assert_eq!(format!("{named:?}"), format!("{typed:?}"));
    for (kind, place, name, expected) in [
        ("loki", "http://h", "colour", "sink loki: \"colour\" is none of tenant, extras, "),
        ("jsonl", "x", "token", "sink jsonl: \"token\" is none of rotate_bytes, "),
        ("syslog", "x", "token", "sinks: there is no sink of kind \"syslog\""),
    ] {
        let error = of(kind, place, &[(name, "x")]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn url_can_end_in_the_path_of_the_protocol() {
    let (sent, asked) = mpsc::channel();
    let server = Server::start(move |request| {
        sent.send(request.target.clone()).unwrap();
        Reply::status(204)
    });
    let url = |path: &str| format!("http://{}{path}", server.address);
    let influx = |path: &str| InfluxDb::new(&url(path)).unwrap();
    let sinks: [(Sink, &str); 8] = [
        (Loki::new(&url("/loki/api/v1/push")).unwrap().into(), "/loki/api/v1/push"),
        (Loki::new(&url("/at/loki/api/v1/push/")).unwrap().into(), "/at/loki/api/v1/push"),
        (influx("/write").database("d").into(), "/write?db=d&precision=ns"),
        (influx("/api/v2/write?bucket=b").into(), "/api/v2/write?bucket=b&precision=ns"),
        (influx("/at/api/v3/write_lp").database("d").into(), "/at/api/v3/write_lp?db=d&precision=nanosecond"),
        // An explicit option has precedence.
        (influx("/write?api=v2&bucket=b").into(), "/api/v2/write?bucket=b&precision=ns"),
        (Graylog::new(&url("/gelf")).unwrap().into(), "/gelf"),
        (Graylog::new(&url("")).unwrap().into(), "/gelf"),
    ];
    for (sink, target) in sinks {
        on_a_runtime(async { deliver(opened(sink).as_mut(), &calls(1)).await });
        assert_eq!(asked.recv().unwrap(), target);
    }
}

#[test]
fn path_of_a_file_can_be_percent_encoded() {
    let sinks = Sink::list("jsonl:/a%20b%2Cc%3Fd%25.jsonl?keep=2").unwrap();
    assert_eq!(sinks[0].to_string(), "jsonl (/a b,c?d%.jsonl)");
    assert!(fault("jsonl:%ff").starts_with("sink jsonl: the URL has percent signs that are no UTF-8"));
}

#[test]
fn message_on_a_missing_secret_is_not_redacted() {
    let missing = "/run/nowhere/influx_token";
    let sinks = [
        InfluxDb::new("http://h").unwrap().database("d").token_file(missing),
        InfluxDb::new("http://h").unwrap().database("d").user("u").password_file(missing),
    ];
    for (sink, option) in sinks.into_iter().zip(["token_file", "password_file"]) {
        let answer = on_a_runtime(async { send(opened(sink).as_mut(), &calls(1)).await });
        let said = format!("{option}: No such file or directory (os error 2), {missing}");
        assert_eq!(answer.rest, Verdict::Misconfigured(said.clone()));
        let logged = format!("sink influxdb (http://h:80): does not work: {said}; 2 records wait");
        let redactor = Redactor::new(&[], false).unwrap();
        assert_eq!(redactor.text(&logged, usize::MAX, &mut Hits::default()).text, logged);
    }
}
