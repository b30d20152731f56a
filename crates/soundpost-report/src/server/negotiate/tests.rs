use hyper::header::HeaderValue;

use super::*;

fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn formats() {
    use Format::{OpenMetrics, Text};
    let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let prometheus_2 =
        "application/openmetrics-text; version=1.0.0; charset=utf-8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let protobuf_first = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,application/openmetrics-text;version=1.0.0;q=0.2";
    let table: &[(&[&str], Format)] = &[
        (&[], Text),
        (&[""], Text),
        (&["*/*"], Text),
        (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Text),
        (&[prometheus_3], OpenMetrics),
        (&[prometheus_2], OpenMetrics),
        (&[protobuf_first], Text),
        (&["application/openmetrics-text"], OpenMetrics),
        (&["Application/OpenMetrics-Text; Version=1.0.0"], OpenMetrics),
        (&["application/openmetrics-text;version=\"1.0.0\""], OpenMetrics),
        (&["application/openmetrics-text; version=0.0.1"], Text),
        (&["application/openmetrics-text; version=2.0.0"], Text),
        (&["application/openmetrics-text; version=abc"], Text),
        (&["application/openmetrics-text; version="], Text),
        (&["application/openmetrics-text; version=1.0.0\"; x=\""], Text),
        (&["application/openmetrics-text; charset=latin-1"], Text),
        (&["application/openmetrics-text; strange=1"], Text),
        (&["application/openmetrics-text; strange"], Text),
        (&["application/openmetrics-text;q=0"], Text),
        (&["application/openmetrics-text;q=0.001"], OpenMetrics),
        (&["application/openmetrics-text;q=2"], Text),
        (&["application/openmetrics-text;q=-1"], Text),
        (&["application/openmetrics-text;q=x"], Text),
        (&["application/openmetrics-text;q=1.001"], Text),
        (&["application/openmetrics-text;q=0.5,text/plain;q=0.5"], Text),
        (&["application/openmetrics-text;q=0.5,text/plain;q=0.4"], OpenMetrics),
        (&["application/openmetrics-text;q=0.4,text/plain;q=0.5"], Text),
        (&["application/openmetrics-text;q=0.5,text/plain;q=0.50049"], Text),
        (&["application/openmetrics-text,*/*"], OpenMetrics),
        (&["application/openmetrics-text;q=0.5,*/*"], Text),
        (&["application/openmetrics-text;q=0.5,text/*;q=0.9"], Text),
        (&["application/openmetrics-text,text/plain;version=9"], OpenMetrics),
        (&["application/*"], Text),
        (&["text/plain;q=0"], Text),
        (&["*/*;q=0"], Text),
        (&["text/plain;q=0.5", "application/openmetrics-text"], OpenMetrics),
        (&["é", "application/openmetrics-text"], OpenMetrics),
        (&[",,;;,/,=,\"", "application/openmetrics-text"], OpenMetrics),
        (&["a/b;c=\",application/openmetrics-text"], Text),
    ];
    for (lines, expected) in table {
        assert_eq!(format(&headers(&ACCEPT, lines)), *expected, "{lines:?}");
    }
}

#[test]
fn codings() {
    let table: &[(&[&str], bool)] = &[
        (&[], false),
        (&[""], false),
        (&["gzip"], true),
        (&["GZip"], true),
        (&["x-gzip"], true),
        (&["deflate, gzip;q=1.0, *;q=0.5"], true),
        (&["gzip;q=0"], false),
        (&["gzip;q=0.0001"], false),
        (&["gzip;q=0.001"], true),
        (&["gzip;q=0, *"], false),
        (&["*"], true),
        (&["*;q=0"], false),
        (&["identity"], false),
        (&["gzip;q=0.5, identity"], false),
        (&["gzip;q=0.5, identity;q=0.5"], true),
        (&["gzip;q=nonsense"], false),
        (&["gzip;strange=1"], false),
        (&["br, zstd"], false),
        (&["br", "gzip"], true),
    ];
    for (lines, expected) in table {
        assert_eq!(gzip(&headers(&ACCEPT_ENCODING, lines)), *expected, "{lines:?}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_panics(accept in "[ -~]{0,60}", words in "([a-z*/;=,\"\\\\. 01]|q=|gzip|version=){0,20}") {
        for text in [accept, words] {
            format(&headers(&ACCEPT, &[&text]));
            gzip(&headers(&ACCEPT_ENCODING, &[&text]));
        }
    }
}
