//! Routes, formats and headers, through the public door.

use std::io::{BufReader, Read, Write};
use std::sync::atomic::Ordering;

use crate::door::{Running, Stage, exchange, local, read_response};
use flate2::read::GzDecoder;
use soundpost_report::{Auth, Health, Server, ServerConfig};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const EXPECTED_TEXT: &str = r#"# HELP calls_total What it "is".
# TYPE calls_total counter
calls_total{operation="syn\"the\\size\n"} 3
# HELP duration_seconds What it "is".
# TYPE duration_seconds histogram
duration_seconds_bucket{operation="syn\"the\\size\n",le="1"} 2
duration_seconds_bucket{operation="syn\"the\\size\n",le="+Inf"} 3
duration_seconds_sum{operation="syn\"the\\size\n"} 2.5
duration_seconds_count{operation="syn\"the\\size\n"} 3
"#;

const EXPECTED_OPENMETRICS: &str = r#"# TYPE calls counter
# HELP calls What it \"is\".
calls_total{operation="syn\"the\\size\n"} 3
# TYPE duration_seconds histogram
# UNIT duration_seconds seconds
# HELP duration_seconds What it \"is\".
duration_seconds_bucket{operation="syn\"the\\size\n",le="1.0"} 2 # {request_id="req-1"} 0.5 1767323045.678
duration_seconds_bucket{operation="syn\"the\\size\n",le="+Inf"} 3
duration_seconds_sum{operation="syn\"the\\size\n"} 2.5
duration_seconds_count{operation="syn\"the\\size\n"} 3
# EOF
"#;

#[test]
fn each_client_gets_its_format() {
    let stage = Stage::new();
    let server = Running::plain(&stage);
    let accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (headers, content_type, body) in [
        (&[][..], TEXT, EXPECTED_TEXT),
        (&[("accept", "*/*")], TEXT, EXPECTED_TEXT),
        (&[("accept", accept)], OPENMETRICS, EXPECTED_OPENMETRICS),
        (&[("accept", "application/openmetrics-text;version=abc")], TEXT, EXPECTED_TEXT),
        (&[("accept", "\"%%%;q=;;,,/")], TEXT, EXPECTED_TEXT),
    ] {
        let response = server.get("/metrics?name[]=x", headers);
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), content_type, "{headers:?}");
        assert_eq!(response.header("vary"), "accept, accept-encoding");
        assert_eq!(response.text(), body);
    }
    assert_eq!(stage.scrapes.lock().unwrap().len(), 5);
}

#[test]
fn gzip_has_the_same_content() {
    let server = Running::plain(&Stage::new());
    let plain = server.get("/metrics", &[("accept-encoding", "br")]);
    assert_eq!(plain.header("content-encoding"), "");
    let response = server.get("/metrics", &[("accept-encoding", "deflate, gzip;q=0.9")]);
    assert_eq!(response.header("content-encoding"), "gzip");
    assert_eq!(response.header("content-type"), TEXT);
    let mut text = String::new();
    GzDecoder::new(&response.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
}

#[test]
fn head_is_get_without_the_body() {
    let server = Running::plain(&Stage::new());
    for path in ["/metrics", "/healthz", "/readyz", "/", "/nothing"] {
        let (mut get, mut head) = (server.get(path, &[]), server.request("HEAD", path, &[]));
        get.headers.remove("date");
        head.headers.remove("date");
        assert_eq!((head.status, &head.headers), (get.status, &get.headers));
        assert!(head.body.is_empty() && !get.body.is_empty());
        assert_eq!(get.header("content-length"), get.body.len().to_string());
    }
}

#[test]
fn unknown_path_or_method_is_rejected() {
    let server = Running::plain(&Stage::new());
    for (method, path, status, allow) in [
        ("GET", "/nothing", 404, ""),
        ("GET", "/metrics/", 404, ""),
        ("GET", "//metrics", 404, ""),
        ("GET", "/..%2fmetrics", 404, ""),
        ("OPTIONS", "*", 404, ""),
        ("DELETE", "/nothing", 404, ""),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("PUT", "/healthz", 405, "GET, HEAD"),
        ("BREW", "/", 405, "GET, HEAD"),
    ] {
        let response = server.request(method, path, &[]);
        assert_eq!((response.status, response.header("allow")), (status, allow), "{method} {path}");
        assert_eq!(response.header("content-type"), "text/plain; charset=utf-8");
        assert!(!response.text().contains(path) || path.len() < 3 || path == "/metrics/");
    }
}

#[test]
fn the_page_links_the_rest() {
    let page = Running::plain(&Stage::new()).get("/", &[]);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("href=\"/metrics\"") && page.text().contains("href=\"/healthz\""));
    assert!(page.text().contains("href=\"/readyz\""));
}

