//! Tests of several processes of one service: serving, takeover and recovery after a crash.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod agent;
#[path = "../common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Directory, Ending, get, samples, until, value};
use soundpost::read::Service;
use soundpost::sink::{JsonLines, Loki};
use soundpost::{Call, Telemetry};

/// A secret that a test looks for.
const CANARY: &str = "c4n4ry-of-a-secret";
const SHORT: Duration = Duration::from_millis(20);

/// A process of the service: this test program, controlled by lines on its standard input.
struct Worker {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(directory: &Directory, port: u16) -> Self {
        Self::start_as("process", directory, port)
    }

    fn start_as(role: &str, directory: &Directory, port: u16) -> Self {
        let mut worker = Self::attempt(role, directory, port);
        assert_eq!(worker.answer(), "started");
        worker
    }

    fn attempt(role: &str, directory: &Directory, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker", "--nocapture", "--test-threads=1"])
            .env("SOUNDPOST_TEST_DIRECTORY", directory.path())
            .env("SOUNDPOST_TEST_PORT", port.to_string())
            .env("SOUNDPOST_TEST_ROLE", role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, commands, answers: BufReader::new(stdout).lines() }
    }

    fn tell(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    /// Returns the worker's next line; lines of the test harness are skipped.
    fn answer(&mut self) -> String {
        let own = self.answers.find_map(|line| line.unwrap().split_once("> ").map(|(_, own)| own.to_owned()));
        own.expect("the worker ended")
    }

    fn is_reporter(&mut self) -> bool {
        self.tell("reporter") == "true"
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        self.tell("end");
        assert!(self.child.wait().unwrap().success());
    }
}

/// Runs a worker; does nothing without its variables.
#[test]
fn worker() {
    let (Ok(directory), Ok(port)) =
        (std::env::var("SOUNDPOST_TEST_DIRECTORY"), std::env::var("SOUNDPOST_TEST_PORT"))
    else {
        return;
    };
    let port: u16 = port.parse().unwrap();
    let file = |name: &str| Path::new(&directory).join(name);
    let lines = JsonLines::new(file("lines")).unwrap();
    let loki = || Loki::new(&std::fs::read_to_string(file("url")).unwrap()).unwrap().longest_wait(SHORT);
    let directory = PathBuf::from(&directory);
    let builder = Telemetry::builder("workers").directory(&directory).listen(([127, 0, 0, 1], port));
    let builder = match std::env::var("SOUNDPOST_TEST_ROLE").as_deref() {
        Ok("agent") => builder.agent(),
        Ok("shipping agent") => builder.agent().sink(lines),
        Ok("shipping") => builder.sink(lines).facade(false),
        Ok("shipping elsewhere") => {
            builder.sink(JsonLines::new(directory.join("other lines")).unwrap().name("other")).facade(false)
        }
        Ok("secret in code") => builder.sink(loki().token(CANARY)).facade(false),
        Ok("secret in a file") => builder.sink(loki().token_file(directory.join("token"))).facade(false),
        // The agent has no value.
        Ok("renamed") => builder.namespace("renamed").facade(false),
        _ => builder.facade(false),
    };
    let telemetry = match builder.start() {
        Ok(telemetry) => telemetry,
        Err(error) => return println!("\n> {error}"),
    };
    let operation = telemetry.operation("synthesize");
    let mut running: Vec<Call> = Vec::new();
    let answer = |text: &str| println!("\n> {text}");
    answer("started");
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "call" => operation.start().finish(),
            "begin" => running.push(operation.start()),
            "load" => telemetry.set_ready(false),
            "loaded" => telemetry.set_ready(true),
            "reporter" => {
                answer(&telemetry.is_reporter().to_string());
                continue;
            }
            "notices" => {
                let notices = telemetry.notices(0);
                answer(&notices.iter().map(|notice| &*notice.message).collect::<Vec<_>>().join("; "));
                continue;
            }
            "address" => {
                answer(&telemetry.address().unwrap_or_default());
                continue;
            }
            _ => {
                running.clear();
                telemetry.shutdown(Duration::from_secs(2));
                answer("ended");
                return;
            }
        }
        answer("done");
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const OK: &str = r#"workers_request_total{operation="synthesize",outcome="ok",status="success"}"#;
const DIED: &str = r#"workers_request_total{operation="synthesize",outcome="died",status="error"}"#;
const IN_FLIGHT: &str = r#"workers_requests_in_flight{operation="synthesize"}"#;

#[test]
fn another_process_takes_over_and_totals_continue() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(&directory, port)).collect();
    for worker in &mut workers {
        assert_eq!(worker.tell("call"), "done");
        assert_eq!(worker.tell("address"), address);
    }
    let reporters: Vec<bool> = workers.iter_mut().map(Worker::is_reporter).collect();
    assert_eq!(reporters, [true, false, false], "the first one serves, the others do not");
    let (_, text) = get(&address, "/metrics", "");
    assert_eq!(value(&text, OK), Some(3.0));

    // The serving process is killed during two calls.
    let mut first = workers.remove(0);
    first.tell("begin");
    first.tell("begin");
    let (_, text) = get(&address, "/metrics", "");
    assert_eq!(value(&text, IN_FLIGHT), Some(2.0));
    first.kill();
    let killed = Instant::now();
    let taken_over = || std::net::TcpStream::connect(&address).is_ok();
    until("another serves", taken_over);
    assert!(killed.elapsed() < Duration::from_secs(2), "taken over after {:?}", killed.elapsed());
    let (_, text) = get(&address, "/metrics", "");
    assert_eq!(value(&text, OK), Some(3.0), "what the dead one counted is kept");
    assert_eq!(value(&text, DIED), Some(2.0));
    assert_eq!(value(&text, IN_FLIGHT), Some(0.0));

    // The next ones are killed until one is left.
    for (left, worker) in [(2.0, workers.remove(0)), (1.0, workers.remove(0))] {
        let served = left > 1.0;
        worker.kill();
        if served {
            until("another serves", || std::net::TcpStream::connect(&address).is_ok());
            let (_, text) = get(&address, "/metrics", "");
            assert_eq!((value(&text, OK), value(&text, DIED)), (Some(3.0), Some(2.0)));
        }
    }

    // The service died; its next start recovers its records.
    let next = Worker::start(&directory, port);
    let (_, text) = get(&address, "/metrics", "");
    assert_eq!((value(&text, OK), value(&text, DIED)), (Some(3.0), Some(2.0)));
    next.end();

    // A run that ended cleanly is over.
    let new = Worker::start(&directory, port);
    let (_, text) = get(&address, "/metrics", "");
    assert!(samples(&text, "workers_request_total").is_empty());
    new.end();
}

