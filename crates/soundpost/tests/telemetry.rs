//! Tests of telemetry from the builder to a scrape.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::TcpListener;
use std::sync::Barrier;
use std::time::Duration;

use common::{Directory, Ending, get, samples, until, value};
use soundpost::{Builder, LoadPhase, Merge, Outcome, Seconds, Settings, Spec, Telemetry, Unit};

#[test]
fn calls_are_scraped() {
    let directory = Directory::new();
    let telemetry = directory.serving("index tts-2").version("V23").label("env", "test").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let synthesize = telemetry.operation("synthesize").labels(["emotion"]).unwrap();
    let call = synthesize.start_with(["neutral"]);
    call.field("char_count", 128);
    drop(call.stage("vocoder"));
    call.chunk(Seconds(0.5));
    call.chunk(Seconds(0.25));
    call.finish();
    synthesize.start_with(["sad"]).end(Outcome::Timeout);
    let running = synthesize.start_with(["sad"]);

    let (head, body) = get(&telemetry.address().unwrap(), "/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let sad = r#"{emotion="sad",env="test",operation="synthesize""#;
    let neutral = r#"{emotion="neutral",env="test",operation="synthesize""#;
    for (sample, expected) in [
        (format!(r#"index_tts_2_request_total{neutral},outcome="ok",status="success"}}"#), 1.0),
        (format!(r#"index_tts_2_request_total{sad},outcome="timeout",status="error"}}"#), 1.0),
        (format!("index_tts_2_requests_in_flight{sad}}}"), 1.0),
        (format!("index_tts_2_requests_in_flight{neutral}}}"), 0.0),
        (format!("index_tts_2_audio_seconds_total{neutral}}}"), 0.75),
        (format!("index_tts_2_characters_total{neutral}}}"), 128.0),
        (format!("index_tts_2_chunk_gap_seconds_count{neutral}}}"), 1.0),
        (format!("index_tts_2_time_to_first_audio_seconds_count{neutral}}}"), 1.0),
        (format!(r#"index_tts_2_stage_duration_seconds_count{neutral},stage="vocoder"}}"#), 1.0),
        (format!(r#"index_tts_2_stage_failure_total{neutral},stage="vocoder"}}"#), 0.0),
        (r#"index_tts_2_up{env="test"}"#.to_owned(), 1.0),
    ] {
        assert_eq!(value(&body, &sample), Some(expected), "{sample} in\n{body}");
    }
    let build = samples(&body, "index_tts_2_build_info");
    assert!(build.len() == 1 && build[0].contains(r#"version="V23""#), "{build:?}");
    running.finish();
}

#[test]
fn loading_is_timed_and_reported_until_the_first_phase_ends() {
    let directory = Directory::new();
    let telemetry = directory.serving("loads").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let status = |path: &str| get(&telemetry.address().unwrap(), path, "").0[9..12].to_owned();
    let up = || value(&get(&telemetry.address().unwrap(), "/metrics", "").1, "loads_up");
    for (phase, health) in [(LoadPhase::Download, "503"), (LoadPhase::Warmup, "200")] {
        let loading = telemetry.loading(phase);
        assert_eq!([status("/healthz"), status("/readyz")], [health, "503"], "{phase:?}");
        assert_eq!(up(), Some(if health == "200" { 1.0 } else { 0.0 }));
        drop(loading);
        assert_eq!([status("/healthz"), status("/readyz")], ["200", "200"]);
    }
    let call = telemetry.operation("synthesize").begin().start();
    let entered = soundpost::enter(call.handle());
    let _loading = telemetry.loading(LoadPhase::Load);
    assert_eq!(status("/readyz"), "200", "a process that serves is ready");
    drop(entered);
    let text = get(&telemetry.address().unwrap(), "/metrics", "").1;
    assert_eq!(samples(&text, "loads_load_seconds").len(), 2, "{text}");
    call.finish();
}

#[test]
fn disabled_telemetry_records_nothing() {
    let directory = Directory::new();
    let mut settings = Settings::default();
    settings.set("service", "disabled");
    settings.set("directory", directory.path().to_owned());
    settings.set("disabled", true);
    let telemetry = Builder::from(settings).listen(([127, 0, 0, 1], 0)).start().unwrap();
    let call = telemetry.operation("synthesize").start();
    call.chunk(Seconds(0.5));
    call.finish();
    assert!(!telemetry.is_enabled() && telemetry.flush(Duration::ZERO));
    assert_eq!((telemetry.address(), telemetry.render().as_str()), (None, ""));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    telemetry.shutdown(Duration::ZERO);
}

#[test]
fn openmetrics_carries_the_request_id() {
    let directory = Directory::new();
    let telemetry = directory.serving("om").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let operation = telemetry.operation("synthesize");
    operation.begin().request_id("req-7d8e9f").start().finish();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let call = operation.begin().traceparent(trace).start();
    assert_eq!(call.request_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    drop(call);
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let (head, body) = get(&telemetry.address().unwrap(), "/metrics", accept);
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.ends_with("# EOF\n"));
    let with = samples(&body, "om_request_duration_seconds_bucket");
    assert!(with.iter().any(|line| line.contains(r#"# {request_id="req-7d8e9f"} "#)), "{with:#?}");
}

#[test]
fn exemplars_switched_off_expose_no_request_id() {
    let directory = Directory::new();
    // Another process of the service keeps them.
    let other = directory.serving("off").start_event(false).start().unwrap();
    let telemetry = directory.serving("off").exemplars(false).global(false).start().unwrap();
    let _endings = [Ending(telemetry.clone()), Ending(other.clone())];
    for telemetry in [&other, &telemetry] {
        telemetry.operation("synthesize").begin().request_id("req-7d8e9f").start().finish();
    }
    assert!(other.render_openmetrics().contains("req-7d8e9f"), "{}", other.render_openmetrics());
    let text = telemetry.render_openmetrics();
    assert!(!text.contains("req-7d8e9f") && text.contains("off_request_duration_seconds_bucket"), "{text}");
    drop(telemetry.operation("synthesize").begin().request_id("req-999999").start());
    assert!(!other.render_openmetrics().contains("req-999999"));
}

#[test]
fn scrape_of_another_host_is_refused_and_noticed_once() {
    let directory = Directory::new();
    let telemetry = directory.serving("names").allowed_hosts(["tts", "*.tts.svc"]).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let status = |host: &str| {
        let mut stream = std::net::TcpStream::connect(telemetry.address().unwrap()).unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    for (host, expected) in [
        ("tts:9464", "200"),
        ("a.tts.svc", "200"),
        ("127.0.0.1", "200"),
        ("evil.example", "421"),
        ("other.example", "421"),
    ] {
        assert_eq!(status(host), expected, "{host}");
    }
    let notices: Vec<_> = telemetry.notices(0).into_iter().filter(|notice| notice.warning).collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].message.contains("evil.example") && notices[0].message.contains("allowed_hosts"));
    assert_eq!(value(&telemetry.render(), r#"soundpost_errors_total{part="host"}"#), Some(1.0));
}

#[test]
fn port_in_use_is_flagged_and_retried() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = Directory::new();
    let telemetry = directory.serving("taken").listen(taken.local_addr().unwrap()).start().unwrap();
    let _ending = Ending(telemetry.clone());
    assert_eq!(telemetry.address(), None);
    let flag = r#"taken_unhealthy{reason="port_taken"}"#;
    assert_eq!(value(&telemetry.render(), flag), Some(1.0));
    assert_eq!(value(&telemetry.render(), r#"soundpost_errors_total{part="serve"}"#), Some(1.0));
    let address = taken.local_addr().unwrap();
    drop(taken);
    until("the port is served", || telemetry.address().is_some());
    assert_eq!(telemetry.address(), Some(address.to_string()));
    assert_eq!(value(&telemetry.render(), flag), Some(0.0));
}

#[test]
fn service_serves_on_a_read_only_file_system() {
    // Even root cannot write there.
    let unwritable = format!("/proc/soundpost-{}", std::process::id());
    let directory = Directory::new();
    let telemetry =
        directory.serving("readonly").directory(&unwritable).sample_interval(None).start().unwrap();
    let _ending = Ending(telemetry.clone());
    telemetry.operation("synthesize").start().finish();
    let (_, text) = get(&telemetry.address().unwrap(), "/metrics", "");
    let total = r#"readonly_request_total{operation="synthesize",outcome="ok",status="success"}"#;
    assert_eq!(value(&text, total), Some(1.0));
    assert_eq!(value(&text, r#"readonly_unhealthy{reason="directory_not_writable"}"#), Some(1.0));
    let notices = telemetry.notices(0);
    assert!(
        notices.len() == 1 && notices[0].warning && notices[0].message.contains(&unwritable),
        "{notices:?}"
    );
    assert!(telemetry.notices(1).is_empty());
}

#[test]
fn host_and_process_are_sampled() {
    let directory = Directory::new();
    let interval = Duration::from_millis(100);
    let telemetry = directory.serving("vitals").sample_interval(interval).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let read = |name: &str| value(&telemetry.render(), &format!("vitals_{name}"));
    // The first sample has no interval to compute a share of.
    until("two samples were taken", || read("cpu_usage_ratio").is_some());
    let (used, total) = (read("host_memory_used_bytes").unwrap(), read("host_memory_total_bytes").unwrap());
    assert!(0.0 < used && used < total, "{used} of {total}");
    assert!((0.0..=1.0).contains(&read("cpu_usage_ratio").unwrap()));
    assert!(read("load1").is_some());
    let resident = samples(&telemetry.render(), "vitals_process_resident_memory_bytes").len();
    assert_eq!(resident, 1, "one process in {}", telemetry.render());
    let text = telemetry.render();
    assert!(text.contains("# TYPE vitals_process_cpu_seconds_total counter"), "{text}");
    assert!(text.contains("soundpost_host_available{reason=\"\"} 1"), "{text}");
    let wrong = directory.serving("a").sample_interval(Duration::from_secs(61)).start().err().unwrap();
    assert!(wrong.is_config() && wrong.to_string().contains("sample_interval"), "{wrong}");
    telemetry.shutdown(Duration::from_secs(2));
    assert!(samples(&telemetry.render(), "vitals_load1").is_empty(), "taken down");
}

#[test]
fn wrong_arguments_are_named() {
    let directory = Directory::new();
    let message = |builder: soundpost::Builder| {
        let error = builder.start().err().unwrap();
        assert!(error.is_config(), "{error}");
        error.to_string()
    };
    assert!(message(directory.serving("")).contains("service"));
    assert!(message(directory.serving("a").namespace("a-b")).contains("a_b"));
    assert!(message(directory.serving("a").label("le", "x")).contains("\"le\""));
    assert!(message(directory.serving("a").label("__x", "x")).contains("\"__x\""));
    assert!(message(directory.serving("a").segment_bytes(10)).contains("segment_bytes"));
    assert!(message(directory.serving("a").buckets("x", &[2.0, 1.0])).contains("ascending"));
    assert!(
        message(directory.serving("a").tls("/nowhere/cert.pem", "/nowhere/key.pem")).contains("cert.pem")
    );
    assert!(message(directory.serving("a").bearer_token("")).contains("token"));
}

#[test]
fn own_metrics_follow_the_rules() {
    let directory = Directory::new();
    let telemetry = directory.serving("own").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let made =
        telemetry.family(Spec::counter("videos_total").labels(&["status"]).help("Videos made")).unwrap();
    made.counter(&["success"]).unwrap().increment_by(2.5);
    let loaded = telemetry.family(Spec::gauge("model_size").unit(Unit::Bytes).merge(Merge::Max)).unwrap();
    loaded.gauge(&[]).unwrap().set(1024.0);
    let text = telemetry.render();
    assert_eq!(value(&text, r#"videos_total{status="success"}"#), Some(2.5));
    assert_eq!(value(&text, "model_size_bytes"), Some(1024.0));
    let error = telemetry.family(Spec::gauge("videos")).err().unwrap();
    assert!(error.is_conflict() && error.to_string().contains("videos"), "{error}");
    let error = made.counter(&[]).err().unwrap();
    assert!(error.to_string().contains("videos_total"), "{error}");
}

#[test]
fn authorization_is_required() {
    let directory = Directory::new();
    let telemetry = directory.serving("secret").bearer_token("open-sesame").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let address = telemetry.address().unwrap();
    assert!(get(&address, "/metrics", "").0.starts_with("HTTP/1.1 401"));
    let (head, body) = get(&address, "/metrics", "Authorization: Bearer open-sesame\r\n");
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(!body.contains("open-sesame"));
    assert!(get(&address, "/healthz", "").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn poisoned_process_stays_unhealthy() {
    let directory = Directory::new();
    let telemetry = directory.serving("poison").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let operation = telemetry.operation("synthesize");
    let error = std::io::Error::other("CUDA error: device-side assert triggered");
    operation.start().fail(&error);
    operation.start().finish();
    let (head, body) = get(&telemetry.address().unwrap(), "/healthz", "");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(body.contains("poisoned"), "{body}");
    assert_eq!(value(&telemetry.render(), r#"poison_unhealthy{reason="poisoned"}"#), Some(1.0));
}

#[test]
fn idle_calls_are_reaped() {
    let directory = Directory::new();
    let telemetry = directory.serving("idle").idle_limit(Duration::from_millis(10)).start().unwrap();
    let _ending = Ending(telemetry.clone());
    let call = telemetry.operation("synthesize").start();
    let sample = r#"idle_request_total{operation="synthesize",outcome="abandoned",status="cancelled"}"#;
    until("the call is reaped", || value(&telemetry.render(), sample) == Some(1.0));
    call.finish();
    assert_eq!(samples(&telemetry.render(), "idle_request_total").len(), 1);
}

#[test]
fn recording_from_many_threads_loses_nothing() {
    const THREADS: usize = 16;
    const CALLS: usize = 2_000;
    let directory = Directory::new();
    let telemetry = directory.serving("threads").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (telemetry, barrier) = (&telemetry, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let operation = telemetry.operation("synthesize").labels(["voice"]).unwrap();
                for call in 0..CALLS {
                    operation.start_with([["a", "b", "c"][(thread + call) % 3]]).finish();
                }
            });
        }
    });
    let text = telemetry.render();
    let total: f64 = samples(&text, "threads_request_total")
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(total, (THREADS * CALLS) as f64);
}

#[test]
fn last_process_removes_all_files() {
    let directory = Directory::new();
    let telemetry = directory.serving("leaves").start().unwrap();
    telemetry.operation("synthesize").start().finish();
    telemetry.shutdown(Duration::from_secs(2));
    // Recording still works.
    telemetry.operation("synthesize").start().finish();
    let mut left: Vec<_> =
        std::fs::read_dir(telemetry.directory()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["reporter.lock", "settings", "store.sqlite"]);
    let again = directory.serving("leaves").start().unwrap();
    let _ending = Ending(again.clone());
    assert!(samples(&again.render(), "leaves_request_total").is_empty(), "a new run begins anew");
}

#[test]
fn telemetry_is_cheap_to_share() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Telemetry>();
    shared::<soundpost::Operation>();
    shared::<soundpost::Counter>();
    shared::<soundpost::Gauge>();
    shared::<soundpost::Histogram>();
}
