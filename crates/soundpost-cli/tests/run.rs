//! `soundpost run` and `soundpost agent`: a command that ends in every way, signals, and who reports.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Directory, Running, SERVICE, free_port, is_alive, scraped, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use soundpost::Telemetry;
use soundpost::sink::{JsonLines, Loki};

/// A process of the service; without its variable it is no test.
#[test]
fn service() {
    common::service();
}

/// `soundpost run` with these options and a line of shell.
fn run(directory: &Directory, options: &[&str], line: &str) -> Running {
    let arguments: Vec<&str> =
        ["run", "-s", SERVICE].iter().chain(options).chain(&["--", "sh", "-c", line]).copied().collect();
    Running::start(directory.program(&arguments))
}

/// Lines of the program itself.
fn own(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("soundpost: ")).collect()
}

#[test]
fn successful_command_leaves_no_postmortem() {
    let directory = Directory::new();
    let done = run(&directory, &[], &directory.service("call")).end();
    assert_eq!((done.status.code(), own(&done.err)), (Some(0), vec![]), "{}", done.err);
    let status = directory.run(&["status"]).good();
    assert!(status.starts_with("speech  not running\n"), "{status}");
    let calls = directory.run(&["calls", "--csv"]).good();
    assert_eq!(calls.matches(",synthesize,success,ok,").count(), 1, "{calls}");
    assert!(directory.run(&["postmortem"]).good().contains("no crash of speech is known"));
}

#[test]
fn failing_command_is_reported_in_five_lines() {
    let directory = Directory::new();
    let done = run(&directory, &[], "exit 3").end();
    assert_eq!(done.status.code(), Some(3));
    let lines = own(&done.err);
    assert_eq!(lines.len(), 5, "{}", done.err);
    assert!(lines[0].starts_with("soundpost: speech died: exit status 3 after "), "{}", lines[0]);
    assert_eq!(lines[1], "soundpost: no call was in flight");
    assert_eq!(lines[3], "soundpost: check the output above; soundpost postmortem --service speech");
    // Nothing is served, so there is nothing to wait for.
    assert_eq!(lines[4], "soundpost: no restart");
}

