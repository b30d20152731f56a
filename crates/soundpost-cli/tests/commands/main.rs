//! Output and exit status of the other commands.
#![allow(clippy::unwrap_used)]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod erase;
mod help;
mod logs;
mod postmortem;
mod recovery;
mod users;

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use soundpost::read::store::{Entity, GpuName, Limits, Store, VitalsSample};
use soundpost::{FieldValue, GpuUse, Outcome, StageTime, Telemetry};
use soundpost_core::{FinishedCall, RecordOrigin};
use soundpost_store::{Batch, RingEvent};

use common::{Directory, Running, SERVICE, free_port, until};

/// A process of the service; without its variable it is no test.
#[test]
fn service() {
    common::service();
}

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1024 * 1024;
/// 2026-01-02T03:04:05Z
const MOMENT: u64 = 1_767_323_045 * SECOND;

fn origin() -> Arc<RecordOrigin> {
    Arc::new(RecordOrigin { version: "V23".to_owned(), instance: "gpu-7".to_owned() })
}

fn call(request_id: &str, outcome: Outcome, ended: u64) -> FinishedCall {
    FinishedCall {
        request_id: request_id.to_owned(),
        operation: "synthesize".to_owned(),
        labels: vec![("emotion".to_owned(), "sad".to_owned())],
        outcome,
        origin: Some(origin()),
        pid: 77,
        segment: 1,
        ended_unix: ended,
        started: 0,
        ended: 942_000_000,
        busy: 900_000_000,
        first_audio: Some(310_000_000),
        chunks: 3,
        audio_seconds: 4.5,
        characters: 128,
        streaming: true,
        stages: vec![StageTime { name: "vocoder".to_owned(), count: 2, failures: 0, nanos: 500_000_000 }],
        fields: vec![("model_version".to_owned(), FieldValue::Text("V23".to_owned()))],
        ..FinishedCall::default()
    }
}

/// Returns the events that a ring reader would return for these calls.
fn recorded(calls: &[FinishedCall]) -> Vec<RingEvent> {
    calls.iter().cloned().map(RingEvent::Call).collect()
}

/// A directory whose service has these calls and a minute of vitals in its store.
fn kept(calls: &[FinishedCall]) -> Directory {
    let directory = Directory::new();
    let place = directory.path().join(SERVICE);
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(place.join("reporter.lock"), "").unwrap();
    let gpu = GpuName { gpu: "0".to_owned(), name: "NVIDIA H200".to_owned(), ..GpuName::default() };
    let vitals: Vec<VitalsSample> = (0..60)
        .flat_map(|second| {
            let unix_nanos = MOMENT - second * SECOND;
            let host = vec![("cpu_usage_ratio", 0.25), ("host_memory_used_bytes", (8_u64 << 30) as f64)];
            let card = vec![("gpu_memory_used_bytes", (20_u64 << 30) as f64), ("gpu_utilization_ratio", 0.9)];
            [
                VitalsSample { unix_nanos, entity: Entity::Host, values: host },
                VitalsSample { unix_nanos, entity: Entity::Gpu(gpu.clone()), values: card },
                VitalsSample {
                    unix_nanos,
                    entity: Entity::GpuProcess { gpu: "0".to_owned(), pid: None },
                    values: vec![("gpu_process_memory_bytes", 1_073_741_824.0)],
                },
            ]
        })
        .collect();
    let (mut store, _) = Store::open(&place, Limits::default()).unwrap();
    store.write(&Batch { records: &recorded(calls), vitals: &vitals, ..Batch::default() }).unwrap();
    directory
}

fn some() -> Directory {
    let oom = FinishedCall {
        fields: vec![
            ("error_type".to_owned(), FieldValue::Text("torch.OutOfMemoryError".to_owned())),
            ("error".to_owned(), FieldValue::Text("CUDA out of memory, \x1b[2Jreally".to_owned())),
        ],
        gpu: Some(GpuUse {
            memory_before: 20 * 1024 * MIB,
            memory_peak: 24 * 1024 * MIB,
            memory_delta: 0,
            utilization_mean: Some(0.5),
            shared: false,
            of_process: true,
        }),
        ended: 2_000_000_000,
        ..call("req-2", Outcome::Oom, MOMENT)
    };
    let died =
        FinishedCall { died_in: Some("vocoder".to_owned()), ..call("req-3", Outcome::Died, MOMENT + SECOND) };
    kept(&[call("req-1", Outcome::Ok, MOMENT - SECOND), oom, died])
}

/// A process of the service without an agent.
fn unwatched(directory: &Directory, script: &str, listen: &str) -> Running {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &directory.service(script)])
        // Where no git says of which commit it is.
        .current_dir(directory.path())
        .env("SOUNDPOST_DIRECTORY", directory.path())
        .env("SOUNDPOST_LISTEN", listen)
        .env_remove("SOUNDPOST_SERVICE");
    Running::start(command)
}

