//! Fixtures of the tests: the built program, a service to watch, and waiting with a deadline.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use soundpost::binding::{Level, Log, event_builder};
use soundpost::{Seconds, Telemetry};

/// The service of the tests.
pub const SERVICE: &str = "speech";
/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory for one test. Dropping it also removes the remains of its services in shared memory.
pub struct Directory(tempfile::TempDir);

impl Directory {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program, for this directory and no other setting of the machine.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soundpost"));
        for (name, _) in std::env::vars_os() {
            let ours = name.to_string_lossy().starts_with("SOUNDPOST_");
            if ours || name == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("SOUNDPOST_DIRECTORY", self.path())
            .env("SOUNDPOST_LISTEN", "none")
            .env("SOUNDPOST_GPU", "none")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        Running::start(self.program(arguments)).end()
    }

    /// A line of shell that runs this test program as a process of the service, told what to do by `SOUNDPOST_TEST`.
    pub fn service(&self, script: &str) -> String {
        let exe = std::env::current_exe().unwrap();
        format!(
            "SOUNDPOST_TEST='{script}' exec '{}' --exact service --nocapture --test-threads=1",
            exe.display()
        )
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        for name in soundpost::read::Service::all(self.path()) {
            let service = soundpost::read::Service::find(self.path(), &name).ok().flatten();
            for folder in service.iter().flat_map(soundpost::read::Service::segment_directories) {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }
}

/// The other side of [`Directory::service`]: no test without the variable. Its script is a list of words.
pub fn service() {
    let Ok(script) = std::env::var("SOUNDPOST_TEST") else { return };
    let telemetry = Telemetry::builder(std::env::var("SOUNDPOST_SERVICE").unwrap_or(SERVICE.to_owned()))
        .version("V23")
        .facade(false)
        .start()
        .unwrap();
    let operation = telemetry.operation("synthesize").labels(["emotion"]).unwrap();
    let mut running = Vec::new();
    for word in script.split_whitespace() {
        match word {
            "call" => operation.start_with(["sad"]).finish(),
            "begin" => {
                let call = operation.begin_with(["sad"]).request_id("req-7d8e9f").start();
                let stage = call.stage("vocoder");
                call.chunk(Seconds(0.5));
                running.push((call, stage));
            }
            "log" => event_builder(&telemetry).record(&Log::new(Level::Warning, "running hot")),
            "wait" => loop {
                std::thread::park();
            },
            "reporter" => until("this process reports", || telemetry.is_reporter()),
            "kill" => kill(Pid::this(), Signal::SIGKILL).unwrap(),
            "ready" => say("ready"),
            "pid" => say(&format!("pid {}", std::process::id())),
            "shutdown" => telemetry.shutdown(Duration::from_secs(2)),
            word => std::process::exit(word.parse().unwrap()),
        }
    }
    telemetry.shutdown(Duration::from_secs(2));
    std::process::exit(0);
}

fn say(text: &str) {
    println!("\n{text}");
    std::io::stdout().flush().unwrap();
}

/// A program that runs, and what it has written so far.
pub struct Running {
    pub child: Child,
    out: Written,
    err: Written,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Its standard output, where it ended well.
    pub fn good(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.out
    }
}

struct Written {
    text: Arc<Mutex<String>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Written {
    fn by(stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = text.clone();
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { text, thread: Some(thread) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }
}

/// Has it hear what a shell that started the tests in the background ignores.
#[allow(unsafe_code)]
fn heard(command: &mut Command) -> &mut Command {
    let reset = || {
        for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
            // SAFETY: no handler is set, and this may be called between fork and exec.
            unsafe { signal(ignored, SigHandler::SigDfl) }?;
        }
        Ok(())
    };
    // SAFETY: it sets signals, and nothing else.
    unsafe { command.pre_exec(reset) }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = heard(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: Written::by(out), err: Written::by(err) }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The first line on its standard output that begins so, without that.
    pub fn says(&mut self, beginning: &str) -> String {
        self.find(beginning, |running| running.out.text())
    }

    /// The same on its standard error.
    pub fn warns(&mut self, beginning: &str) -> String {
        self.find(beginning, |running| running.err.text())
    }

    fn find(&mut self, beginning: &str, text: fn(&Self) -> String) -> String {
        let mut found = None;
        until_or(
            || {
                let text = text(self);
                let line = text.lines().find_map(|line| line.strip_prefix(beginning));
                found = line.map(str::to_owned);
                found.is_some()
            },
            || format!("no line {beginning:?}:\n{}\n{}", self.out.text(), self.err.text()),
        );
        found.unwrap()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Done {
        let mut status = None;
        let child = &mut self.child;
        until("the program ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        // Processes that it started may hold its output open; they are not awaited.
        for written in [&mut self.out, &mut self.err] {
            let thread = written.thread.take().unwrap();
            let deadline = Instant::now() + Duration::from_secs(1);
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        Done { status: status.unwrap(), out: self.out.text(), err: self.err.text() }
    }
}

/// Asks until it is so; fails after twenty seconds.
pub fn until(what: &str, so: impl FnMut() -> bool) {
    until_or(so, || what.to_owned());
}

fn until_or(mut so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "not within {} s: {}", PATIENCE.as_secs(), what());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns the text of `/metrics`, if a server answers.
pub fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Scrapes until this line is there.
pub fn scraped(address: &str, line: &str) -> String {
    let mut text = String::new();
    until_or(
        || {
            let last = scrape(address);
            let found = last.as_ref().is_some_and(|text| text.lines().any(|found| found == line));
            text = last.unwrap_or_default();
            found
        },
        || format!("{line} in /metrics"),
    );
    text
}

/// Whether a process runs, and is no zombie.
pub fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(PathBuf::from("/proc").join(pid).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}
