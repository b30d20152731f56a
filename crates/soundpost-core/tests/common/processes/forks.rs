//! Forks, also from threads that record.

use std::path::Path;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::Collector;
use soundpost_core::{Calls, Options, Spec};

use super::{Running, command};
use crate::common::{
    Home, assert_well_formed, distribution, eventually, place_at, registry_at, total, value,
};

/// Runs `work` in a forked child, which ends without unwinding or running destructors.
pub(crate) fn fork(work: impl FnOnce()) -> i32 {
    // SAFETY: the child runs only `work`, which records and writes to a pipe, and then `_exit`; the C
    // library keeps its allocator usable in a child of a process with threads.
    match unsafe { libc::fork() } {
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        child => {
            assert!(child > 0, "fork");
            child
        }
    }
}

/// Waits for a child at most 10 s; it must have ended well or by a kill.
pub(crate) fn wait(child: i32) {
    let status = eventually("the end of a forked child", 10, || {
        let mut status = 0;
        // SAFETY: asks after a child of this process; `status` is a valid place for the answer.
        let ended = unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) };
        (ended == child).then_some(status)
    });
    let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
    assert!(killed || libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status}");
}

pub(crate) const FORKING_THREADS: u64 = 8;
const CHILD_RECORDS: u64 = 50;

/// Forks from all recording threads and checks that everything was counted once; in a process of its own.
pub(super) fn forker(root: &Path) {
    let children: u64 =
        std::env::var("SOUNDPOST_TEST_CHILDREN").expect("a number").parse().expect("a number");
    let registry = registry_at(root, Options::default());
    let calls = Calls::new(&registry).expect("request metrics");
    let operation = calls.operation("op");
    let each = children / FORKING_THREADS;
    let record = |thread: u64, index: u64| {
        let counter = registry.family(Spec::counter("done").labels(&["thread"])).expect("a family");
        counter.counter(&[&thread.to_string()]).expect("a counter").increment();
        let call = operation.start();
        drop(call.stage("s"));
        call.chunk(soundpost_core::Seconds(0.5));
        call.finish();
        let gauge = registry.family(Spec::gauge("level")).expect("a family").gauge(&[]).expect("a gauge");
        gauge.set(index as f64);
    };
    let own: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FORKING_THREADS)
            .map(|thread| {
                let (record, calls) = (&record, &calls);
                scope.spawn(move || {
                    let mut recorded = 0;
                    for child in 0..each {
                        for index in 0..20 {
                            record(thread, index);
                            recorded += 1;
                        }
                        let open = calls.operation("op").start();
                        let pid = fork(|| {
                            for index in 0..CHILD_RECORDS {
                                record(thread, index);
                            }
                            // A label set that the parent has not seen, and a call that is never ended.
                            record(1000 + thread * each + child, 0);
                            std::mem::forget(calls.operation("op").start());
                            drop(open.stage("inherited"));
                            open.finish();
                        });
                        open.finish();
                        recorded += 1;
                        wait(pid);
                    }
                    recorded
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("recorded")).sum()
    });
    let children = each * FORKING_THREADS;
    let mut collector = Collector::new(place_at(root, "svc"), registry.clone());
    let snapshot = collector.snapshot();
    assert_well_formed(&snapshot);
    let of_children = children * (CHILD_RECORDS + 1);
    let ok = (own + of_children) as f64;
    assert_eq!(total(&snapshot, "svc_request", &[("outcome", "ok")]), ok);
    assert_eq!(total(&snapshot, "svc_request", &[("outcome", "died")]), children as f64);
    assert_eq!(total(&snapshot, "done", &[]), ok - children as f64, "an open call of the parent a child");
    assert_eq!(value(&snapshot, "svc_requests_in_flight", &[("operation", "op")]), Some(0.0));
    assert_eq!(value(&snapshot, "level", &[]), Some(19.0), "the children's gauges ended with them");
    let stages = [("operation", "op"), ("stage", "s")];
    let stages = distribution(&snapshot, "svc_stage_duration_seconds", &stages).count();
    assert_eq!(stages as f64, ok - children as f64);
}

/// Runs the storm of forks once; fails when it hangs for 10 s beyond what the forks take.
pub(crate) fn fork_storm(children: u64) -> Duration {
    let home = Home::new();
    let started = Instant::now();
    let mut command = command("forker", home.path());
    command.env("SOUNDPOST_TEST_CHILDREN", children.to_string());
    let mut child = Running(command.spawn().expect("a child"));
    let status = eventually("the end of the storm", 60, || child.0.try_wait().expect("a status"));
    assert!(status.success(), "{status}");
    started.elapsed()
}