#[test]
fn health_is_a_status_and_flags() {
    let stage = Stage::new();
    let server = Running::plain(&stage);
    let ok = server.get("/healthz", &[]);
    assert_eq!((ok.status, ok.text()), (200, "{\"status\":\"ok\",\"flags\":[]}\n"));
    assert_eq!(ok.header("content-type"), "application/json");
    *stage.health.lock().unwrap() =
        Health { healthy: false, is_ready: true, is_loading: true, flags: vec!["store_full".into()] };
    let failing = server.get("/healthz", &[]);
    assert_eq!(
        (failing.status, failing.text()),
        (503, "{\"status\":\"failing\",\"flags\":[\"store_full\"]}\n")
    );
    *stage.health.lock().unwrap() =
        Health { healthy: true, is_ready: false, is_loading: true, flags: Vec::new() };
    let loading = server.get("/healthz", &[]);
    assert_eq!((loading.status, loading.text()), (503, "{\"status\":\"loading\",\"flags\":[]}\n"));
}

#[test]
fn readiness_needs_a_process_that_is_ready_and_can_work() {
    let stage = Stage::new();
    let auth = Some(Auth::Bearer { token: "open-sesame".into() });
    let server = Running::start(&ServerConfig { auth, ..local() }, &stage);
    for (is_ready, healthy, status, reason) in [
        (true, true, 200, ""),
        (false, true, 503, "no process of the service is up and loaded"),
        (true, false, 503, "the service cannot work any more"),
    ] {
        *stage.health.lock().unwrap() = Health { healthy, is_ready, is_loading: false, flags: vec![] };
        let answer = server.get("/readyz", &[]);
        assert_eq!((answer.status, answer.header("content-type")), (status, "application/json"));
        assert!(answer.text().contains(reason), "{}", answer.text());
        assert_eq!(server.get("/healthz", &[]).status, if healthy { 200 } else { 503 });
    }
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Running::plain(&Stage::new());
    let mut stream = server.connect();
    for _ in 0..3 {
        assert_eq!(exchange(&mut stream, "GET", "/metrics", &[]).text(), EXPECTED_TEXT);
        assert_eq!(exchange(&mut stream, "HEAD", "/metrics", &[]).status, 200);
    }
    // All requests at once.
    stream.write_all("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20).as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    for _ in 0..20 {
        assert_eq!(read_response(&mut stream, false).status, 200);
    }
}

#[test]
fn a_body_is_not_read() {
    let server = Running::plain(&Stage::new());
    let mut stream = server.connect();
    let response = exchange(&mut stream, "POST", "/metrics", &[("content-length", "1000000")]);
    assert_eq!((response.status, response.header("connection")), (405, "close"));
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn every_route_but_health_requires_credentials() {
    let bearer = Auth::Bearer { token: "canary-7d8e9f".into() };
    let basic = Auth::Basic { user: "prom".into(), password: "canary-7d8e9f".into() };
    for (auth, good, challenge) in [
        (bearer, "Bearer canary-7d8e9f", "Bearer realm=\"metrics\""),
        (basic, "Basic cHJvbTpjYW5hcnktN2Q4ZTlm", "Basic realm=\"metrics\", charset=\"UTF-8\""),
    ] {
        let config = ServerConfig { auth: Some(auth), ..local() };
        assert!(!format!("{config:?}").contains("canary"));
        let server = Running::start(&config, &Stage::new());
        assert_eq!(server.get("/metrics", &[("authorization", good)]).text(), EXPECTED_TEXT);
        assert_eq!(server.get("/healthz", &[]).status, 200);
        for path in ["/metrics", "/", "/nothing"] {
            for headers in
                [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "Basic d3Jvbmc6")]]
            {
                let refused = server.get(path, headers);
                assert_eq!((refused.status, refused.text()), (401, "unauthorized\n"));
                assert_eq!(refused.header("www-authenticate"), challenge);
            }
        }
    }
}