#[test]
fn vitals_are_shown_in_each_format() {
    let directory = some();
    let time = ["--since", "2026-01-02T03:04:00Z", "--until", "2026-01-02T03:04:06Z"];
    let with = |more: &[&str]| {
        let arguments: Vec<&str> = ["vitals"].iter().chain(&time).chain(more).copied().collect();
        directory.run(&arguments).good()
    };
    insta::assert_snapshot!(with(&[]), @r"
    from                  cpu  host memory  GPU busy  GPU memory
    2026-01-02 03:04:00  25 %      8.0 GiB  90 %      20.0 GiB
    2026-01-02 03:04:01  25 %      8.0 GiB  90 %      20.0 GiB
    2026-01-02 03:04:02  25 %      8.0 GiB  90 %      20.0 GiB
    2026-01-02 03:04:03  25 %      8.0 GiB  90 %      20.0 GiB
    2026-01-02 03:04:04  25 %      8.0 GiB  90 %      20.0 GiB
    2026-01-02 03:04:05  25 %      8.0 GiB  90 %      20.0 GiB
    ");
    assert_eq!(with(&["--json"]).lines().count(), 18);
    let line = with(&["--json"]);
    let gpu: serde_json::Value =
        serde_json::from_str(line.lines().find(|line| line.contains("H200")).unwrap()).unwrap();
    assert_eq!(
        (&gpu["entity"], &gpu["gpu"], &gpu["gpu_utilization_ratio"]),
        (&"gpu".into(), &"0".into(), &0.9.into())
    );
    assert!(gpu.get("cpu_usage_ratio").is_none(), "{gpu}");
    let others = r#""entity":"gpu_process","gpu":"0","pid":0,"gpu_process_memory_bytes":1073741824.0}"#;
    assert!(line.contains(others), "{line}");
    let csv = with(&["--csv"]);
    let names = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == names), "{csv}");
    let done = directory.run(&["vitals", "--last", "1s"]);
    assert_eq!((done.out.as_str(), done.err.as_str()), ("", "soundpost: no samples in this time range\n"));
}

#[test]
fn old_records_are_pruned() {
    let directory = some();
    let text = directory.run(&["prune", "--older-than", "10000d"]).good();
    assert!(text.starts_with("0 calls and log events, 0 samples and 0 postmortems deleted; "), "{text}");
    let text = directory.run(&["prune", "--older-than", "1s"]).good();
    assert!(text.starts_with("3 calls and log events, 180 samples and 0 postmortems deleted; "), "{text}");
    assert_eq!(directory.run(&["calls"]).err, "soundpost: no call matches\n");
}

#[test]
fn prune_without_options_obeys_the_limits_of_the_service() {
    let directory =
        kept(&[call("old", Outcome::Ok, MOMENT), call("new", Outcome::Ok, unix_seconds() * SECOND)]);
    std::fs::write(directory.path().join(SERVICE).join("settings"), "store_days=86400000s\n").unwrap();
    assert!(directory.run(&["prune"]).good().starts_with("0 calls"));
    std::fs::remove_file(directory.path().join(SERVICE).join("settings")).unwrap();
    let text = directory.run(&["prune"]).good();
    assert!(text.starts_with("1 calls and log events, "), "{text}");
}

/// Returns the folder in shared memory of a directory's service.
fn shared_folder(directory: &Directory) -> std::path::PathBuf {
    let service = soundpost::read::Service::find(directory.path(), SERVICE).unwrap().unwrap();
    service.segment_directories()[0].clone()
}

