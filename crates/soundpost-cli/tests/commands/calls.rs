//! `soundpost calls`.

use std::process::Stdio;
use std::time::Duration;

use soundpost::Outcome;
use soundpost::read::store::{Limits, Store};
use soundpost_core::FinishedCall;
use soundpost_store::Batch;

use crate::common::{Running, SERVICE};
use crate::{MOMENT, SECOND, call, kept, recorded, some};

#[test]
fn calls_are_shown_in_a_table() {
    insta::assert_snapshot!(some().run(&["calls"]).good(), @r"
    ended                operation   outcome    took  first audio  audio   RTF  characters  GPU peak  labels       request id  error
    2026-01-02 03:04:06  synthesize  died     942 ms       310 ms  4.5 s  0.20         128            emotion=sad  req-3       in stage vocoder
    2026-01-02 03:04:05  synthesize  oom       2.0 s       310 ms  4.5 s  0.20         128  24.0 GiB  emotion=sad  req-2       torch.OutOfMemoryError: CUDA out of memory, �[2Jreally
    2026-01-02 03:04:04  synthesize  ok       942 ms       310 ms  4.5 s  0.20         128            emotion=sad  req-1
    ");
}

#[test]
fn calls_are_filtered_by_each_option() {
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
fn call_is_one_object_or_one_line() {
    let directory = some();
    insta::assert_snapshot!(directory.run(&["calls", "--request-id", "req-2", "--json"]).good(), @r#"{"time":"2026-01-02T03:04:05.000Z","operation":"synthesize","status":"error","outcome":"oom","request_id":"req-2","duration_ms":2000.0,"busy_ms":900.0,"first_audio_ms":310.0,"audio_seconds":4.5,"rtf":0.2,"char_count":128,"speech_seconds_per_character":0.03515625,"video_seconds":0.0,"chunks":3,"streaming":true,"warmup":false,"cold":false,"error_type":"torch.OutOfMemoryError","error":"CUDA out of memory, \u001b[2Jreally","gpu_memory_before_mb":20480.0,"gpu_memory_peak_mb":24576.0,"gpu_memory_delta_mb":0.0,"gpu_utilization":0.5,"gpu_shared":false,"gpu_of_process":true,"labels":{"emotion":"sad"},"fields":{"error_type":"torch.OutOfMemoryError","error":"CUDA out of memory, \u001b[2Jreally"},"stages":{"vocoder":{"ms":500.0,"count":2}},"pid":77,"version":"V23","instance":"gpu-7"}"#);
    insta::assert_snapshot!(directory.run(&["calls", "--request-id", "req-1", "--csv"]).good(), @r#"
    time,operation,status,outcome,request_id,duration_ms,busy_ms,queue_ms,first_audio_ms,underrun_ms,audio_seconds,rtf,char_count,speech_seconds_per_character,video_seconds,chunks,streaming,warmup,cold,died_in,error_type,error,gpu_memory_before_mb,gpu_memory_peak_mb,gpu_memory_delta_mb,gpu_utilization,gpu_shared,gpu_of_process,labels,fields,stages,pid,version,instance
    2026-01-02T03:04:04.000Z,synthesize,success,ok,req-1,942.0,900.0,,310.0,,4.5,0.2,128,0.03515625,0.0,3,true,false,false,,,,,,,,,,"{""emotion"":""sad""}","{""model_version"":""V23""}","{""vocoder"":{""ms"":500.0,""count"":2}}",77,V23,gpu-7
    "#);
}

#[test]
fn time_zone_of_the_environment_is_honoured() {
    let directory = some();
    for (zone, expected) in [
        ("Asia/Shanghai", "2026-01-02 11:04:05"),
        ("America/New_York", "2026-01-01 22:04:05"),
        ("CST-8", "2026-01-02 11:04:05"),
        ("UTC", "2026-01-02 03:04:05"),
    ] {
        let mut command =
            directory.program(&["calls", "--since", expected, "--limit", "1", "--order", "oldest"]);
        let text = Running::start({
            command.env("TZ", zone);
            command
        });
        let text = text.end().good();
        assert!(text.contains(&format!("\n{expected}  synthesize  oom")), "{zone}: {text}");
    }
}

#[test]
fn paged_calls_appear_once() {
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
fn closed_output_is_not_a_fault() {
    let calls: Vec<FinishedCall> =
        (0..5_000).map(|n| call(&format!("req-{n}"), Outcome::Ok, MOMENT)).collect();
    let directory = kept(&calls);
    let mut command = directory.program(&["calls", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(0), ""));
}

/// `cargo test --release -p soundpost-cli --test commands million -- --ignored --nocapture`
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
        println!("soundpost {}: {fastest:.1?}", arguments.join(" "));
        assert!(bound.is_none_or(|bound| fastest < bound), "{arguments:?}: {fastest:?}");
    }
}