#[test]
fn panic_of_a_source_costs_one_response() {
    let stage = Stage::new();
    let server = Running::plain(&stage);
    stage.panics.store(1, Ordering::SeqCst);
    let mut stream = server.connect();
    assert_eq!(exchange(&mut stream, "GET", "/metrics", &[]).status, 500);
    assert_eq!(exchange(&mut stream, "GET", "/metrics", &[]).text(), EXPECTED_TEXT);
    assert_eq!(*stage.faults.lock().unwrap(), ["render"]);
}

#[test]
fn another_exporters_text_is_appended() {
    let appendix = "# TYPE calls_total counter\ncalls_total 9\n# TYPE theirs counter\ntheirs 1\n";
    let stage = Stage { appendix: Some(appendix.into()), ..Stage::new() };
    let server = Running::plain(&stage);
    for headers in [&[][..], &[("accept", "application/openmetrics-text")]] {
        let response = server.get("/metrics", headers);
        assert_eq!(response.header("content-type"), TEXT);
        assert_eq!(response.text(), format!("{EXPECTED_TEXT}# TYPE theirs counter\ntheirs 1\n"));
    }
}

#[test]
fn used_port_differs_from_an_invalid_configuration() {
    let server = Running::plain(&Stage::new());
    let taken = Server::bind(&ServerConfig::new(server.address)).err().unwrap();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let auth = Some(Auth::Bearer { token: String::new() });
    let config = ServerConfig { auth, ..local() };
    for wrong in [Server::bind(&config).err().unwrap(), config.check().unwrap_err()] {
        assert_eq!(wrong.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn shutdown_closes_everything_and_frees_the_port() {
    let mut server = Running::plain(&Stage::new());
    let mut idle = server.connect();
    assert_eq!(exchange(&mut idle, "GET", "/healthz", &[]).status, 200);
    let mut silent = server.connect();
    server.stop();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    // It ends whether it was accepted or not.
    assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
    let again = Running::start(&ServerConfig::new(server.address), &Stage::new());
    assert_eq!(again.get("/healthz", &[]).status, 200);
}

#[test]
fn request_without_exactly_one_host_is_refused() {
    let server = Running::plain(&Stage::new());
    let status = |request: &str| {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        read_response(&mut BufReader::new(stream), false).status
    };
    for path in ["/metrics", "/healthz", "/"] {
        assert_eq!(status(&format!("GET {path} HTTP/1.1\r\n\r\n")), 400);
        assert_eq!(status(&format!("GET {path} HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n")), 400);
        assert_eq!(status(&format!("GET {path} HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n")), 400);
        assert_eq!(status(&format!("GET {path} HTTP/1.0\r\n\r\n")), 200);
        assert_eq!(status(&format!("GET {path} HTTP/1.1\r\nhost: [::1]:80\r\n\r\n")), 200);
    }
}

#[test]
fn open_endpoint_refuses_foreign_hosts() {
    let stage = Stage::new();
    let get = |config: &ServerConfig, target: &str, host: &str| {
        let server = Running::start(config, &stage);
        let mut stream = server.connect();
        write!(stream, "GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
        let response = read_response(&mut BufReader::new(stream), false);
        (response.status, response.text().to_owned())
    };
    for (target, host) in [
        ("/metrics", "evil.example:9464"),
        ("/healthz", "localhost.evil.example"),
        ("/", "<script>.evil.example"),
        ("http://evil.example/metrics", "localhost"),
        ("http://localhost/metrics", "evil.example"),
    ] {
        let (status, text) = get(&local(), target, host);
        assert!(status == 421 && text.contains("evil.example") && text.contains("allowed_hosts"), "{text}");
        assert!(text.contains("SOUNDPOST_ALLOWED_HOSTS") && !text.contains('<'), "{text}");
    }
    assert_eq!(stage.refused.lock().unwrap().len(), 5, "one notice for each server");
    let auth = Some(Auth::Bearer { token: "x".to_owned() });
    assert_eq!(get(&ServerConfig { auth, ..local() }, "/metrics", "evil.example").0, 401);
    let listed = ServerConfig { allowed_hosts: vec!["*.tts.svc".to_owned()], ..local() };
    assert_eq!(get(&listed, "/metrics", "TTS-1.tts.svc:9464").0, 200);
    assert_eq!(get(&listed, "/metrics", "tts.svc").0, 421);
}