#[test]
fn shared_memory_of_removed_services_is_freed() {
    let [pruned, examined, used, kept] = [(); 4].map(|()| Directory::new());
    let mut living = unwatched(&used, "ready wait", "none");
    living.says("ready");
    for directory in [&pruned, &examined, &kept] {
        unwatched(directory, "call kill", "none").end();
    }
    let folders = [&pruned, &examined, &used, &kept].map(shared_folder);
    let empty = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let arguments = ["--directory", empty.path().to_str().unwrap(), command];
        let done = Running::start(kept.program(&arguments)).end();
        // The reporter of another test may have freed the memory first: then there is nothing to prune.
        if command != "prune" || !done.err.contains("no service has files in") {
            done.good();
        }
    };
    let remove = |directory: &Directory| std::fs::remove_dir_all(directory.path()).unwrap();
    remove(&used);
    remove(&pruned);
    run("prune");
    assert_eq!(folders.clone().map(|folder| folder.exists()), [false, true, true, true]);
    remove(&examined);
    run("doctor");
    assert_eq!(folders.clone().map(|folder| folder.exists()), [false, false, true, true]);
    living.signal(Signal::SIGKILL);
    living.end();
    run("doctor");
    assert_eq!(folders.map(|folder| folder.exists()), [false, false, false, true]);
}

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn status_of_a_service_in_its_first_phase_is_loading() {
    let directory = Directory::new();
    let builder = Telemetry::builder("speech").directory(directory.path()).listen(None).facade(false);
    let telemetry = builder.sample_interval(None).start().unwrap();
    let loading = telemetry.loading(soundpost::LoadPhase::Load);
    let json = || -> serde_json::Value {
        serde_json::from_str(&directory.run(&["status", "--json"]).good()).unwrap()
    };
    let state = || directory.run(&["status"]).good().lines().next().unwrap_or_default().to_owned();
    assert_eq!(state(), "speech  loading");
    assert_eq!((json()["up"].as_bool(), json()["loading"].as_bool()), (Some(true), Some(true)));
    drop(loading);
    assert_eq!(state(), "speech  up");
    assert_eq!((json()["up"].as_bool(), json()["loading"].as_bool()), (Some(true), Some(false)));
}

#[test]
fn status_shows_sinks() {
    let directory = Directory::new();
    let up = soundpost::sink::Capture::new().name("up");
    let down = soundpost::sink::Capture::new()
        .name("down")
        .judged_by(|_| soundpost::sink::Verdict::Later { why: "no route".to_owned(), retry_after: None });
    let wrong = soundpost::sink::Capture::new().name("wrong").judged_by(|_| {
        soundpost::sink::Verdict::Misconfigured(
            "401 Unauthorized: password=hunter2-hunter2 is no good".to_owned(),
        )
    });
    let builder = Telemetry::builder("speech").directory(directory.path()).listen(None).facade(false);
    let telemetry =
        builder.sample_interval(None).start_event(false).sink(up).sink(down).sink(wrong).start().unwrap();
    telemetry.operation("synthesize").start().finish();
    telemetry.flush(Duration::from_secs(10));
    let says = |parts: [&str; 3]| {
        let text = directory.run(&["status"]).good();
        text.lines().any(|line| {
            let mut rest = Some(line);
            for part in parts {
                rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
            }
            rest.is_some()
        })
    };
    until("that one is up", || says(["sink ", "up up; 1 delivered", ""]));
    until("why the other is down", || {
        says(["down down for ", " s: no route; ", "0 delivered, 1 pending for up to "])
    });
    until("what a person has to change, without a secret", || {
        says(["wrong misconfigured for ", ": 401 Unauthorized: password=[REDACTED", "0 delivered, 1 pending"])
    });
    let line: serde_json::Value = serde_json::from_str(&directory.run(&["status", "--json"]).good()).unwrap();
    let expected = r#"{"accepted":1,"delivered":1,"dropped":0,"erased":0,"lag_seconds":0.0,"misconfigured":false,"pending":0,"rejected":0,"since_unix":null,"sink":"up","up":true,"why":null}"#;
    assert_eq!(line["sinks"][1].to_string(), expected);
    let down = &line["sinks"][0];
    assert_eq!((&down["why"], &down["misconfigured"]), (&"no route".into(), &false.into()));
    let since = down["since_unix"].as_u64().unwrap();
    assert!((1..600).contains(&(unix_seconds() + 1 - since)), "{down}");
    assert!((0.0..600.0).contains(&down["lag_seconds"].as_f64().unwrap()), "{down}");
    assert_eq!(line["sinks"][2]["misconfigured"], true);
    telemetry.shutdown(Duration::from_secs(2));
    let text = directory.run(&["status"]).good();
    assert!(text.contains("sink       up without a process that ships; 1 delivered\n"), "{text}");
}