/// Returns the postmortems of processes: process id, and number of calls in flight.
fn postmortems(directory: &Directory) -> Vec<(u64, usize)> {
    let lines = soundpost_store::postmortem_lines(&directory.path().join("workers"));
    let read = |line: &String| {
        assert!(line.contains(r#""cause":"process""#) && line.contains(r#""service":"workers""#), "{line}");
        let (_, pid) = line.split_once(r#""pid":"#).unwrap();
        let pid = pid[..pid.find([',', '}']).unwrap()].parse().unwrap();
        (pid, line.matches("request_id").count())
    };
    lines.iter().map(read).collect()
}

#[test]
fn survivors_write_the_postmortem_of_a_process() {
    let directory = Directory::new();
    let port = free_port();
    let mut workers: Vec<Worker> = (0..4).map(|_| Worker::start(&directory, port)).collect();
    workers.iter_mut().for_each(|worker| drop(worker.tell("call")));
    // The reporter itself, during two calls.
    let reporter = workers.remove(0);
    let mut expected = vec![(u64::from(reporter.child.id()), 2)];
    let mut reporter = reporter;
    reporter.tell("begin");
    reporter.tell("begin");
    reporter.kill();
    until("a survivor has written it", || postmortems(&directory) == expected);
    // An idle process.
    let idle = workers.remove(0);
    expected.push((u64::from(idle.child.id()), 0));
    idle.kill();
    until("its postmortem is written", || postmortems(&directory) == expected);
    // A process that ends in order, and the last one, have none; another reporter does not repeat those of before.
    workers.remove(0).end();
    let mut last = workers.remove(0);
    until("the last one reports", || last.is_reporter());
    last.tell("begin");
    last.kill();
    let mut next = Worker::start(&directory, port);
    until("it reports", || next.is_reporter());
    next.tell("call");
    next.end();
    assert_eq!(postmortems(&directory), expected);
}

#[test]
fn postmortems_of_processes_are_bounded() {
    let directory = Directory::new();
    let port = free_port();
    let mut first = Worker::start(&directory, port);
    let path = directory.path().join("workers/postmortems.jsonl");
    std::fs::write(&path, "{\"unix_nanos\":1}\n".repeat(60)).unwrap();
    Worker::start(&directory, port).kill();
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    until("the oldest are removed", || lines() == 50);
    let notice = "died while the service lived on; calls in flight: 0; ";
    until("the death is reported", || first.tell("notices").contains(notice));
    first.end();
}

#[test]
fn leaving_worker_hands_over_its_totals() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut first = Worker::start(&directory, port);
    let mut second = Worker::start(&directory, port);
    first.tell("call");
    second.tell("call");
    first.end();
    until("the second serves", || second.is_reporter());
    until("it listens", || std::net::TcpStream::connect(&address).is_ok());
    for _ in 0..3 {
        let mut third = Worker::start(&directory, port);
        third.tell("call");
        third.end();
    }
    until("all are counted", || value(&get(&address, "/metrics", "").1, OK) == Some(5.0));
    second.end();
}

/// Returns the service's folder in shared memory, if there is one.
fn shared_folder(directory: &Directory) -> Option<PathBuf> {
    let of = directory.path().join("workers");
    let users = std::fs::read_dir("/dev/shm").unwrap().flatten().map(|entry| entry.path());
    let folders = users.flat_map(|user| std::fs::read_dir(user).into_iter().flatten().flatten());
    let is_ours = |folder: &PathBuf| {
        std::fs::read_to_string(folder.join("of")).is_ok_and(|path| Path::new(&path) == of.as_path())
    };
    folders.map(|folder| folder.path()).find(is_ours)
}

#[test]
fn processes_that_stop_together_leave_nothing() {
    for _ in 0..5 {
        let directory = Directory::new();
        let port = free_port();
        let mut workers: Vec<Worker> = (0..4).map(|_| Worker::start(&directory, port)).collect();
        assert!(shared_folder(&directory).is_some());
        for worker in &mut workers {
            writeln!(worker.commands, "end").unwrap();
        }
        for worker in &mut workers {
            assert_eq!(worker.answer(), "ended");
            assert!(worker.child.wait().unwrap().success());
        }
        assert_eq!(shared_folder(&directory), None);
        let left = std::fs::read_dir(directory.path().join("workers")).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["reporter.lock", "settings", "store.sqlite"]);
    }
}

#[test]
fn abandoned_segments_are_reclaimed() {
    let (gone, here) = (Directory::new(), Directory::new());
    let mut worker = Worker::start(&gone, free_port());
    worker.tell("call");
    worker.kill();
    let left = shared_folder(&gone).unwrap();
    let living = Worker::start(&here, free_port());
    assert!(left.exists(), "its directory is there, it may come back");
    living.end();
    drop(gone);
    let living = Worker::start(&here, free_port());
    assert!(!left.exists(), "its directory is gone, it cannot come back");
    assert!(shared_folder(&here).is_some());
    living.end();
}

#[test]
fn address_of_a_killed_server_is_removed() {
    let directory = Directory::new();
    let port = free_port();
    let mut worker = Worker::start(&directory, port);
    assert_eq!(worker.tell("address"), format!("127.0.0.1:{port}"));
    worker.kill();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut next = Worker::start(&directory, port);
    assert_eq!(next.tell("address"), "");
    next.end();
}

#[test]
fn killed_process_does_not_block_new_ones() {
    let directory = Directory::new();
    let port = free_port();
    for _ in 0..5 {
        let mut worker = Worker::start(&directory, port);
        worker.tell("call");
        worker.tell("begin");
        worker.kill();
    }
    let last = Worker::start(&directory, port);
    let (_, text) = get(&format!("127.0.0.1:{port}"), "/metrics", "");
    assert_eq!((value(&text, OK), value(&text, DIED)), (Some(5.0), Some(5.0)));
    last.end();
}

const UP: &str = "workers_up";

/// Returns a scrape, once `sample` has this value.
fn scraped(address: &str, sample: &str, expected: f64) -> String {
    let mut text = String::new();
    until(&format!("{sample} is {expected}"), || {
        let connected = std::net::TcpStream::connect(address).is_ok();
        text = if connected { get(address, "/metrics", "").1 } else { String::new() };
        value(&text, sample) == Some(expected)
    });
    text
}

#[test]
fn reporter_can_read_its_own_service() {
    let directory = Directory::new();
    let telemetry = directory.serving("workers").start().unwrap();
    let _ending = Ending(telemetry.clone());
    let service = Service::find(directory.path(), "workers").unwrap().unwrap();
    assert_eq!(service.reporter(), Some(std::process::id()));
    // It is still the reporter. Closing a file can release the process's locks on it.
    let mut other = Worker::start(&directory, 0);
    assert!(!other.is_reporter());
    other.end();
    assert!(service.address().is_some_and(|address| Some(address) == telemetry.address()));
}
