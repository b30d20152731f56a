//! A process that does what it is told.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;

use soundpost_core::{Call, Calls, Merge, Registry, Spec};

use super::{Running, command, fork, wait};
use crate::common::{registry_at, small};

/// A process that records on command.
pub(crate) struct Puppet {
    child: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Puppet {
    pub(crate) fn start(root: &Path) -> Self {
        let mut child =
            command("puppet", root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut puppet = Self { child: Running(child), input, output };
        puppet.answer();
        puppet
    }

    /// Has it do something, and waits until it was done; gives what it answered.
    pub(crate) fn tell(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").expect("it lives");
        self.answer()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill();
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("a line") > 0, "the puppet ended");
            if let Some((_, answer)) = line.trim_end().split_once("ack:") {
                return answer.to_owned();
            }
        }
    }
}

struct Told {
    registry: Arc<Registry>,
    calls: Arc<Calls>,
    running: Vec<Call>,
    held: Vec<i32>,
}

impl Told {
    fn count(&self, amount: f64) {
        let counter = self.registry.family(Spec::counter("done")).expect("a family");
        counter.counter(&[]).expect("a counter").increment_by(amount);
        let histogram = self.registry.family(Spec::histogram("sizes", &[1.0, 10.0])).expect("a family");
        histogram.histogram(&[]).expect("a histogram").observe(amount);
    }

    fn gauge(&self, name: &str, merge: Merge, given: f64) {
        let gauge = self.registry.family(Spec::gauge(name).merge(merge)).expect("a family");
        gauge.gauge(&[]).expect("a gauge").set(given);
    }

    fn set_gauges(&self, given: f64) {
        self.gauge("level", Merge::Sum, given);
        self.gauge("each", Merge::PerProcess, given);
    }

    fn begin(&mut self) {
        self.running.push(self.calls.operation("op").start());
    }
}

pub(super) fn puppet(root: &Path) {
    let registry = registry_at(root, small());
    let calls = Calls::new(&registry).expect("request metrics");
    let mut told = Told { registry, calls, running: Vec::new(), held: Vec::new() };
    println!("ack:");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let mut words = line.split(' ');
        let what = words.next().expect("a word");
        let amount = words.next().map_or(0.0, |word| word.parse().expect("a number"));
        let mut answer = String::new();
        match what {
            "count" => told.count(amount),
            "gauge" => told.set_gauges(amount),
            "begin" => told.begin(),
            "finish" => drop(told.running.pop().map(|call| call.finish())),
            // A child that records, leaves a call in flight, and ends without a word.
            "fork-and-die" => {
                let child = fork(|| {
                    told.count(amount);
                    told.set_gauges(amount);
                    told.begin();
                    std::mem::take(&mut told.running).into_iter().for_each(std::mem::forget);
                });
                wait(child);
            }
            // A child that records and stays, until it is killed.
            "fork-and-stay" => {
                let (mut ready, done) = std::io::pipe().expect("a pipe");
                let child = fork(|| {
                    told.count(amount);
                    told.set_gauges(amount);
                    told.begin();
                    (&done).write_all(&[1]).expect("told");
                    loop {
                        std::thread::park();
                    }
                });
                std::io::Read::read_exact(&mut ready, &mut [0]).expect("ready");
                told.held.push(child);
                answer = child.to_string();
            }
            "kill-child" => {
                if let Some(child) = told.held.pop() {
                    // SAFETY: signals a child of this process that was not waited for.
                    unsafe { libc::kill(child, libc::SIGKILL) };
                    wait(child);
                }
            }
            // An inherited call belongs to the parent: dropping or ending it in the child ends nothing.
            "fork-and-drop" => {
                let stage = told.running.last().map(|call| call.stage("s"));
                let child = fork(|| {
                    told.running.iter().for_each(|call| call.finish());
                    told.running.clear();
                });
                drop(stage);
                wait(child);
            }
            other => panic!("{other}?"),
        }
        println!("ack:{answer}");
    }
}
