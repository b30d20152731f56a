//! A process of a service with a GPU, controlled by lines on its standard input. Each has its own
//! `SOUNDPOST_NVML_PATH`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use soundpost::Telemetry;

use super::common::Directory;

/// The service's name, which is the prefix of its metrics.
const SERVICE: &str = "svc";

pub(crate) struct Worker {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Duration of the start of telemetry.
    pub(crate) started: Duration,
}

impl Worker {
    pub(crate) fn start(directory: &Directory, library: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker::worker", "--nocapture", "--test-threads=1"])
            .env("SOUNDPOST_TEST_DIRECTORY", directory.path())
            .env("SOUNDPOST_NVML_PATH", library)
            .env_remove("CUDA_VISIBLE_DEVICES")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let answers = BufReader::new(stdout).lines();
        let mut worker = Self { child, commands, answers, started: Duration::ZERO };
        worker.started = Duration::from_secs_f64(worker.answer().parse().unwrap());
        worker
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn tell(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    /// Returns the worker's next answer; lines of the test harness are skipped.
    fn answer(&mut self) -> String {
        let own = self.answers.find_map(|line| line.unwrap().split_once("> ").map(|(_, own)| own.to_owned()));
        own.expect("the worker ended").replace('\t', "\n")
    }

    /// Returns the GPU samples of a scrape, with the worker's pid as `PID`, full numbers, and without help and types.
    pub(crate) fn gpus(&mut self) -> Vec<String> {
        let names =
            ["svc_gpu_", "soundpost_gpu_", "soundpost_observations_rejected_total{reason=\"implausible\"}"];
        let own = format!("pid=\"{}\"", self.pid());
        let text = self.tell("render");
        let lines = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        let plain = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            format!("{} {}", series.replace(&own, "pid=\"PID\""), value.parse::<f64>().unwrap())
        };
        lines.map(plain).collect()
    }

    /// Waits until the GPU samples are exactly these, in any order. `gpu_process_memory_bytes` is ignored, because it
    /// depends on the machine's PID namespace.
    #[track_caller]
    pub(crate) fn must_say(&mut self, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let mut said = self.gpus();
            said.retain(|line| !line.starts_with("svc_gpu_process_memory_bytes"));
            said.sort_unstable();
            if said == expected {
                return;
            }
            assert!(Instant::now() < deadline, "said {said:#?}\nbut should {expected:#?}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Kills the process by SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn end(mut self) {
        self.tell("end");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the worker; does nothing without its variables.
#[test]
fn worker() {
    let Ok(directory) = std::env::var("SOUNDPOST_TEST_DIRECTORY") else { return };
    let interval = std::env::var("SOUNDPOST_TEST_INTERVAL").map_or(0.1, |seconds| seconds.parse().unwrap());
    let start = Instant::now();
    let telemetry = Telemetry::builder(SERVICE)
        .directory(directory)
        .sample_interval(Duration::from_secs_f64(interval))
        .facade(false)
        .start()
        .unwrap();
    let answer = |text: &str| println!("\n> {}", text.replace('\n', "\t"));
    answer(&start.elapsed().as_secs_f64().to_string());
    let operation = telemetry.operation("synthesize");
    let mut call = None;
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "render" => answer(&telemetry.render()),
            "begin" => {
                call = Some(operation.start());
                answer("begun");
            }
            "gpu" => answer(&format!("{:?}", call.as_ref().and_then(|call| call.gpu()))),
            // Two overlapping calls, and one after them.
            "three" => {
                let [first, second] = ["first", "second"].map(|id| operation.begin().request_id(id).start());
                first.finish();
                second.finish();
                operation.begin().request_id("third").start().finish();
                answer(&telemetry.flush(Duration::from_secs(10)).to_string());
            }
            "finish" => {
                call.as_ref().unwrap().finish();
                answer("finished");
            }
            "notices" => {
                let notices = telemetry.notices(0).into_iter().map(|notice| notice.message);
                answer(&notices.collect::<Vec<_>>().join("\n"));
            }
            _ => {
                telemetry.shutdown(Duration::from_secs(2));
                return answer("ended");
            }
        }
    }
}