#[test]
fn running_service_is_shown() {
    let directory = Directory::new();
    let address = format!("127.0.0.1:{}", free_port());
    let mut service = unwatched(&directory, "call begin pid ready wait", &address);
    let pid = service.says("pid ");
    service.says("ready");
    let text = directory.run(&["status"]).good();
    for part in [
        "speech  up\n",
        &format!("processes  1 ({pid})\n"),
        "version    V23\n",
        &format!("endpoint   http://{address}/metrics\n"),
        "in flight  1; the oldest, synthesize req-7d8e9f, for ",
        "finished   synthesize: ok 1; p50 ",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(!text.contains('\x1b'), "no colours where there is no terminal");
    let line: serde_json::Value = serde_json::from_str(&directory.run(&["status", "--json"]).good()).unwrap();
    assert_eq!(
        (&line["service"], &line["up"], &line["requests_in_flight"]),
        (&"speech".into(), &true.into(), &1.into())
    );
    assert_eq!((&line["reporter_pid"].to_string(), &line["agent_pid"]), (&pid, &serde_json::Value::Null));
    assert_eq!(line["outcomes"]["ok"], 1);

    let top = directory.run(&["top"]).good();
    assert!(top.starts_with(&format!("speech  up · V23 · {address}\n")), "{top}");
    for part in
        ["Calls of this run\noperation", "In flight\nrequest id", "req-7d8e9f", "emotion=sad", "vocoder"]
    {
        assert!(top.contains(part), "{part:?} in\n{top}");
    }
    until("the machine is sampled", || {
        let top = directory.run(&["top", "--once"]).good();
        top.contains("host   cpu") && top.contains("mem █") && top.contains("load ")
    });

    let doctor = directory.run(&["doctor", "--listen", &address]).good();
    let endpoint = format!("ok     endpoint       http://{address}/healthz of speech answers\n");
    assert!(doctor.contains(&endpoint) && doctor.contains("speech runs, its own process"), "{doctor}");
    assert!(doctor.contains("GPU            not sampled, by SOUNDPOST_GPU"), "nobody asks NVML: {doctor}");
    service.signal(Signal::SIGKILL);
    service.end();
}

#[test]
fn doctor_reports_faults_with_advice() {
    let directory = Directory::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = directory.run(&["doctor", "--listen", &address]);
    assert_eq!(done.status.code(), Some(1));
    let port = taken.local_addr().unwrap().port();
    let expected = format!(
        "fault  port           {address} is in use by another program\n\
         {:22}→ find it by ss -ltnp 'sport = :{port}', or set SOUNDPOST_LISTEN to another port\n",
        ""
    );
    assert!(done.out.ends_with(&expected), "{}", done.out);
    drop(taken);
    directory.run(&["doctor", "--listen", &address]).good();

    let here = some();
    std::fs::set_permissions(here.path().join(SERVICE), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let done = here.run(&["doctor"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(done.out.contains("has mode 755, which lets others read it"), "{}", done.out);

    let unwritable = directory.run(&["--directory", "/proc/nowhere", "doctor", "--json"]);
    let first: serde_json::Value = serde_json::from_str(unwritable.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["check"], "directory");
}

#[test]
fn damaged_store_is_reported_and_unchanged() {
    let directory = some();
    let file = directory.path().join(SERVICE).join(soundpost::read::store::FILE);
    std::fs::write(&file, "this is no database, whatever its name says").unwrap();
    for command in [&["calls"][..], &["vitals"], &["prune", "--older-than", "1d"]] {
        let done = directory.run(command);
        assert_eq!(done.status.code(), Some(1), "{command:?}: {done:?}");
        assert!(done.err.contains("store.sqlite"), "{}", done.err);
    }
    assert!(file.exists());
    let done = directory.run(&["doctor"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(done.out.contains("fault  store"), "{}", done.out);
    assert_eq!(directory.run(&["postmortem"]).status.code(), Some(1));
    let watched =
        r#"{"time":"","unix_nanos":1,"service":"speech","cause":"exit","exit_status":3,"calls":[]}"#;
    std::fs::write(file.with_file_name("postmortems.jsonl"), watched).unwrap();
    assert!(directory.run(&["postmortem"]).good().contains("exit status 3"), "what was watched is told");
}

#[test]
fn ambiguous_service_is_refused() {
    let directory = Directory::new();
    let done = directory.run(&["calls"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        done.err.contains("no service has files in ") && done.err.contains("--service NAME"),
        "{}",
        done.err
    );
    for name in ["one", "other"] {
        let place = directory.path().join(name);
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("reporter.lock"), "").unwrap();
    }
    let done = directory.run(&["calls"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(done.err.contains("there are several services: one, other;"), "{}", done.err);
    let done = directory.run(&["calls", "-s", "third"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(done.err.contains("there are: one, other"), "{}", done.err);
    directory.run(&["calls", "-s", "one"]).good();
    assert_eq!(directory.run(&["status"]).good().matches("not running").count(), 2, "status shows all");
    for hostile in ["../x", "a/b", "", "/etc", "..", "."] {
        let done = directory.run(&["status", "-s", hostile]);
        assert_ne!(done.status.code(), Some(0), "{hostile:?}: {done:?}");
    }
}

#[test]
fn too_small_store_is_refused_with_the_minimum() {
    let directory = some();
    let mut command = directory.program(&["agent", "--service", "small"]);
    command.env("SOUNDPOST_STORE_BYTES", "5");
    let done = Running::start(command).end();
    assert_eq!(done.status.code(), Some(2), "{done:#?}");
    assert!(done.err.contains("SOUNDPOST_STORE_BYTES") && done.err.contains("16 MiB"), "{done:#?}");
}
