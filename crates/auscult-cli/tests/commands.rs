//! What the other commands print, and how they end.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use auscult::store::{Entity, GpuName, Limits, Store, VitalsSample};
use auscult::{FieldValue, GpuUse, Outcome, StageTime, Telemetry};
use auscult_core::FinishedCall;
use auscult_report::store::{Batch, Recorded};
use common::{Directory, Running, SERVICE, free_port, until};
use nix::sys::signal::Signal;

/// A process of the service; without its variable it is no test.
#[test]
fn service() {
    common::service();
}

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1024 * 1024;
/// 2026-01-02T03:04:05Z
const MOMENT: u64 = 1_767_323_045 * SECOND;

fn call(request_id: &str, outcome: Outcome, ended: u64) -> FinishedCall {
    FinishedCall {
        request_id: request_id.to_owned(),
        operation: "synthesize".to_owned(),
        labels: vec![("emotion".to_owned(), "sad".to_owned())],
        outcome,
        pid: 77,
        segment: 1,
        ended_unix: ended,
        started: 0,
        ended: 942_000_000,
        busy: 900_000_000,
        queued: None,
        first_audio: Some(310_000_000),
        underrun: None,
        chunks: 3,
        audio_seconds: 4.5,
        characters: 128,
        streaming: true,
        died_in: None,
        stages: vec![StageTime { name: "vocoder".to_owned(), count: 2, failures: 0, nanos: 500_000_000 }],
        fields: vec![("model_version".to_owned(), FieldValue::Text("V23".to_owned()))],
        gpu: None,
    }
}

