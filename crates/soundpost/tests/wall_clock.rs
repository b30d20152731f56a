//! Tests of a process whose wall clock steps: records are stored and shipped in order, nothing stalls or spins, and
//! nothing is removed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Read as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::libc::{self, c_int, c_long, clockid_t, timespec};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use soundpost::Telemetry;
use soundpost::sink::{JsonLines, Loki, LokiEncoding, LokiExtras};
use soundpost_store::{CallFilter, Order, Reader};
use soundpost_testkit::{Reply, Server};

use common::{Directory, Ending, until};

/// Offset of this process's wall clock, seconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Replaces the C library's function with the kernel's clocks and a wall clock with an offset.
///
/// # Safety
/// As `clock_gettime` of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the kernel checks its arguments.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, c_long::from(clock), time) } as c_int;
    if result == 0 && [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE].contains(&clock) {
        // SAFETY: the kernel has just written it.
        unsafe { (*time).tv_sec += AHEAD.load(Ordering::Relaxed) };
    }
    result
}

const HOUR: i64 = 60 * 60;
const YEAR: i64 = 365 * 24 * HOUR;
/// Successive offsets of the wall clock, the last of them zero.
const STEPS: [i64; 7] = [0, HOUR, -HOUR, YEAR, 0, -YEAR, 0];
/// A time longer than the interval of retention.
const RETENTION: Duration = Duration::from_secs(11);
/// Number of calls after each step.
const CALLS: usize = 50;

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(micros.cast_unsigned())
}

/// Returns the request ids of a Loki push, or of lines.
fn ids(text: &str) -> Vec<String> {
    let parts = text.split("request_id").skip(1).map(|part| part.trim_start_matches(['=', '"', ':']));
    parts.map(|part| part.split([' ', '"', '\\']).next().unwrap().to_owned()).collect()
}

#[test]
fn clock_steps_neither_stall_nor_remove_anything() {
    let directory = Directory::new();
    let has: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = has.clone();
    let server = Server::start(move |request| {
        let mut body = String::new();
        flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut body).unwrap();
        keep.lock().unwrap().extend(ids(&body));
        Reply::status(204)
    });
    let loki = Loki::new(&format!("http://{}", server.address))
        .unwrap()
        .encoding(LokiEncoding::Json)
        .extras(LokiExtras::Logfmt);
    let lines = directory.path().join("lines.jsonl");
    let telemetry = Telemetry::builder("steps")
        .directory(directory.path())
        .listen(None)
        .facade(false)
        .start_event(false)
        .sink(loki)
        .sink(JsonLines::new(&lines).unwrap())
        .start()
        .unwrap();
    let _ending = Ending(telemetry.clone());
    let operation = telemetry.operation("synthesize");
    let wanted: Vec<_> = (0..STEPS.len() * CALLS).map(|number| format!("n{number}")).collect();
    for (step, ahead) in STEPS.into_iter().enumerate() {
        // A call is in flight during the steps.
        let call = operation.begin().request_id(&wanted[step * CALLS]).start();
        AHEAD.store(ahead, Ordering::Relaxed);
        call.finish();
        for id in &wanted[step * CALLS + 1..(step + 1) * CALLS] {
            operation.begin().request_id(id).start().finish();
        }
        let began = Instant::now();
        assert!(telemetry.flush(Duration::from_secs(10)), "stored after the step to {ahead}");
        until("it is shipped", || has.lock().unwrap().len() >= (step + 1) * CALLS);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?} at {ahead}", began.elapsed());
    }
    // Retention runs with a clock that is a year ahead, and no thread spins.
    AHEAD.store(YEAR, Ordering::Relaxed);
    let (began, processor) = (Instant::now(), processor_time());
    while began.elapsed() < RETENTION {
        std::thread::park_timeout(RETENTION.saturating_sub(began.elapsed()));
    }
    let used = processor_time() - processor;
    assert!(used < RETENTION / 4, "{used:?} of processor time in {RETENTION:?}");
    AHEAD.store(0, Ordering::Relaxed);

    assert_eq!(ids(&std::fs::read_to_string(&lines).unwrap()), wanted, "each once, and in order");
    let mut pushed = has.lock().unwrap().clone();
    pushed.sort_by_key(|id| id[1..].parse::<usize>().unwrap());
    assert_eq!(pushed, wanted, "each once");
    let reader = Reader::open(telemetry.directory()).unwrap().unwrap();
    let filter = CallFilter { order: Order::Oldest, ..CallFilter::default() };
    let calls = reader.calls(&filter).unwrap();
    assert_eq!(calls.len(), wanted.len(), "nothing is removed");
    let longest = calls.iter().map(|row| row.call.duration()).max().unwrap();
    assert!(longest < 10_000_000_000, "{longest} ns");
}