#[test]
fn death_of_a_worker_is_reported_while_the_service_lives() {
    let directory = Directory::new();
    let workers = ["log begin pid wait", "call ready wait"].map(|script| directory.service(script));
    // The test runner of a worker may have written the begin of a line.
    let line = format!("( {} ) & ( {} ) & printf '\\nother %s\\n' $!; wait", workers[0], workers[1]);
    let mut running = run(&directory, &[], &line);
    let [worker, other] = ["pid ", "other "].map(|name| running.says(name));
    running.says("ready");
    let pid = |text: &str| Pid::from_raw(text.trim().parse().unwrap());
    kill(pid(&worker), Signal::SIGKILL).unwrap();
    let warning = running.warns(&format!("soundpost: process {worker} died while the service lived on; "));
    let expected = "calls in flight: 1; the oldest: synthesize req-7d8e9f, for ";
    assert!(warning.starts_with(expected) && warning.contains(", in stage vocoder; "), "{warning}");
    assert!(is_alive(&other));
    let shown = directory.run(&["postmortem"]).good();
    let cause = format!("one process died, and the service lived on (process {worker})");
    for part in [&*cause, "1 call in flight: synthesize req-7d8e9f", "Last log events", "running hot"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = directory.run(&["postmortem", "--json"]).good();
    for part in [
        "\"cause\":\"process\"",
        "\"time\":\"20",
        "\"message\":\"running hot\"",
        &format!("\"pid\":{worker}"),
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    kill(pid(&other), Signal::SIGKILL).unwrap();
    let done = running.end();
    assert_eq!(done.err.matches(&format!("process {worker} died")).count(), 1, "{}", done.err);
}

#[test]
fn death_of_the_only_worker_is_reported_while_its_command_lives() {
    let directory = Directory::new();
    let line = format!("( {} ) & wait $!; sleep 3", directory.service("begin pid wait"));
    let mut running = run(&directory, &[], &line);
    let worker = running.says("pid ");
    kill(Pid::from_raw(worker.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    running
        .warns(&format!("soundpost: process {worker} died while the service lived on; calls in flight: 1; "));
    assert!(running.end().status.success());
    assert!(directory.run(&["postmortem"]).good().contains("one process died"));
}

#[test]
fn disabled_run_only_runs_the_command() {
    let directory = Directory::new();
    let mut command =
        directory.program(&["run", "--listen", "nonsense", "--", "sh", "-c", "echo ran; exit 3"]);
    command.env("SOUNDPOST_DISABLED", "1");
    let done = Running::start(command).end();
    assert_eq!((done.status.code(), done.out.as_str(), done.err.as_str()), (Some(3), "ran\n", ""));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file is made");
    let mut command = directory.program(&["agent"]);
    command.env("SOUNDPOST_DISABLED", "yes");
    let done = Running::start(command).end();
    assert_eq!(done.status.code(), Some(0));
    assert!(done.err.contains("SOUNDPOST_DISABLED is set"), "{}", done.err);
}

#[test]
fn command_that_cannot_start_returns_the_shells_status() {
    let directory = Directory::new();
    for (command, status, reason) in
        [("/nowhere/speech", 127, "No such file"), (directory.path().to_str().unwrap(), 126, "denied")]
    {
        let done = directory.run(&["run", "-s", SERVICE, "--", command]);
        assert_eq!(done.status.code(), Some(status), "{}", done.err);
        let line = done.err.lines().last().unwrap();
        assert!(line.contains(&format!("cannot start {command}")) && line.contains(reason), "{line}");
    }
}

#[test]
fn killed_command_is_reported_with_its_calls() {
    let directory = Directory::new();
    let done = run(&directory, &[], &directory.service("call begin kill")).end();
    assert_eq!(done.status.signal(), Some(9), "{}", done.err);
    let lines = own(&done.err);
    assert!(lines[0].starts_with("soundpost: speech died: killed by signal 9 (KILL) after "), "{}", lines[0]);
    let call = "soundpost: 1 call in flight: synthesize req-7d8e9f, for ";
    assert!(lines[1].starts_with(call) && lines[1].ends_with(", in stage vocoder"), "{}", lines[1]);

    let text = directory.run(&["postmortem"]).good();
    for part in [
        "speech died at 2",
        "killed by signal 9 (KILL)",
        "req-7d8e9f",
        "emotion=sad",
        "vocoder",
        "command: sh",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&directory.run(&["postmortem", "--json"]).good()).unwrap();
    assert_eq!((&json["cause"], &json["signal"]), (&"signal".into(), &9.into()));
    let call = &json["calls"][0];
    assert_eq!((&call["request_id"], &call["stage"]), (&"req-7d8e9f".into(), &"vocoder".into()));
    assert_eq!((&call["chunks"], &call["labels"]["emotion"]), (&1.into(), &"sad".into()));
    assert!(call["duration_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn faulting_command_is_reported_with_advice() {
    let directory = Directory::new();
    let done = run(&directory, &[], "kill -SEGV $$").end();
    assert_eq!(done.status.signal(), Some(11), "{}", done.err);
    assert!(!done.status.core_dumped(), "the agent leaves no core of its own");
    assert!(done.err.contains("PYTHONFAULTHANDLER=1"), "{}", done.err);
}

#[test]
fn last_state_is_served_until_a_signal() {
    let directory = Directory::new();
    let address = format!("127.0.0.1:{}", free_port());
    let mut running = run(&directory, &["--listen", &address], &directory.service("call begin ready wait"));
    running.says("ready");
    let text = scraped(&address, "speech_up 1");
    assert!(
        text.contains("speech_build_info{")
            && text.contains(r#"soundpost_version=""#)
            && text.contains("V23"),
        "{text}"
    );
    scraped(&address, r#"speech_requests_in_flight{emotion="sad",operation="synthesize"} 1"#);
    let pid = directory.run(&["status", "--json"]).good();
    let status: serde_json::Value = serde_json::from_str(&pid).unwrap();
    assert_eq!(status["agent_pid"], status["reporter_pid"]);
    let pid = status["pids"][0].as_i64().unwrap();
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();

    running.warns(&format!("soundpost: http://{address}/metrics serves the last state for 60 s"));
    let died =
        r#"speech_request_total{emotion="sad",operation="synthesize",outcome="died",status="error"} 1"#;
    let text = scraped(&address, died);
    assert!(text.contains("\nspeech_up 0\n"), "{text}");
    running.signal(Signal::SIGTERM);
    let ended = Instant::now();
    assert_eq!(running.end().status.signal(), Some(9));
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
}

#[test]
fn lingering_ends_after_its_time() {
    let directory = Directory::new();
    let began = Instant::now();
    let done = run(&directory, &["--listen", "127.0.0.1:0", "--linger", "300ms"], "exit 4").end();
    assert_eq!(done.status.code(), Some(4));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(done.err.contains("serves the last state for 300 ms"), "{}", done.err);
}

/// Says how often it got TERM, and ends the second time.
const STUBBORN: &str =
    r#"trap 'n=$((n+1)); echo got $n; [ $n = 2 ] && exit 5' TERM; echo ready; while :; do sleep 0.01; done"#;

#[test]
fn command_that_ignores_term_is_awaited() {
    let directory = Directory::new();
    let mut running = run(&directory, &[], STUBBORN);
    running.says("ready");
    running.signal(Signal::SIGTERM);
    running.says("got 1");
    assert!(running.child.try_wait().unwrap().is_none());
    running.signal(Signal::SIGTERM);
    let done = running.end();
    assert_eq!((done.status.code(), own(&done.err)), (Some(5), vec![]), "it did as it was asked");
}

#[test]
fn command_is_killed_after_the_grace_period() {
    let directory = Directory::new();
    let mut running =
        run(&directory, &["--kill-after", "200ms"], "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    running.says("ready");
    running.signal(Signal::SIGTERM);
    let done = running.end();
    assert_eq!(done.status.signal(), Some(9));
    assert_eq!(own(&done.err), ["soundpost: speech did not end within 200 ms and is killed"]);
}

#[test]
fn signals_are_forwarded_to_the_command() {
    let directory = Directory::new();
    let line = "for s in HUP INT QUIT USR1 USR2 WINCH TTIN TTOU ALRM; do trap \"echo got $s\" $s; done; trap 'exit 7' TERM; \
                echo ready; while :; do sleep 0.01; done";
    let mut running = run(&directory, &[], line);
    running.says("ready");
    // A shell cannot trap what was ignored before it, as SIGHUP is under nohup.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    let signals = [
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGINT, "INT"),
        (Signal::SIGQUIT, "QUIT"),
        (Signal::SIGUSR1, "USR1"),
        (Signal::SIGUSR2, "USR2"),
        (Signal::SIGWINCH, "WINCH"),
        (Signal::SIGTTIN, "TTIN"),
        (Signal::SIGTTOU, "TTOU"),
        (Signal::SIGALRM, "ALRM"),
    ];
    for (signal, name) in signals.into_iter().filter(|(signal, _)| ignored >> (*signal as u32 - 1) & 1 == 0) {
        running.signal(signal);
        running.says(&format!("got {name}"));
    }
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().status.code(), Some(7));
}

#[test]
fn ignored_signals_stay_ignored() {
    let directory = Directory::new();
    let program = env!("CARGO_BIN_EXE_soundpost");
    let line = format!(
        "trap '' HUP; exec {program} run -s {SERVICE} -- sh -c 'grep Sig /proc/self/status; echo ready; sleep 0.3'"
    );
    let mut command = directory.program(&[]);
    let environment: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(Into::<std::ffi::OsString>::into)))
        .collect();
    command = std::process::Command::new("sh");
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["-c", &line]);
    let mut running = Running::start(command);
    running.says("ready");
    running.signal(Signal::SIGHUP);
    let done = running.end();
    assert_eq!(done.status.code(), Some(0), "nohup: {done:?}");
    let mask = done.out.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    // The last two before the real-time ones are the C library's own.
    assert_eq!(mask & 0x7FFF_FFFF, 1, "HUP is ignored in the command, and nothing else is");
    assert!(done.out.contains("SigBlk:\t0000000000000000"), "and nothing is blocked: {}", done.out);
}

#[test]
fn ctrl_c_ends_a_command_without_a_handler() {
    let directory = Directory::new();
    let mut running = run(&directory, &[], "echo ready; exec sleep 60");
    running.says("ready");
    running.signal(Signal::SIGINT);
    let done = running.end();
    assert_eq!((done.status.signal(), own(&done.err)), (Some(2), vec![]));
}

#[test]
fn command_inherits_streams_and_environment() {
    let directory = Directory::new();
    let line = "read line; echo $line $SOUNDPOST_SERVICE $SOUNDPOST_DIRECTORY; echo to err >&2";
    let mut command = directory.program(&["run", "-s", SERVICE, "--", "sh", "-c", line]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    std::io::Write::write_all(&mut running.child.stdin.take().unwrap(), b"hello\n").unwrap();
    let done = running.end();
    assert_eq!(done.out, format!("hello speech {}\n", directory.path().display()));
    assert_eq!(done.err, "to err\n");
}

#[test]
fn surviving_processes_are_warned_of() {
    let directory = Directory::new();
    let fifo = directory.path().join("ready");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let service = directory.service("pid ready wait");
    let fifo = fifo.display();
    let line = format!("({service}) > {fifo} & sed '/ready/q' {fifo}");
    let mut running = run(&directory, &[], &line);
    let pid = running.says("pid ");
    let done = running.end();
    assert_eq!(done.status.code(), Some(0));
    assert!(own(&done.err)[0].contains(&format!("processes of speech run on ({pid})")), "{}", done.err);
    // Nobody stopped it, and it reports for itself now.
    until("the survivor reports", || {
        directory
            .run(&["status", "--json"])
            .good()
            .contains(&format!(r#""reporter_pid":{pid},"agent_pid":null"#))
    });
    assert!(is_alive(&pid));
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn failing_command_is_restarted_until_it_succeeds() {
    let directory = Directory::new();
    let tries = directory.path().join("tries");
    let line = format!("echo x >> {tries}; [ $(wc -l < {tries}) = 3 ] || exit 1", tries = tries.display());
    let done = run(&directory, &["--restart", "on-failure", "--listen", "127.0.0.1:0"], &line).end();
    assert_eq!(done.status.code(), Some(0), "{}", done.err);
    assert_eq!(std::fs::read_to_string(&tries).unwrap(), "x\nx\nx\n");
    assert_eq!(done.err.matches("restart in ").count(), 2, "{}", done.err);
    assert_eq!(directory.run(&["postmortem", "--list"]).good().lines().count(), 2);
}

#[test]
fn signal_ends_the_delay_of_a_restart() {
    let directory = Directory::new();
    let mut running = run(&directory, &["--restart", "on-failure"], "exit 6");
    running.warns("soundpost: restart in ");
    running.signal(Signal::SIGINT);
    assert_eq!(running.end().status.code(), Some(6));
}

#[test]
fn service_survives_the_kill_of_its_agent() {
    let directory = Directory::new();
    let mut running = run(&directory, &[], &directory.service("pid ready reporter begin wait"));
    let pid = running.says("pid ");
    running.says("ready");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().status.signal(), Some(9));
    until("the service reports for itself", || {
        let status = directory.run(&["status", "--json"]).good();
        status.contains(&format!(r#""reporter_pid":{pid}"#))
    });
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn agent_shuts_down_and_excludes_a_second() {
    let directory = Directory::new();
    let address = format!("127.0.0.1:{}", free_port());
    let mut agent = Running::start(directory.program(&["agent", "-s", SERVICE, "--listen", &address]));
    agent.warns(&format!("soundpost: metrics at http://{address}/metrics"));
    scraped(&address, "speech_up 0");
    let second = directory.run(&["agent", "-s", SERVICE]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        second.err.contains(&format!("has one already (process {})", agent.child.id())),
        "{}",
        second.err
    );
    agent.signal(Signal::SIGTERM);
    let done = agent.end();
    assert_eq!(done.status.code(), Some(0), "{}", done.err);
    assert!(done.err.contains("SIGTERM ends the agent"), "{}", done.err);
    assert!(std::net::TcpStream::connect(&address).is_err(), "the port is free again");
}

#[test]
fn doctor_names_sinks_that_the_agent_lacks() {
    let directory = Directory::new();
    let address = format!("127.0.0.1:{}", free_port());
    let mut agent = Running::start(directory.program(&["agent", "-s", SERVICE, "--listen", &address]));
    agent.warns("soundpost: metrics at");
    let place = directory.path().join("calls.jsonl");
    let telemetry = Telemetry::builder(SERVICE)
        .directory(directory.path())
        .listen("off")
        .facade(false)
        .sink(Loki::new("http://127.0.0.1:9").unwrap().token("hunter2"))
        .sink(JsonLines::new(place).unwrap())
        .start()
        .unwrap();
    let examined = || directory.run(&["doctor", "--json", "--listen", "off"]).out;
    let mut found = String::new();
    until("doctor finds the sink", || {
        found = examined();
        found.matches(r#""check":"sink""#).count() == 1
    });
    let finding = found.lines().find(|line| line.contains(r#""check":"sink""#)).unwrap();
    assert!(
        finding.contains(r#""state":"fault""#) && finding.contains("loki (http://127.0.0.1:9)"),
        "{finding}"
    );
    assert!(finding.contains("give it as token_file or token_env") && !found.contains("hunter2"), "{found}");
    telemetry.shutdown(Duration::from_secs(10));
    agent.signal(Signal::SIGTERM);
    agent.end();
}