/// What the drain would give for these calls.
fn recorded(calls: &[FinishedCall]) -> Vec<Recorded> {
    calls.iter().cloned().map(Recorded::Call).collect()
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

#[test]
fn calls_are_shown_as_a_table() {
    insta::assert_snapshot!(some().run(&["calls"]).good(), @r"
    ended                operation   outcome    took  first audio  audio   RTF  characters  GPU peak  labels       request id  error
    2026-01-02 03:04:06  synthesize  died     942 ms       310 ms  4.5 s  0.20         128            emotion=sad  req-3       in stage vocoder
    2026-01-02 03:04:05  synthesize  oom       2.0 s       310 ms  4.5 s  0.20         128  24.0 GiB  emotion=sad  req-2       torch.OutOfMemoryError: CUDA out of memory, �[2Jreally
    2026-01-02 03:04:04  synthesize  ok       942 ms       310 ms  4.5 s  0.20         128            emotion=sad  req-1
    ");
}

#[test]
fn calls_are_found_by_what_they_are() {
    let directory = some();
    let found = |filter: &[&str]| {
        let arguments: Vec<&str> = ["calls", "--json"].iter().chain(filter).copied().collect();
        let text = directory.run(&arguments).good();
        let ids = text.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["request_id"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), ["req-3", "req-2", "req-1"]);
    assert_eq!(found(&["--order", "oldest", "--limit", "2"]), ["req-1", "req-2"]);
    assert_eq!(found(&["--order", "slowest", "--limit", "1"]), ["req-2"]);
    assert_eq!(found(&["--outcome", "oom"]), ["req-2"]);
    assert_eq!(found(&["--status", "error"]), ["req-3", "req-2"]);
    assert_eq!(found(&["--request-id", "req-1"]), ["req-1"]);
    assert_eq!(found(&["--slower-than", "1.5s"]), ["req-2"]);
    assert_eq!(found(&["--label", "emotion=sad", "--operation", "synthesize"]).len(), 3);
    assert_eq!(found(&["--label", "emotion=glad"]), Vec::<String>::new());
    assert_eq!(found(&["--since", "2026-01-02T03:04:05Z", "--until", "2026-01-02T03:04:06Z"]), ["req-2"]);
    assert_eq!(found(&["--since", "2026-01-02 03:04:06"]), ["req-3"]);
    assert_eq!(found(&["--last", "1s"]), Vec::<String>::new());
}

#[test]
fn a_call_is_one_object_or_one_line() {
    let directory = some();
    insta::assert_snapshot!(directory.run(&["calls", "--request-id", "req-2", "--json"]).good(), @r#"{"time":"2026-01-02T03:04:05.000Z","operation":"synthesize","status":"error","outcome":"oom","request_id":"req-2","duration_ms":2000.0,"busy_ms":900.0,"first_audio_ms":310.0,"audio_seconds":4.5,"rtf":0.2,"char_count":128,"chunks":3,"streaming":true,"error_type":"torch.OutOfMemoryError","error":"CUDA out of memory, \u001b[2Jreally","gpu_memory_before_mb":20480.0,"gpu_memory_peak_mb":24576.0,"gpu_memory_delta_mb":0.0,"gpu_utilization":0.5,"gpu_shared":false,"gpu_of_process":true,"labels":{"emotion":"sad"},"fields":{"error_type":"torch.OutOfMemoryError","error":"CUDA out of memory, \u001b[2Jreally"},"stages":{"vocoder":{"ms":500.0,"count":2}},"pid":77}"#);
    insta::assert_snapshot!(directory.run(&["calls", "--request-id", "req-1", "--csv"]).good(), @r#"
    time,operation,status,outcome,request_id,duration_ms,busy_ms,queue_ms,first_audio_ms,underrun_ms,audio_seconds,rtf,char_count,chunks,streaming,died_in,error_type,error,gpu_memory_before_mb,gpu_memory_peak_mb,gpu_memory_delta_mb,gpu_utilization,gpu_shared,gpu_of_process,labels,fields,stages,pid
    2026-01-02T03:04:04.000Z,synthesize,success,ok,req-1,942.0,900.0,,310.0,,4.5,0.2,128,3,true,,,,,,,,,,"{""emotion"":""sad""}","{""model_version"":""V23""}","{""vocoder"":{""ms"":500.0,""count"":2}}",77
    "#);
}

#[test]
fn many_calls_come_page_by_page_and_each_once() {
    // Many of them ended at the same moment.
    let calls: Vec<FinishedCall> =
        (0..7_001).map(|n| call(&format!("req-{n}"), Outcome::Ok, MOMENT + n / 3_000 * SECOND)).collect();
    let directory = kept(&calls);
    for order in ["newest", "oldest", "slowest"] {
        let text = directory.run(&["calls", "--csv", "--order", order]).good();
        let mut ids: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).collect();
        assert_eq!(ids.len(), calls.len(), "{order}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), calls.len(), "{order}: each once");
    }
    let done = directory.run(&["calls"]);
    assert_eq!(done.out.lines().count(), 101);
    assert!(done.err.contains("--limit 0 shows all"), "{}", done.err);
    assert_eq!(directory.run(&["calls", "--limit", "5"]).good().lines().count(), 6);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let calls: Vec<FinishedCall> =
        (0..5_000).map(|n| call(&format!("req-{n}"), Outcome::Ok, MOMENT)).collect();
    let directory = kept(&calls);
    let mut command = directory.program(&["calls", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn vitals_are_shown_and_written() {
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
    assert_eq!((done.out.as_str(), done.err.as_str()), ("", "auscult: nothing was sampled in that time\n"));
}

#[test]
fn what_is_old_is_pruned() {
    let directory = some();
    let text = directory.run(&["prune", "--older-than", "10000d"]).good();
    assert!(text.starts_with("0 calls and log events and 0 samples removed; "), "{text}");
    let text = directory.run(&["prune", "--older-than", "1s"]).good();
    assert!(text.starts_with("3 calls and log events and 180 samples removed; "), "{text}");
    assert_eq!(directory.run(&["calls"]).err, "auscult: no call matches\n");
    assert_eq!(directory.run(&["prune"]).status.code(), Some(2), "it says how much");
}

#[test]
fn a_death_that_nobody_watched_is_known_from_the_store() {
    let directory = some();
    insta::assert_snapshot!(directory.run(&["postmortem"]).good(), @r"
    speech died at 2026-01-02 03:04:06
      how is not known: no agent watched
      1 call in flight: synthesize req-3, for 942 ms, in stage vocoder
      host: cpu 25 %, memory 8.0 GiB
      GPU 0: busy 90 %, memory 20.0 GiB, NVIDIA H200

    Calls in flight
    request id  operation   labels          for  in stage  chunks  audio  process
    req-3       synthesize  emotion=sad  942 ms  vocoder        3  4.5 s       77

    The minute before
    before   cpu  host memory  GPU busy  GPU memory
    56.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    51.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    46.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    41.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    36.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    31.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    26.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    21.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    16.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    11.0 s  25 %      8.0 GiB  90 %      20.0 GiB
     6.0 s  25 %      8.0 GiB  90 %      20.0 GiB
     1.0 s  25 %      8.0 GiB  90 %      20.0 GiB
    ");
}

/// A process of the service without an agent.
fn unwatched(directory: &Directory, script: &str, listen: &str) -> Running {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &directory.service(script)])
        // Where no git says of which commit it is.
        .current_dir(directory.path())
        .env("AUSCULT_DIRECTORY", directory.path())
        .env("AUSCULT_LISTEN", listen)
        .env_remove("AUSCULT_SERVICE");
    Running::start(command)
}

#[test]
fn the_next_start_finds_what_a_death_without_an_agent_left() {
    let directory = Directory::new();
    let mut service = unwatched(&directory, "call begin ready wait", "none");
    service.says("ready");
    service.signal(Signal::SIGKILL);
    service.end();
    assert!(directory.run(&["postmortem"]).good().contains("no death of speech is known"));
    let mut service = unwatched(&directory, "ready wait", "none");
    service.says("ready");
    until("it is recovered", || directory.run(&["postmortem"]).good().contains("req-7d8e9f"));
    let text = directory.run(&["postmortem"]).good();
    for part in
        ["how is not known: no agent watched", "1 call in flight: synthesize req-7d8e9f", "in stage vocoder"]
    {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let died = directory.run(&["calls", "--outcome", "died"]).good();
    assert!(died.contains("req-7d8e9f") && died.contains("in stage vocoder"), "{died}");
    service.signal(Signal::SIGKILL);
    service.end();
}

#[test]
fn sinks_are_shown() {
    let directory = Directory::new();
    let up = auscult::sink::Capture::new().name("up");
    let down = auscult::sink::Capture::new()
        .name("down")
        .judged_by(|_| auscult::sink::Verdict::Later { why: "down".to_owned(), retry_after: None });
    let builder = Telemetry::builder("speech").directory(directory.path()).no_listen().without_facade();
    let telemetry = builder.without_vitals().without_start_event().sink(up).sink(down).start().unwrap();
    telemetry.operation("synthesize").start::<&str>([]).finish();
    telemetry.flush(Duration::from_secs(10));
    until("both are shown", || {
        let text = directory.run(&["status"]).good();
        text.contains("sink       up up; 1 delivered\n")
            && text.contains("sink       down down; 0 delivered, 1 pending\n")
    });
    let line: serde_json::Value = serde_json::from_str(&directory.run(&["status", "--json"]).good()).unwrap();
    let expected =
        r#"{"accepted":1,"delivered":1,"dropped":0,"pending":0,"rejected":0,"sink":"up","up":true}"#;
    assert_eq!(line["sinks"][1].to_string(), expected);
    telemetry.shutdown(Duration::from_secs(2));
    let text = directory.run(&["status"]).good();
    assert!(text.contains("sink       up not shipped to; 1 delivered\n"), "{text}");
}

#[test]
fn a_running_service_is_shown() {
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
        "finished   synthesize: ok 1; half within ",
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
    assert!(doctor.contains("GPU            not sampled, as AUSCULT_GPU says"), "nobody asks NVML: {doctor}");
    service.signal(Signal::SIGKILL);
    service.end();
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let directory = Directory::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = directory.run(&["doctor", "--listen", &address]);
    assert_eq!(done.status.code(), Some(1));
    let port = taken.local_addr().unwrap().port();
    let expected = format!(
        "fault  port           {address} is taken by another program\n\
         {:22}→ ss -ltnp 'sport = :{port}' says by which; or set AUSCULT_LISTEN to another port\n",
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
    assert!(done.out.contains("has mode 755, others may look in"), "{}", done.out);

    let unwritable = directory.run(&["--directory", "/proc/nowhere", "doctor", "--json"]);
    let first: serde_json::Value = serde_json::from_str(unwritable.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["check"], "directory");
}

#[test]
fn a_damaged_store_is_said_and_left_alone() {
    let directory = some();
    let file = directory.path().join(SERVICE).join(auscult::store::FILE);
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
fn which_service_is_meant_has_to_be_clear() {
    let directory = Directory::new();
    let done = directory.run(&["calls"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        done.err.contains("no service has kept files in ") && done.err.contains("--service NAME"),
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
fn help_has_examples() {
    let directory = Directory::new();
    insta::assert_snapshot!(directory.run(&["--help"]).good(), @r"
    The program auscult: what a service's processes recorded, and an agent that outlives them

    Usage: auscult [OPTIONS] <COMMAND>

    Commands:
      status       Say what is running: of one service, or of all there are
      top          Show calls in flight, rates, latency and the machine, live
      calls        Show finished calls from the store
      vitals       Show what was sampled of host, processes and GPUs, from the store
      postmortem   Show what the last death left: how the service died, and the calls that were in flight
      prune        Take what is old out of the store now; the reporter does so by itself within its limits
      doctor       Check the directory, shared memory, the endpoint and the GPUs, and say what to do
      agent        Report for a service, as a process of its own that outlives it
      run          Run a service's command together with an agent that survives its crash
      completions  Print completions for a shell
      man          Print the manual page, or write one for each command into a directory
      help         Print this message or the help of the given subcommand(s)

    Options:
      -s, --service <NAME>   The service [default: AUSCULT_SERVICE, else the only one there is]
          --directory <DIR>  Where services keep their files [default: AUSCULT_DIRECTORY, else $XDG_STATE_HOME/auscult, else ~/.local/state/auscult]
      -h, --help             Print help
      -V, --version          Print version

    Examples:
      auscult status                             what is running
      auscult run -- python app.py               a service, and an agent that survives its crash
      auscult top                                calls in flight, rates, latency, GPU; q ends it
      auscult calls --last 1h --outcome oom      calls that ran out of memory
      auscult postmortem                         the last death
      auscult doctor                             what is wrong here, and what to do

    Exit status: 0 done; 1 failed, or doctor found a fault; 2 wrong arguments; run passes on that of its command.
    AUSCULT_SERVICE and AUSCULT_DIRECTORY stand for --service and --directory; NO_COLOR turns colours off.
    ");
    for command in ["run", "agent", "calls", "vitals", "top", "postmortem", "prune", "completions", "man"] {
        let help = directory.run(&[command, "--help"]).good();
        assert!(help.contains("Examples:\n  auscult "), "{help}");
        assert!(!help.contains('\x1b'));
    }
    let done = directory.run(&["whatever"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(done.err.contains("unrecognized subcommand 'whatever'"), "{}", done.err);
}

#[test]
fn completions_and_pages_are_made() {
    let directory = Directory::new();
    for (shell, part) in
        [("bash", "_auscult()"), ("zsh", "#compdef auscult"), ("fish", "complete -c auscult")]
    {
        let text = directory.run(&["completions", shell]).good();
        assert!(text.contains(part) && text.contains("postmortem"), "{shell}");
    }
    // bash itself has no objection.
    let script = directory.path().join("auscult.bash");
    std::fs::write(&script, directory.run(&["completions", "bash"]).good()).unwrap();
    let checked = std::process::Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success());
    let page = directory.run(&["man"]).good();
    assert!(page.contains(".TH auscult 1") && page.contains("postmortem"), "{page}");
    let pages = directory.path().join("man");
    directory.run(&["man", "--to", pages.to_str().unwrap()]).good();
    assert!(pages.join("auscult.1").exists() && pages.join("auscult-run.1").exists());
}

/// `cargo test --release -p auscult-cli --test commands million -- --ignored --nocapture`
#[test]
#[ignore = "a million calls take a minute to write"]
fn a_million_calls_are_searched_quickly() {
    const CALLS: u64 = 1_000_000;
    let day = 86_400 * SECOND;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let from = u64::try_from(now.as_nanos()).unwrap() - 10 * day;
    let ended = |n: u64| from + n * (10 * day / CALLS);
    let outcome = |n: u64| if n.is_multiple_of(100) { Outcome::Oom } else { Outcome::Ok };
    let directory = kept(&[]);
    let (mut store, _) = Store::open(&directory.path().join(SERVICE), Limits::default()).unwrap();
    for first in (0..CALLS).step_by(10_000) {
        let calls: Vec<FinishedCall> =
            (first..first + 10_000).map(|n| call(&format!("req-{n:026}"), outcome(n), ended(n))).collect();
        store.write(&Batch { records: &recorded(&calls), ..Batch::default() }).unwrap();
    }
    for (arguments, bound) in [
        (&["--last", "1h"][..], Some(Duration::from_millis(100))),
        (&["--last", "1h", "--json"], Some(Duration::from_millis(100))),
        (&["--last", "1d", "--outcome", "oom"], Some(Duration::from_millis(100))),
        (&["--request-id", "req-00000000000000000000500000"], None),
        (&["--order", "slowest", "--limit", "10"], None),
        (&["--csv"], None),
    ] {
        let arguments: Vec<&str> = ["calls"].iter().chain(arguments).copied().collect();
        let times = (0..5).map(|_| {
            let began = std::time::Instant::now();
            let mut command = directory.program(&arguments);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            assert!(status.success());
            began.elapsed()
        });
        let fastest = times.min().unwrap();
        println!("auscult {}: {fastest:.1?}", arguments.join(" "));
        assert!(bound.is_none_or(|bound| fastest < bound), "{arguments:?}: {fastest:?}");
    }
}

/// Lines of shell in the guide and in the help that run the program.
fn written_commands(directory: &Directory) -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts: Vec<String> = ["README.md", "docs/guide/cli.md", "docs/guide/agent.md"]
        .map(|document| {
            let text = std::fs::read_to_string(root.join(document)).unwrap();
            let blocks =
                text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
            blocks.collect::<Vec<_>>().join("\n")
        })
        .into();
    for command in ["", "run", "agent", "calls", "vitals", "top", "postmortem", "prune", "completions", "man"]
    {
        let arguments: &[&str] = if command.is_empty() { &["--help"] } else { &[command, "--help"] };
        texts.push(directory.run(arguments).good());
    }
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    lines.filter(|line| line.starts_with("auscult ") && !line.ends_with(':')).map(str::to_owned).collect()
}

#[test]
fn what_the_guide_says_is_understood() {
    let directory = some();
    let commands = written_commands(&directory);
    assert!(commands.len() > 30, "{commands:#?}");
    let program = env!("CARGO_BIN_EXE_auscult");
    for line in commands {
        // What follows is for other programs; in the help, what it does.
        let line = line.split(" | ").next().unwrap().split(" > ").next().unwrap();
        let line = line.split("    ").next().unwrap().trim();
        let arguments = line.strip_prefix("auscult ").unwrap();
        // It is started without a path to find anything by: a command to run is not there, and an agent ends.
        let agent = arguments.starts_with("agent");
        let script = format!("{}{program} {arguments}", if agent { "timeout -s TERM 0.5 " } else { "" });
        let mut command = std::process::Command::new("/bin/sh");
        for (name, value) in directory.program(&[]).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let secrets = directory.path().join("token");
        std::fs::write(&secrets, "open-sesame").unwrap();
        let script = script
            .replace("~/", &format!("{}/", directory.path().display()))
            .replace("/run/secrets/metrics", secrets.to_str().unwrap())
            .replace("0.0.0.0:9464", "127.0.0.1:0");
        command.args(["-c", &script]).current_dir(directory.path()).stdin(Stdio::null());
        command.env("AUSCULT_SERVICE", SERVICE);
        if arguments.starts_with("run") {
            command.env("PATH", directory.path());
        }
        let done = Running::start(command).end();
        let expected = match () {
            () if arguments.starts_with("run") => vec![Some(127)],
            () if agent => vec![Some(0), Some(124)],
            () => vec![Some(0)],
        };
        assert!(expected.contains(&done.status.code()), "{line}: {done:#?}");
    }
}

#[test]
fn a_store_that_is_too_small_is_refused_with_the_least() {
    let directory = some();
    let mut command = directory.program(&["agent", "--service", "small"]);
    command.env("AUSCULT_STORE_BYTES", "5");
    let done = Running::start(command).end();
    assert_eq!(done.status.code(), Some(2), "{done:#?}");
    assert!(done.err.contains("AUSCULT_STORE_BYTES") && done.err.contains("16777216"), "{done:#?}");
}
